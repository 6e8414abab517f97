/** An eigenvalue as Lanczos found it. */
export interface RitzValue {
  readonly value: number;
  /** The matrix has an eigenvalue at most so far away, up to f32's rounding. */
  readonly error: number;
}

/** What the loss looks like around a point. Plain data. */
export interface Spectrum {
  /** The largest eigenvalues, from the largest on. */
  readonly largest: readonly RitzValue[];
  /** The smallest, from the smallest on: negative ones are directions in which the loss bends down. */
  readonly smallest: readonly RitzValue[];
  /**
   * |λ| of the largest over that of the `conditionRank`-th, by magnitude. All eigenvalues are counted where Lanczos found all
   * that there are, as in problems of few dimensions: then it is the condition number. Of a deep network that is infinite.
   */
  readonly conditionNumber: number;
  readonly conditionRank: number;
  readonly negative: {
    /** Ritz values below -1e-3 of the largest: a saddle has an index of at least so many. */
    readonly count: number;
    /** The share of all directions that bend down so, by Lanczos quadrature of one random vector: an estimate. */
    readonly share: number;
  };
  /** Gradient descent with a larger rate than 2 / (largest eigenvalue) climbs along that one's direction. Infinity where none is positive. */
  readonly stabilityLimit: number;
  /** Steps of Lanczos' iteration that were made. */
  readonly iterations: number;
}

/** The curvature of the training loss at the present weights. */
export interface Curvature extends Spectrum {
  /** Of the trainer, when it was asked. */
  readonly step: number;
  /** Mean over the samples, of the loss alone. */
  readonly loss: number;
  readonly samples: number;
  readonly parameters: number;
}
