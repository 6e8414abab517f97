/** The line that moves while something long goes on. */
import { type Paint, painter, type Stream } from './io.js';
import { INDENT } from './table.js';
import { hasCursor, marked } from './terminal.js';

/** Less than 80 columns offer, so that the bar keeps its length while the numbers beside it change theirs. */
const MAX_BAR = 24;
const MIN_BAR = 8;
const REDRAW_MS = 100;

/** The parts that fit into `columns`, and the bar's length: first the bar gives way, then the parts from the right. */
export function fitted(parts: readonly string[], columns: number): { bar: number; text: string } {
  const room = columns - 1 - INDENT.length; // a character in the last column would wrap some terminals
  const length = (n: number) => parts.slice(0, n).join(INDENT).length;
  let shown = parts.length;
  while (shown > 1 && length(shown) > room) shown--;
  const left = room - length(shown) - INDENT.length;
  const bar = left < MIN_BAR || shown < parts.length ? 0 : Math.min(left, MAX_BAR);
  return { bar, text: parts.slice(0, shown).join(INDENT).slice(0, Math.max(room, 0)) };
}

/** On a terminal with a cursor one line, redrawn in place at most ten times a second; elsewhere only what is said to stay. */
export class Progress {
  readonly paint: Paint;
  #drawn = Number.NEGATIVE_INFINITY;
  #open = false;

  constructor(
    readonly stream: Stream,
    readonly now: () => number = () => performance.now(),
  ) {
    this.paint = painter(stream);
  }

  /** Draws, if it is time. With `share`, from 0 to 1, behind a bar. @param always also where it was drawn just now */
  draw(parts: readonly string[], share?: number, always = false): void {
    const now = this.now();
    if (!hasCursor(this.stream) || (!always && now - this.#drawn < REDRAW_MS)) return;
    this.#drawn = now;
    this.#open = true;
    const { bar, text } = fitted(parts, this.stream.columns ?? 80);
    if (share === undefined || bar === 0) return void this.#write(INDENT + text);
    const done = Math.floor(bar * share);
    const drawn = this.paint('cyan', '━'.repeat(done)) + this.paint('gray', '─'.repeat(bar - done));
    this.#write(INDENT + drawn + INDENT + text);
  }

  /** In the place of the line, whose end goes. */
  #write(text: string): void {
    this.stream.write(`\r${text}${marked(this.stream, '\x1b[K')}`);
  }

  /** A line that stays, in the place of the moving one. */
  say(text: string): void {
    this.clear();
    this.stream.write(`${INDENT}${text}\n`);
  }

  /** Takes the live line away, for other text; the next `draw` draws it again. */
  clear(): void {
    if (this.#open) this.#write('');
    this.#open = false;
    this.#drawn = Number.NEGATIVE_INFINITY;
  }

  /** Leaves the line as it is. */
  end(): void {
    if (this.#open) this.stream.write('\n');
    this.#open = false;
  }
}
