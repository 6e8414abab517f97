/** What the GPU knows of an optimizer, after everything submitted so far. */
export interface OptimizerReport {
  /** Attempts: calls of `step` that were submitted. */
  readonly step: number;
  /** Updates that were applied. */
  readonly count: number;
  /** Updates that were left out for their gradient. */
  readonly skipped: number;
  /** True once too many gradients in a row were unusable: nothing is applied any more. `load` starts again. */
  readonly stopped: boolean;
  /** 2-norm of the last gradient over all tensors that are not frozen, before clipping; undefined where nobody asked. */
  readonly gradNorm: number | undefined;
  /** Learning rate of the next update, of the first group; NaN where its schedule has no good value. */
  readonly lr: number;
}

/** Everything an optimizer remembers: plain data, for a checkpoint or another device. */
export interface OptimizerState {
  readonly rule: string;
  readonly step: number;
  readonly count: number;
  readonly skipped: number;
  /** Unusable gradients in a row, and micro-steps since the last update. */
  readonly streak: number;
  readonly micro: number;
  /** Tensor by name, slot by name. With micro-steps under way, `accumulated` is their sum so far. */
  readonly tensors: Readonly<Record<string, Readonly<Record<string, Float32Array>>>>;
}

export interface OptimizerDescription {
  readonly label: string;
  /** Dispatches of one call of `step`. */
  readonly dispatches: number;
  readonly passes: readonly { readonly label: string; readonly kernel: string; readonly grid: readonly number[] }[];
  /** Bytes one step reads and writes in parameters, gradients and state. */
  readonly bytesPerStep: number;
  /** Bytes of state on the GPU. */
  readonly stateBytes: number;
  /** Steps that may be recorded ahead of the GPU: without a submit, or skipped since the last `read`. */
  readonly stepsAhead: number;
}

/** An optimizer on the caller's own buffers. Made by {@link createOptimizer}. */
export interface Optimizer {
  /**
   * Records one step: into a command encoder as a compute pass of its own, or into a compute pass that is under way, whose
   * pipeline and bind group 0 change. Never submits, maps or allocates; its only upload is a block of 256 rows of scalars
   * every 256 steps.
   */
  step(encoder: GPUCommandEncoder | GPUComputePassEncoder): void;
  /** Changes hyper-parameters of every group, in queue order: for all steps submitted after the call, recorded before or after. */
  set(options: Readonly<Record<string, unknown>>): void;
  read(): Promise<OptimizerReport>;
  state(): Promise<OptimizerState>;
  /**
   * Goes on from a state, bit for bit. Submit or drop what was recorded before: it belongs to what was.
   *
   * @throws DownhillError STATE-MISMATCH, before anything changes.
   */
  load(state: OptimizerState): void;
  describe(): OptimizerDescription;
  /** Frees what the optimizer made: never a buffer or device of the caller's. */
  destroy(): void;
}
