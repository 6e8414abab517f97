/** The line that moves while a network trains. */
import type { StepReport } from '../../src/index.js';
import { count, duration, lossText, lrText, rateText } from '../common/format.js';
import { type Io, painter } from '../common/io.js';

export interface ProgressState {
  readonly step: number;
  readonly total: number;
  /** Mean of the last steps. */
  readonly loss: number;
  /** Learning rate of the last step, where it changes. */
  readonly lr?: number;
  /** Steps per second of late; undefined while it is too early to tell. */
  readonly rate: number | undefined;
}

const INDENT = '  ';
/** Less than 80 columns offer, so that the bar keeps its length while the numbers beside it change theirs. */
const MAX_BAR = 24;
const MIN_BAR = 8;

/** The parts of a progress line that fit into `columns`: first the bar gives way, then the parts from the right. */
export function progressParts(state: ProgressState, columns: number): { bar: number; text: string } {
  const { step, total, loss, lr, rate } = state;
  const parts = [`${count(step).padStart(count(total).length)}/${count(total)}`, `loss ${lossText(loss).padEnd(6)}`];
  if (lr !== undefined) parts.push(`lr ${lrText(lr)}`);
  if (rate !== undefined) {
    parts.push(rateText(rate));
    if (step < total) parts.push(`${duration((total - step) / rate)} left`);
  }
  const room = columns - 1 - INDENT.length; // a character in the last column would wrap some terminals
  const length = (n: number) => parts.slice(0, n).join(INDENT).length;
  let shown = parts.length;
  while (shown > 1 && length(shown) > room) shown--;
  const left = room - length(shown) - INDENT.length;
  const bar = left < MIN_BAR || shown < parts.length ? 0 : Math.min(left, MAX_BAR);
  return { bar, text: parts.slice(0, shown).join(INDENT).slice(0, Math.max(room, 0)) };
}

/** Steps over which the loss and the rate shown are taken. */
const LOSS_STEPS = 25;
const RATE_MS = 3000;
/** A shorter time tells little: read-backs that waited for the first steps' compiling arrive together. */
const RATE_LEAST_MS = 250;
const REDRAW_MS = 100;
const PLAIN_MS = 5000;

/**
 * Shows progress on `io.stdout`: on a terminal one line, redrawn at most ten times a second; else plain lines, one every
 * tenth of the way or five seconds.
 */
export class Progress {
  readonly #paint;
  readonly #losses: number[] = [];
  readonly #times: { step: number; time: number }[] = [];
  #step = 0;
  #lr = Number.NaN;
  #drawn = Number.NEGATIVE_INFINITY;
  #tenth = 0;
  #open = false;

  constructor(
    readonly io: Io,
    readonly total: number,
    readonly now: () => number = () => performance.now(),
    /** Whether the learning rate is shown. */
    readonly scheduled = false,
  ) {
    this.#paint = painter(io.stdout);
    if (io.stdout.isTTY) this.#redraw({ step: 0, total, loss: Number.NaN, rate: undefined });
    else this.#drawn = this.now();
  }

  /** One read-back of steps. */
  add(steps: readonly StepReport[]): void {
    const last = steps.at(-1);
    if (!last) return;
    const time = this.now();
    this.#step = last.step;
    this.#lr = last.lr;
    this.#losses.push(...steps.slice(-LOSS_STEPS).map(({ loss }) => loss));
    this.#losses.splice(0, this.#losses.length - LOSS_STEPS);
    this.#times.push({ step: last.step, time });
    while (this.#times.length > 2 && this.#times[1]!.time < time - RATE_MS) this.#times.shift();

    if (this.io.stdout.isTTY) {
      if (time - this.#drawn >= REDRAW_MS) this.#redraw(this.#state());
      return;
    }
    const tenth = Math.floor((10 * last.step) / this.total);
    if (tenth === this.#tenth && time - this.#drawn < PLAIN_MS) return;
    this.#tenth = tenth;
    this.#drawn = time;
    this.io.stdout.write(`${INDENT}${progressParts(this.#state(), 100).text.trimEnd()}\n`);
  }

  /** Takes the live line away, for other text; the next `add` draws it again. */
  clear(): void {
    if (this.#open) this.io.stdout.write('\r\x1b[K');
    this.#open = false;
    this.#drawn = Number.NEGATIVE_INFINITY;
  }

  /** Leaves the line as it ended. */
  end(): void {
    if (!this.io.stdout.isTTY) return;
    if (this.#step > 0) this.#redraw(this.#state());
    if (this.#open) this.io.stdout.write('\n');
    this.#open = false;
  }

  #state(): ProgressState {
    // From the first read-back on, not from the start: drivers compile during the first steps.
    const [first, last] = [this.#times[0]!, this.#times.at(-1)!];
    const span = last.time - first.time;
    const rate = span >= RATE_LEAST_MS ? (1000 * (last.step - first.step)) / span : undefined;
    const loss = this.#losses.reduce((sum, value) => sum + value, 0) / this.#losses.length;
    return { step: this.#step, total: this.total, loss, rate, ...(this.scheduled && { lr: this.#lr }) };
  }

  #redraw(state: ProgressState): void {
    this.#drawn = this.now();
    this.#open = true;
    const { bar, text } = progressParts(state, this.io.stdout.columns ?? 80);
    const done = Math.floor((bar * state.step) / state.total);
    const drawn = this.#paint('cyan', '━'.repeat(done)) + this.#paint('gray', '─'.repeat(bar - done));
    const shown = state.step === 0 ? `${count(0).padStart(count(this.total).length)}/${count(this.total)}` : text;
    this.io.stdout.write(`\r${INDENT}${drawn}${bar > 0 ? INDENT : ''}${shown}\x1b[K`);
  }
}
