/** One number for all features (or outputs), or one for each. */
export type Scaling = number | readonly number[] | Float64Array;

/** What the network is to predict for each sample. */
export type Targets =
  /** One class index per sample, for softmax cross-entropy. */
  | { readonly kind: 'classes'; readonly classes: number; readonly labels: Uint8Array | Uint16Array | Uint32Array }
  /**
   * `width` real numbers per sample, row-major, for mean squared error and the like. With `scale` and `shift` (one number, or one per
   * output; default 1 and 0) the network is trained on `raw * scale + shift`, and `trainer.predict` gives raw units back.
   */
  | {
      readonly kind: 'values';
      readonly width: number;
      readonly values: Float32Array;
      readonly scale?: Scaling;
      readonly shift?: Scaling;
    }
  /** The probability of each class per sample, [samples, classes], for softmax cross-entropy: rows sum to 1. */
  | { readonly kind: 'probabilities'; readonly classes: number; readonly values: Float32Array };

/**
 * Samples in host memory: `samples` rows of `features` raw values and one target each.
 *
 * The network sees `raw * scale + shift`. With one number for all features bytes stay bytes, on the GPU too: the first
 * layer decodes them. One number per feature, or one that is no float32 (denormal samples have such a scale), is applied in
 * float64 when the data set goes to the GPU, as float32.
 */
export interface Dataset {
  readonly samples: number;
  readonly features: number;
  /** Row-major, `samples * features` values. */
  readonly x: Uint8Array | Float32Array;
  readonly scale: Scaling;
  readonly shift: Scaling;
  readonly targets: Targets;
  /** Shape of one sample where it is an image, for pictures of it: [height, width]. */
  readonly image?: readonly [number, number];
  /** Names of the classes, by index. */
  readonly labels?: readonly string[];
  /** Names of the features, such as columns of a table. */
  readonly featureNames?: readonly string[];
  /** Names of what is predicted: one per output of 'values', a single one for 'classes'. */
  readonly targetNames?: readonly string[];
  /** How rows of a table became samples, so that other tables become the same: see `csv` of `downhill/csv`. */
  readonly encoding?: TableEncoding;
}

/** How a column of a table becomes features. */
export type ColumnEncoding =
  /** One feature; one more that is 1 where the value is missing, with `indicator`. */
  | {
      readonly name: string;
      readonly kind: 'number';
      /** What stands for a missing value; absent where that is refused. */
      readonly fill?: number;
      readonly indicator?: boolean;
    }
  /** One-hot: a feature per category, and one more for missing values where `missing` is set. */
  | {
      readonly name: string;
      readonly kind: 'category';
      readonly categories: readonly string[];
      readonly missing?: boolean;
    };

/** How a table becomes samples. Plain JSON. */
export interface TableEncoding {
  readonly version: 1;
  /** In the order of the features. */
  readonly columns: readonly ColumnEncoding[];
  readonly target:
    | { readonly kind: 'classes'; readonly name: string; readonly labels: readonly string[] }
    | { readonly kind: 'values'; readonly names: readonly string[] };
  /** How the file was written, where that was said: others are read alike unless something else is said of them. */
  readonly delimiter?: string;
  readonly decimal?: '.' | ',';
}
