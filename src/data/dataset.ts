/** What the network is to predict for each sample. */
export type Targets =
  /** One class index per sample, for softmax cross-entropy. */
  | { readonly kind: 'classes'; readonly classes: number; readonly labels: Uint8Array | Uint16Array | Uint32Array }
  /** `width` real numbers per sample, row-major, for mean squared error. */
  | { readonly kind: 'values'; readonly width: number; readonly values: Float32Array };

/**
 * Samples in host memory: `samples` rows of `features` raw values and one target each.
 *
 * The network sees `raw * scale + shift`. Bytes stay bytes, on the GPU too: the first layer decodes them.
 */
export interface Dataset {
  readonly samples: number;
  readonly features: number;
  /** Row-major, `samples * features` values. */
  readonly x: Uint8Array | Float32Array;
  readonly scale: number;
  readonly shift: number;
  readonly targets: Targets;
  /** Shape of one sample where it is an image, for pictures of it: [height, width]. */
  readonly image?: readonly [number, number];
}
