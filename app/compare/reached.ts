/* When a loss was as low as a target that may be chosen later: the record lows of its mean, and when each was set. */

/** A record is kept where it is lower than the one before by this share: a target is met to a thousandth. */
const FINE = 1e-3;

export interface Reached {
  readonly step: number;
  readonly seconds: number;
}

/** The mean of the last losses of a member, and its records. */
export class Descent {
  readonly #recent: number[] = [];
  readonly #records: (Reached & { readonly loss: number })[] = [];
  /** Losses in step 1, for a target by share of it. */
  first: number | undefined;

  /** @param last losses in the mean */
  constructor(private readonly last: number) {}

  /** The mean of the last losses; NaN before the first. */
  get loss(): number {
    return this.#recent.reduce((sum, loss) => sum + loss, 0) / this.#recent.length;
  }

  push(step: number, loss: number, seconds: number): void {
    this.first ??= loss;
    this.#recent.push(loss);
    if (this.#recent.length > this.last) this.#recent.shift();
    // A few losses say too little.
    if (this.#recent.length < this.last) return;
    const mean = this.loss;
    const record = this.#records.at(-1);
    if (!record || mean < record.loss * (1 - FINE)) this.#records.push({ step, seconds, loss: mean });
  }

  /** The first step at which the mean was no higher than `target`. */
  reached(target: number): Reached | undefined {
    return this.#records.find(({ loss }) => loss <= target * (1 + FINE));
  }
}
