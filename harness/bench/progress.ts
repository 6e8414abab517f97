/** What is said while a benchmark runs: a line that moves on a terminal, a line per case elsewhere. */

import { duration } from '../common/format.js';
import { type Io, painter } from '../common/io.js';
import type { Item } from './plan.js';

const REDRAW_MS = 100;

export class BenchProgress {
  readonly #paint;
  readonly #total: number;
  /** Guessed seconds of what is over, and what it took. */
  #guessed = 0;
  readonly #start = performance.now();
  #item: Item | undefined;
  #index = 0;
  #drawn = Number.NEGATIVE_INFINITY;
  #open = false;

  constructor(
    io: Io,
    private readonly items: readonly Item[],
    /** A moving line, if the stream is a terminal. */
    private readonly stream = io.stderr,
  ) {
    this.#paint = painter(stream);
    this.#total = items.reduce((sum, { seconds }) => sum + seconds, 0);
  }

  /** Before the first case: how much there is. */
  announce(): void {
    const cases = `${this.items.length} ${this.items.length === 1 ? 'part' : 'parts'}`;
    this.stream.write(`  ${cases}, about ${duration(this.#total)}\n`);
  }

  begin(item: Item, index: number): void {
    this.#item = item;
    this.#index = index;
    this.update(0, '');
  }

  update(share: number, contender: string): void {
    const now = performance.now();
    if (!this.stream.isTTY || !this.#item || now - this.#drawn < REDRAW_MS) return;
    this.#drawn = now;
    this.#open = true;
    const columns = (this.stream.columns ?? 80) - 1;
    const count = `${this.#index + 1}/${this.items.length}`;
    const left = `${duration(this.#left(share))} left`;
    const what = `${this.#item.scenario}: ${this.#item.title}${contender && `, ${contender}`}`;
    const text = `  ${count}  ${left}  ${what}`.slice(0, columns);
    this.stream.write(`\r${this.#paint('gray', text)}\x1b[K`);
  }

  /** A part is over, with what came of it in a few words. */
  end(outcome: string, ok: boolean): void {
    const item = this.#item!;
    this.#guessed += item.seconds;
    this.clear();
    const mark = ok ? this.#paint('green', '✓') : this.#paint('red', '✗');
    const left = this.#index + 1 < this.items.length ? `, ${duration(this.#left(0))} left` : '';
    const place = new Set(this.items.map((each) => each.place)).size > 1 ? `${item.place} ` : '';
    this.stream.write(`  ${mark} ${place}${item.scenario}: ${item.title}  ${this.#paint('gray', outcome + left)}\n`);
  }

  clear(): void {
    if (this.#open) this.stream.write('\r\x1b[K');
    this.#open = false;
    this.#drawn = Number.NEGATIVE_INFINITY;
  }

  /** Seconds, by how well the guesses held so far. */
  #left(share: number): number {
    const spent = (performance.now() - this.#start) / 1000;
    const done = this.#guessed + share * (this.#item?.seconds ?? 0);
    // The guess counts as ten seconds of experience, so that the first case does not decide alone.
    const pace = (spent + 10) / (done + 10);
    return Math.max((this.#total - done) * pace, 0);
  }
}
