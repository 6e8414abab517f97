/** A state in fewer bytes, as it lies on the GPU. */
export interface PackedWords {
  /** What `state` asked for: 'bf16', 'f16' or '8bit'. */
  readonly encoding: string;
  /** By slot and tensor, 'exp_avg.w', blocks of 256 values; as 'scale.w' each block's scales, bits of float32, slot by slot. */
  readonly words: Readonly<Record<string, Uint32Array>>;
}

/** Everything an optimizer remembers: plain data, for a checkpoint or another device. */
export interface OptimizerState {
  /** Of this form. */
  readonly version: 1;
  readonly rule: string;
  readonly step: number;
  readonly count: number;
  readonly skipped: number;
  /** Unusable gradients in a row, and micro-steps since the last update. */
  readonly streak: number;
  readonly micro: number;
  /** Tensor by name, slot by name. With micro-steps under way, `accumulated` is their sum so far. */
  readonly tensors: Readonly<Record<string, Readonly<Record<string, Float32Array>>>>;
  /** The slots, where they are kept in fewer bytes; `tensors` has none of them then. */
  readonly packed?: PackedWords;
  /** What a rule carries from update to update, by group of tensors: NAdam's product of momenta. Else empty. */
  readonly carries: readonly { readonly tensors: readonly string[]; readonly value: number | readonly number[] }[];
  /** What a rule of several passes keeps as a few numbers, by name: Prodigy's distance. Else absent. */
  readonly scalars?: Readonly<Record<string, Float32Array>>;
}
