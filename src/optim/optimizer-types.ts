import type { Fields } from '../gpu/fields.js';
import type { ForeignRange } from './adopt.js';
import type { SetOptions } from './groups.js';
import type { OptimizerState } from './state-types.js';

export type { OptimizerState, PackedWords } from './state-types.js';

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
  /** What a rule keeps as a few numbers, as in `state()`: of Prodigy and D-Adaptation d, 0 before the first update. Else absent. */
  readonly scalars?: Readonly<Record<string, Float32Array>>;
}

export interface OptimizerDescription {
  readonly label: string;
  /** Dispatches of one call of `step`. */
  readonly dispatches: number;
  readonly passes: readonly { readonly label: string; readonly kernel: string; readonly grid: readonly number[] }[];
  /** Bytes one step reads and writes in parameters, gradients and state, where all rows take part. */
  readonly bytesPerStep: number;
  /** How each state slot is kept: 'f32', 'bf16', 'f16' or '8bit'. */
  readonly state: Readonly<Record<string, string>>;
  /** Bytes of everything the optimizer made on the GPU. */
  readonly stateBytes: number;
  /** By pass, the form that was chosen for it. */
  readonly choice: Readonly<Record<string, string>>;
  /** What would make a step cheaper, where something would. */
  readonly hint?: string;
  /** Of tensors with a `reserve`, the rows they have now. */
  readonly rows?: Readonly<Record<string, number>>;
  /** Steps that may be recorded ahead of the GPU: without a submit, or skipped since the last `read`. */
  readonly stepsAhead: number;
}

/** What one step does otherwise. */
export interface StepOptions {
  /**
   * Where this step's gradients lie, by tensor; those of others are where they were first. A pool may hand out other buffers
   * every time: what binds them is kept for the 64 sets used last, what goes by their offsets for 16 layouts.
   */
  readonly grads?: Readonly<Record<string, ForeignRange>>;
}

/** Rows by number: on the host, where they are checked, or `count` u32 on the GPU. Any of them may come several times. */
export type RowIndices =
  | readonly number[]
  | Uint32Array
  | { readonly buffer: GPUBuffer; readonly offset?: number; readonly count: number };

/** Whose rows move. */
export interface MoveOptions {
  /** Default: all tensors with a `reserve`, which must have as many rows then. */
  readonly tensors?: readonly string[];
  /** `gather`: the parameters move, too. Default false: the caller moves them. */
  readonly params?: boolean;
}

/** An optimizer on the caller's own buffers. Made by {@link createOptimizer}. */
export interface Optimizer<F extends Fields = Fields> {
  /**
   * Records one step: into a command encoder as a compute pass of its own, or into a compute pass that is under way, whose
   * pipeline and bind group 0 change. Never submits, maps or allocates; its only upload is a block of 256 rows of scalars
   * every 256 steps. Gradients that are given are bound when they come for the first time, and kernels that no layout before
   * needed are compiled then.
   *
   * @example optimizer.step(encoder, { grads: { w: pool.w, b: { buffer: pool.rest, offset: 256 } } });
   * @throws DownhillError OPTION-*, BUFFER-* for gradients, before anything is recorded. That a buffer is of another device
   * only the GPU process knows: the submit fails, and the next `step` or `read` throws BUFFER-INVALID; so for what a layout
   * needs, SHADER-COMPILE and GPU-OUT-OF-MEMORY.
   */
  step(encoder: GPUCommandEncoder | GPUComputePassEncoder, options?: StepOptions): void;
  /**
   * Of a rule that divides by a curvature of its own (sophia): records that it takes in the gradients as they are now, which are to be
   * those of labels drawn from the model's own probabilities: h += (1-β₂)·(ĝ² - h). Parameters and step count stay; clipping,
   * scaling, wrappers and micro-steps do not come into it. Where the step clears gradients, so does this. A value whose square is no
   * finite number leaves its h. Call it before or after a step, every 10th or so.
   *
   * @param options `grads` as for `step`
   * @example if (i % 10 === 0) { backwardOfDrawnLabels(encoder); optimizer.updateHessian(encoder); }
   * @throws DownhillError OPTION-RANGE for other rules; OPTION-*, BUFFER-* for gradients, before anything is recorded.
   */
  updateHessian(encoder: GPUCommandEncoder | GPUComputePassEncoder, options?: StepOptions): void;
  /**
   * Records that row i of the tensors with a `reserve` is from here on what row indices[i] was: pruned, doubled, sorted; there
   * are as many rows then as indices. State follows, and with `params` the parameters; rates by row stay with their places.
   * Steps recorded behind it see it. On the GPU an index of no row gives one whose state starts anew.
   *
   * @example optimizer.gather(encoder, [0, 2, 2, 5], { params: true });
   * @throws DownhillError OPTION-*, SHAPE-MISMATCH, BUFFER-*, before anything is recorded.
   */
  gather(encoder: GPUCommandEncoder | GPUComputePassEncoder, indices: RowIndices, options?: MoveOptions): void;
  /**
   * Records that there are more rows from here on, up to the `reserve`; the state of the new ones is at its start.
   *
   * @throws DownhillError OPTION-*, SHAPE-MISMATCH; BUFFER-RANGE beyond the reserve.
   */
  grow(encoder: GPUCommandEncoder | GPUComputePassEncoder, to: number, options?: Omit<MoveOptions, 'params'>): void;
  /**
   * Records that the state of these rows starts anew; all others keep every bit. On the GPU an index of no row is passed over.
   *
   * @throws DownhillError OPTION-*, SHAPE-MISMATCH, BUFFER-*.
   */
  reset(
    encoder: GPUCommandEncoder | GPUComputePassEncoder,
    rows: RowIndices,
    options?: Omit<MoveOptions, 'params'>,
  ): void;
  /**
   * Changes hyper-parameters in queue order: for all steps submitted after the call, recorded before or after.
   *
   * @param options new values; `scale(0.1)` is a factor on what each group has
   * @param names tensors whose groups change, each named as a whole; default all
   * @example optimizer.set({ lr: scale(0.1) }, ['b']);
   * @throws DownhillError OPTION-*, HYPER-*; all stays as it was.
   */
  set(options: SetOptions<F>, names?: readonly string[]): void;
  /**
   * Of a rule that says what is to be evaluated (the schedule-free ones): records that the caller's parameters become that,
   * until `train` records that they are again what is trained, bit for bit. Of other rules it records nothing. In between
   * `step` and `load` are refused. Takes an encoder as `step` does; twice is as once.
   *
   * @example optimizer.eval(encoder); validate(encoder); optimizer.train(encoder);
   */
  eval(encoder: GPUCommandEncoder | GPUComputePassEncoder): void;
  /** What `eval` changed, back again; at first, and after that, it records nothing. */
  train(encoder: GPUCommandEncoder | GPUComputePassEncoder): void;
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
