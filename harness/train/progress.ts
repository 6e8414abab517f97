/** How a training goes: the steps, their loss, and what is left of them. */
import type { StepReport } from '../../src/index.js';
import { count, duration, lossText, lrText, rateText } from '../common/format.js';
import type { Io } from '../common/io.js';
import { fitted, Progress } from '../common/progress.js';
import { hasCursor } from '../common/terminal.js';

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

export function progressParts({ step, total, loss, lr, rate }: ProgressState): string[] {
  const parts = [`${count(step).padStart(count(total).length)}/${count(total)}`];
  if (step > 0) parts.push(`loss ${lossText(loss).padEnd(6)}`);
  if (lr !== undefined) parts.push(`lr ${lrText(lr)}`);
  if (rate !== undefined) {
    parts.push(rateText(rate));
    if (step < total) parts.push(`${duration((total - step) / rate)} left`);
  }
  return parts;
}

/** Steps over which the loss and the rate shown are taken. */
const LOSS_STEPS = 25;
const RATE_MS = 3000;
/** A shorter time tells little: read-backs that waited for the first steps' compiling arrive together. */
const RATE_LEAST_MS = 250;
const PLAIN_MS = 5000;

/** Shows it on `io.stdout`: on a terminal the moving line; else plain lines, one every tenth of the way or five seconds. */
export class TrainProgress {
  readonly #line: Progress;
  readonly #losses: number[] = [];
  readonly #times: { step: number; time: number }[] = [];
  #step = 0;
  #lr = Number.NaN;
  #said: number;
  #tenth = 0;

  constructor(
    readonly io: Io,
    readonly total: number,
    readonly now: () => number = () => performance.now(),
    /** Whether the learning rate is shown. */
    readonly scheduled = false,
  ) {
    this.#line = new Progress(io.stdout, now);
    this.#line.draw(progressParts({ step: 0, total, loss: Number.NaN, rate: undefined }), 0);
    this.#said = now();
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

    this.#draw();
    const tenth = Math.floor((10 * last.step) / this.total);
    if (hasCursor(this.io.stdout) || (tenth === this.#tenth && time - this.#said < PLAIN_MS)) return;
    this.#tenth = tenth;
    this.#said = time;
    this.#line.say(fitted(progressParts(this.#state()), 100).text.trimEnd());
  }

  /** Takes the live line away, for other text; the next `add` draws it again. */
  clear(): void {
    this.#line.clear();
  }

  /** Leaves the line as it ended. */
  end(): void {
    if (this.#step > 0) this.#draw(true);
    this.#line.end();
  }

  #draw(always = false): void {
    this.#line.draw(progressParts(this.#state()), this.#step / this.total, always);
  }

  #state(): ProgressState {
    // From the first read-back on, not from the start: drivers compile during the first steps.
    const [first, last] = [this.#times[0]!, this.#times.at(-1)!];
    const span = last.time - first.time;
    const rate = span >= RATE_LEAST_MS ? (1000 * (last.step - first.step)) / span : undefined;
    const loss = this.#losses.reduce((sum, value) => sum + value, 0) / this.#losses.length;
    return { step: this.#step, total: this.total, loss, rate, ...(this.scheduled && { lr: this.#lr }) };
  }
}
