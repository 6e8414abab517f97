/** What is said while a benchmark runs: a line that moves on a terminal, a line per case elsewhere. */
import { duration, plural } from '../common/format.js';
import type { Io } from '../common/io.js';
import { Progress } from '../common/progress.js';
import { type Item, TimeLeft } from './plan.js';

export class BenchProgress {
  readonly #line: Progress;
  readonly #time: TimeLeft;
  #item: Item | undefined;
  #index = 0;

  constructor(
    io: Io,
    private readonly items: readonly Item[],
  ) {
    this.#line = new Progress(io.stderr);
    this.#time = new TimeLeft(items);
  }

  /** Before the first case: how much there is. */
  announce(): void {
    this.#line.say(`${plural(this.items.length, 'part')}, about ${duration(this.#time.total)}`);
  }

  begin(item: Item, index: number): void {
    this.#item = item;
    this.#index = index;
    this.update(0, '');
  }

  update(share: number, contender: string): void {
    if (!this.#item) return;
    const { scenario, title } = this.#item;
    const left = `${duration(this.#time.left(this.#index, share))} left`;
    const what = `${scenario}: ${title}${contender && `, ${contender}`}`;
    this.#line.draw([`${this.#index + 1}/${this.items.length}  ${left}  ${what}`]);
  }

  /** A part is over, with what came of it in a few words. */
  end(outcome: string, ok: boolean): void {
    const { place, scenario, title } = this.#item!;
    const { paint } = this.#line;
    const mark = ok ? paint('green', '✓') : paint('red', '✗');
    const next = this.#index + 1;
    const left = next < this.items.length ? `, ${duration(this.#time.left(next, 0))} left` : '';
    const where = new Set(this.items.map((each) => each.place)).size > 1 ? `${place} ` : '';
    this.#line.say(`${mark} ${where}${scenario}: ${title}  ${paint('gray', outcome + left)}`);
  }

  clear(): void {
    this.#line.clear();
  }
}
