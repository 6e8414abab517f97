/** Whether a training got worse instead of better. */

/** Single losses of small batches scatter: the first ones count until they cover so many samples. */
const FIRST_SAMPLES = 32;
/** How much larger the loss is at the end of a run that counts as diverged. */
const FACTOR = 3;
/** As many losses of the end are looked at, at most: enough for a median, however long the run. */
const LAST_LOSSES = 1024;

/**
 * A run diverged when its last loss is not a finite number, or when its loss at the end is more than 3 times the loss at
 * the start. At the start: the mean of the first steps that see 32 samples together. At the end: the median of as many
 * steps, and of a tenth of the run at least (1,024 steps at most), so that no single batch decides. A run too short for
 * both has not diverged.
 *
 * @param losses of step 1, 2 …
 * @returns in words what happened; undefined where the training did not diverge
 */
export function divergence(losses: Iterable<number>, batchSize: number): string | undefined {
  const course = new LossCourse(batchSize);
  for (const loss of losses) course.push(loss);
  return course.divergence;
}

/** Losses as they come, for {@link divergence} at any time; the memory it takes does not grow with the run. */
export class LossCourse {
  readonly #few: number;
  #first = 0;
  #steps = 0;
  /** The last losses, in a ring. */
  readonly #last = new Float64Array(LAST_LOSSES);

  constructor(batchSize: number) {
    this.#few = Math.min(LAST_LOSSES, Math.max(1, Math.ceil(FIRST_SAMPLES / batchSize)));
  }

  push(loss: number): void {
    if (this.#steps < this.#few) this.#first += loss / this.#few;
    this.#last[this.#steps++ % LAST_LOSSES] = loss;
  }

  get divergence(): string | undefined {
    const steps = this.#steps;
    if (steps === 0) return undefined;
    const at = (step: number) => this.#last[step % LAST_LOSSES]!;
    if (!Number.isFinite(at(steps - 1))) return 'its loss is not finite any more';
    const many = Math.min(LAST_LOSSES, Math.max(this.#few, Math.ceil(steps / 10)));
    if (this.#few + many > steps) return undefined;
    const sorted = Float64Array.from({ length: many }, (_, i) => at(steps - many + i)).sort();
    const last = sorted[Math.floor(many / 2)]!;
    if (!(last > FACTOR * this.#first)) return undefined;
    return `its loss went from ${this.#first.toPrecision(3)} to ${last.toPrecision(3)}`;
  }
}
