import type { Dataset } from '../data/index.js';
import type { Samples } from '../data/upload.js';
import type { Fields, OptionsOf } from '../gpu/fields.js';
import type { Sampling } from '../kernels/account.js';
import type { Metric } from '../nn/metric.js';
import type { MetricName } from '../nn/metrics.js';
import type { Model } from '../nn/model.js';
import type { Average } from '../optim/averages.js';
import type { SetOptions } from '../optim/groups.js';
import type { ClipOptions, OptimizerOptions } from '../optim/optimizer-options.js';
import type { OptimizerState } from '../optim/optimizer-types.js';
import type { Rule } from '../optim/rule.js';
import type { CheckpointOptions, Imported, ImportOptions, Restored } from './checkpoint-types.js';
import type { Curvature } from './curvature-types.js';
import type { PlanOption, PlanStore } from './plan-types.js';
import type { RecoverOptions } from './recover-types.js';
import type {
  Evaluation,
  ParameterRange,
  PlanReport,
  Profile,
  StepReport,
  Stopped,
  ValidationReport,
} from './report-types.js';
import type { WatchOptions } from './watch-report.js';
import type { Weights } from './weights.js';

export type { Weights };

/** Tensors with hyper-parameters of their own; the rest are the rule's. */
export type TensorGroup<F extends Fields = Fields> = (string extends keyof F
  ? Readonly<Record<string, unknown>>
  : OptionsOf<F>) & {
  /** Names of tensors, such as '0.bias', or patterns in which `*` stands for any characters: '*.bias'. */
  readonly tensors: string | readonly string[];
  /** Never updated; takes no part in norms. Default false. */
  readonly frozen?: boolean;
};

/**
 * Adds l1·Σ|w| + l2·Σw² to the loss of every step, and l1·sign(w) + 2·l2·w to the gradient (sign(0) = 0): Keras'
 * `kernel_regularizer` L1L2. Part of the loss, it goes through momentum, the scaling of adaptive rules, clipping and
 * accumulation like the rest of the gradient. A rule's `weightDecay` λ adds λ·w to the gradient instead, so l2 is half of
 * that, and is in no loss; `decoupledWeightDecay` (adamw) does not go through the rule at all.
 */
export interface PenaltyOptions {
  /** At least 0. Default 0. */
  readonly l1?: number;
  /** At least 0. Default 0. */
  readonly l2?: number;
  /** Names of tensors or patterns, as in `groups`. Default: the weight matrices, without biases and norms. */
  readonly tensors?: string | readonly string[];
}

/**
 * What is done to the inputs and targets of every batch, on the GPU, keyed by seed and step; never in an evaluation. What the
 * network sees, raw·scale + shift, is cut, then mixed.
 */
export interface AugmentOptions {
  /**
   * Mixup: x = λ·x_i + (1 - λ)·x_j and targets alike, which become probabilities where they are classes. As the authors do,
   * one λ of Beta(alpha, alpha) for the batch; row j is so many rows further, as many for all rows and never 0. For any data.
   * Paper: Zhang et al. 2018, https://arxiv.org/abs/1710.09412.
   */
  readonly mixup?: {
    /** Above 0: small mixes little, 1 takes every λ alike. Default 0.2. */
    readonly alpha?: number;
  };
  /**
   * Cutout: a square of 0 (the mean of standardized data) in each image, its centre anywhere, clipped at the edges. The data
   * must say the `image`. Paper: DeVries & Taylor 2017, https://arxiv.org/abs/1708.04552.
   */
  readonly cutout?: {
    /** Side of the square in pixels. */
    readonly size: number;
  };
}

/** Options of {@link createTrainer}. */
export interface TrainerOptions<F extends Fields = Fields> {
  readonly model: Model;
  readonly rule: Rule<F>;
  readonly data: Dataset;
  /** Rows per step. Default 64, or as many samples as there are if fewer; with sampling 'full' always all of them. */
  readonly batchSize?: number;
  /** Default 'shuffle'. */
  readonly sampling?: Sampling;
  /** Of the initial weights and the batches: an integer from 0 to 2^32 - 1. Default 0. */
  readonly seed?: number;
  /** Leave out the short batch at the end of an epoch. Default false: it counts with the rows it has. */
  readonly dropLast?: boolean;
  /**
   * Longest a single submit should keep the GPU, in milliseconds, from what steps took; a step is never divided, and more than
   * 500 are taken as 500. Default 50 in a page and its workers, which wait for their frames behind it, 250 elsewhere.
   */
  readonly submitMs?: number;
  /** Tensors with hyper-parameters of their own: `[{ tensors: '*.bias', weightDecay: 0 }]`. */
  readonly groups?: readonly TensorGroup<F>[];
  /** Clip the gradient, on the GPU. */
  readonly clip?: ClipOptions;
  /**
   * Leave out a step whose gradient is not finite (as createOptimizer does); the next step draws a fresh batch. After
   * `atMost` in a row (default 5) `run` throws GRADIENT-NONFINITE. Default false.
   */
  readonly skipNonFinite?: boolean | { readonly atMost?: number };
  /**
   * How the rule's state is kept: as {@link OptimizerOptions.state}, rounded at random by `seed`. The update is a dispatch of its
   * own then, and gradients are stored. Default 'f32'.
   */
  readonly state?: OptimizerOptions['state'];
  /** Every so many steps make one update, of the sum (PyTorch's way) or the mean of their gradients. */
  readonly accumulate?: OptimizerOptions['accumulate'];
  /**
   * What goes round the rule, in this order: `centralize()`, `gradientNoise()`, `cautious()`, `lookahead()`. Default nothing.
   */
  readonly wrappers?: OptimizerOptions['wrappers'];
  /**
   * An average of the weights, kept beside them on the GPU: `ema({ decay: 0.999 })` or `swa({ start, every })`. What is
   * evaluated is then the average. Default none.
   */
  readonly average?: Average;
  /** Evaluate data that is not trained on, on the GPU, without stopping for it. */
  readonly validation?: ValidationOptions;
  /** End the training where validation does not get better any more. Needs `validation`. */
  readonly earlyStopping?: EarlyStoppingOptions;
  /** Mixup and cutout. Default none. */
  readonly augment?: AugmentOptions;
  /** L1 and L2 penalties in the loss; `evaluate` reports the loss without them. */
  readonly penalty?: PenaltyOptions;
  /**
   * Send the rows of each batch from the host as they are needed, instead of the whole data set at first: the GPU then holds
   * those of a few steps. The same losses, bit for bit. Default: only where the device cannot bind the data as a whole, and
   * for a `source`.
   */
  readonly stream?: boolean;
  /**
   * Go on when the device is lost: the trainer makes itself anew on another one, as it was at its last snapshot, and `run`
   * goes on as if nothing had happened: steps since the snapshot are trained again and not reported again, to the same bits
   * on an adapter of the same kind. Takes snapshots in host memory in passing, every 30 s by default. The ranges that
   * `parameters()` gave are gone then. A device that you destroy counts as lost; destroy the trainer first. Default: `run`
   * throws DEVICE-LOST.
   */
  readonly recover?: boolean | RecoverOptions;
  /**
   * Which form computes each operation, decided before step 0 and never changed: `describe().choice` tells, every checkpoint
   * has it, `restore` and `recover` take it up again.
   *
   * - 'pinned': by the published traits of the adapter and the shapes. The same forms, and with them the same bits, on equal
   *   adapters and drivers, whatever was measured there.
   * - 'auto' (the default): what `plans` keeps for this adapter, release, model, batch and rule, where it does; else as 'pinned'.
   * - 'measure': as 'auto', and where nothing is kept it measures, for at most about `planBudgetMs` before step 0 and on
   *   copies, and keeps in `plans` what was fastest.
   * - forms by pass name, all or some: `describe().choice` of another trainer, `{ 'forward-0': 'dense/tile' }`.
   * - a plan that was measured: `describe().measured`, the JSON that `downhill tune --out` writes. One of another adapter,
   *   release or model is ignored, with a warning and a line in `describe().notes`.
   *
   * @example createTrainer(device, { model, rule, data, plan: 'measure', plans: folderPlans() });
   */
  readonly plan?: PlanOption;
  /** Where measured plans stay: `folderPlans()` of 'downhill/node', `opfsPlans()` in a browser. Default nowhere. */
  readonly plans?: PlanStore;
  /** Longest that plan 'measure' should measure, in milliseconds. Default 2000. */
  readonly planBudgetMs?: number;
  /**
   * Where parameters lie: 'arena', the default, is all of them in one buffer, so that one dispatch updates them; 'separate' is a buffer for
   * each, from its first byte, for libraries that bind whole buffers (ONNX Runtime). Then each takes a dispatch of its own, and a step
   * that is one dispatch elsewhere is several.
   */
  readonly buffers?: 'arena' | 'separate';
  /** In the label of every GPU object: 'downhill:<label>/<pass>'. Default 'train'. */
  readonly label?: string;
}

/**
 * Validation: what a network is worth on data it is not trained on, as `trainer.evaluate` says it, of the weights (of their
 * average where one is kept) right after a step. It is recorded behind that step, so that training need not wait for it; `run` reports it with the step.
 */
export interface ValidationOptions {
  /** Of the model's inputs and the loss's kind of targets, scaled as the training data is. */
  readonly data: Dataset;
  /**
   * How often, counted from step 0: every so many epochs, batches (steps: one batch each) or iterations (updates:
   * `accumulate.steps` batches each). Default { epochs: 1 }.
   */
  readonly every?:
    | { readonly epochs: number; readonly batches?: never; readonly iterations?: never }
    | { readonly batches: number; readonly epochs?: never; readonly iterations?: never }
    | { readonly iterations: number; readonly epochs?: never; readonly batches?: never };
  /**
   * Keep the weights of the best validation on the GPU, for `weights: 'best'` of `evaluate`, `predict` and
   * `readParameters`: by `earlyStopping`'s metric, else by the loss. Default false; `restoreBest` keeps them as well.
   */
  readonly keepBest?: boolean;
}

/**
 * Early stopping (Prechelt, "Early stopping, but when?", 1998), decided on the GPU: where `patience` validations in a row
 * are not better than the best one so far, no step after the last of them happens, also of those already submitted. `run`
 * then ends as if it had come to its end, and `trainer.stopped` says why; another `run` goes on, with patience anew.
 *
 * Better is below best - minDelta, or above best + minDelta with mode 'max', in float32; what is not a finite number never
 * is. As Keras' EarlyStopping and PyTorch Lightning's.
 */
export interface EarlyStoppingOptions {
  /** 'loss', or what the loss counts: 'accuracy' of classes, 'mse' of values. Default 'loss'. */
  readonly metric?: 'loss' | 'accuracy' | 'mse';
  /** Default 'max' for an accuracy, else 'min'. */
  readonly mode?: 'min' | 'max';
  /** Validations in a row without a better metric: that many stop the training, 0 as 1. Default 3. */
  readonly patience?: number;
  /** A metric that is better by this or less does not count. At least 0, default 0. */
  readonly minDelta?: number;
  /**
   * Stopping puts the weights of the best validation back, and what layers keep beside them; the optimizer's state stays.
   * Where an average is kept, that is what was validated, and what is put back: the current weights stay the last ones, beside
   * the best one's running statistics. Default true.
   */
  readonly restoreBest?: boolean;
}

/** Options of `trainer.run`: how long, counted from where the trainer is, in one of the two units. */
export type RunOptions = RunSettings &
  ({ readonly steps: number; readonly epochs?: undefined } | { readonly epochs: number; readonly steps?: undefined });

/** Options of `trainer.run` beside how long. */
export interface RunSettings {
  /** Aborting stops submitting; what was submitted is still delivered, then the signal's reason is thrown. */
  readonly signal?: AbortSignal;
  /**
   * Looks at every so many steps: norms of gradients and weights, how much an update changes, what each layer puts out. It
   * is summed up on the GPU behind the step, and comes back with its report; training is the same to the bit. Default off,
   * which costs nothing.
   */
  readonly watch?: WatchOptions;
}

export interface WeightsOptions {
  /** Default 'average' where the trainer keeps one. 'best' needs `keepBest` or `restoreBest`. */
  readonly weights?: Weights;
}

/** Options of `trainer.evaluate`. */
export interface EvaluateOptions extends WeightsOptions {
  /** Metrics beside the loss, by name or with options: `['confusion', 'f1', topK({ k: 3 })]`. Default none. */
  readonly metrics?: readonly (MetricName | Metric)[];
}

/** Options of `trainer.profile`. */
export interface ProfileOptions {
  /** Steps to profile: 1 to 256, default 16. As many are trained before them without a profile, to compare with. */
  readonly steps?: number;
  /** Default true: each dispatch in a compute pass of its own. False: all of a submit in one pass, as `run` records them. */
  readonly separate?: boolean;
}

/** Which samples a step takes. */
export interface Batch {
  /** Indices into the data, row by row: fewer than `batchSize` in a short last batch. */
  readonly samples: Uint32Array<ArrayBuffer>;
  readonly epoch: number;
}

/** Options of `trainer.curvature`. */
export interface CurvatureOptions extends WeightsOptions {
  /** How many of the largest and of the smallest eigenvalues are told; the condition number is about the last of as many. Default 5. */
  readonly eigenvalues?: number;
  /** Steps of Lanczos' iteration, one product with the Hessian each: 1 to 512. Default 30, or the number of parameters where that is less. */
  readonly iterations?: number;
  /** Samples of the training data, drawn by the seed. Default 1000, or all where there are fewer. */
  readonly samples?: number;
  /** Of the samples and of the first vector: an integer from 0 to 2^32 - 1. Default 0. */
  readonly seed?: number;
  /** The Gauss-Newton matrix Jᵀ·L''·J instead of the Hessian: what is left without the network's own curvature. Default false. */
  readonly gaussNewton?: boolean;
}

/** A network in training. Made by {@link createTrainer}. */
export interface Trainer<F extends Fields = Fields> {
  /** Steps submitted so far; once a validation has stopped the training, those done. */
  readonly step: number;
  readonly stepsPerEpoch: number;
  /** The best validation so far, of those that have come back. */
  readonly best: ValidationReport | undefined;
  readonly paused: boolean;
  /** Why the training ended before its time; undefined where it did not, and again once it goes on. */
  readonly stopped: Stopped | undefined;
  /**
   * Trains, and yields every step's loss in order. Trails the GPU by two submits at most; if the consumer stops pulling,
   * at most two more submits go out; `break` ends cleanly. One that nobody is pulling gives way to another run, `restore` or
   * `profile`, as if it had been dropped: `(await trainer.run({ steps: 1 }).next()).value` does one step, as often as you like.
   *
   * @throws DownhillError OPTION-* at the call; at a pull DEVICE-LOST within 2 s when the device goes, RUN-BUSY when
   * another run of this trainer is being pulled or took the place of this one, RUN-DESTROYED after `destroy`; HYPER-RANGE,
   * HYPER-TYPE when a schedule has no good value for an update: those before it are done and were yielded; GPU-READ when losses
   * could not be read: the next run yields them first.
   */
  run(options: RunOptions): AsyncGenerator<StepReport, void, void>;
  /**
   * Which samples a step takes, done or to come: computed on the host, where the GPU picks the same.
   *
   * @param step from 0: the one that is reported as step + 1
   * @throws DownhillError OPTION-*
   * @example const { samples } = trainer.batch(99); // evaluate(subset(data, samples)) is their loss after step 100
   */
  batch(step: number): Batch;
  /**
   * Holds a run, from another place than its loop: what was submitted is still delivered, then `run` waits for `resume`, an
   * abort or `destroy`, and the GPU is free. Within the loop it is enough not to pull, or to `break` and `run` again later.
   * In the meantime `evaluate`, `predict`, `set` and the rest work as ever. Before a run it holds that one.
   */
  pause(): void;
  /** Lets a paused run go on, from the step where it was. */
  resume(): void;
  /**
   * Trains on, and tells what each dispatch costs on the GPU. First come `steps` steps as `run` records them, to compare
   * with, then `steps` with timestamps: 2 × `steps` in all, with the losses and parameters that `run` would have given,
   * bit for bit. Timestamps exist only at the ends of a compute pass, so each dispatch gets its own; that costs time, and
   * the profile's sum is no measure of speed. Run some steps before: drivers compile at first use.
   *
   * @example
   * const { labels, gpuMsPerStep, unprofiled } = await trainer.profile({ steps: 32 });
   * for (const { label, medianMs } of labels) console.log(label, medianMs);
   * @throws DownhillError OPTION-*; FEATURE-MISSING when the device was made without 'timestamp-query'; RUN-BUSY,
   * RUN-DESTROYED, DEVICE-LOST, HYPER-*, GRADIENT-NONFINITE as `run`.
   */
  profile(options?: ProfileOptions): Promise<Profile>;
  /**
   * Changes hyper-parameters of every group, or of the groups of the tensors named, for all steps submitted after the call:
   * of a run under way, two submits may be on their way already. `{ lr: scale(0.1) }` keeps the ratios of groups.
   *
   * @example trainer.set({ lr: 1e-4 }); trainer.set({ weightDecay: 0.1 }, ['0.weight']);
   * @throws DownhillError OPTION-*, HYPER-*; all stays as it was.
   */
  set(options: SetOptions<F>, tensors?: readonly string[]): void;
  /** What the optimizer remembers, after everything submitted so far: by tensor the rule's state, and its counters. */
  state(): Promise<OptimizerState>;
  /**
   * Loss, and accuracy where the loss has it, over a data set, of the weights after everything submitted so far: of their
   * average where one is kept. What layers keep beside weights (running means of batch norm) is always the training's own,
   * as in PyTorch's `AveragedModel`. Metrics come in float64 on the host, from the outputs of the same moment; values in the
   * units of the targets as given.
   *
   * @example const { loss, metrics } = await trainer.evaluate(test, { metrics: ['confusion', 'f1', topK({ k: 3 })] });
   * @throws DownhillError OPTION-*, SHAPE-MISMATCH, DATA-*; DATA-MISMATCH for samples or targets scaled otherwise than
   *   those trained on.
   */
  evaluate(data: Dataset, options?: EvaluateOptions): Promise<Evaluation>;
  /**
   * How the training loss bends at the weights after everything submitted so far, by Lanczos' iteration with exact products of
   * the Hessian: its largest and smallest eigenvalues, the condition number, directions that bend down, and the rate up to
   * which gradient descent is stable. Of a sample of the training data, as they are: without augmentation; with the penalty
   * of the loss, and without a rule's weight decay. Training is not disturbed and may go on meanwhile.
   *
   * @example const { largest, stabilityLimit } = await trainer.curvature({ eigenvalues: 3 });
   * @throws DownhillError OPTION-RANGE also for models with batch norm, layer norm or dropout, which have no products;
   *   LIMIT-BINDING, GRADIENT-NONFINITE, GPU-OUT-OF-MEMORY
   */
  curvature(options?: CurvatureOptions): Promise<Curvature>;
  /**
   * What the network says of samples, with the weights after everything submitted so far: as `evaluate`.
   *
   * @param x raw values as in the training data, row by row (scaled as those are), or samples that bring their own scale
   * @returns [samples, outputs], row-major: probabilities where the loss is one of logits, else the outputs, in the units
   *   that the targets had before `standardizeTargets`
   * @throws DownhillError SHAPE-MISMATCH, DATA-MISMATCH, OPTION-TYPE
   */
  predict(x: Float32Array | Uint8Array | Samples, options?: WeightsOptions): Promise<Float32Array>;
  /**
   * The tensors by PyTorch's names ('0.weight', '0.bias', '2.weight' …), on the GPU. One that is larger than a binding has
   * an entry for the rows of each part: '0.weight[0:4096]'. These are the weights as they are trained, never an average.
   */
  parameters(): Readonly<Record<string, ParameterRange>>;
  /** The tensors in host memory, each in one piece: of the average of the weights where one is kept. */
  readParameters(options?: WeightsOptions): Promise<Record<string, Float32Array>>;
  /**
   * Everything that training goes on from, as a safetensors file: the tensors by PyTorch's names and in its layout ([out,
   * in]), what layers keep, the optimizer's state, counters, batches, hyper-parameters as `set` left them, the plan, the
   * model, scaling and names of the data. Of the moment after everything submitted so far, which its step says; may be
   * called at any time, also inside the loop over `run`, which goes on meanwhile.
   *
   * @example await writeFile('checkpoint.safetensors', await trainer.checkpoint());
   * @throws DownhillError OPTION-*, RUN-DESTROYED, DEVICE-LOST
   */
  checkpoint(options?: CheckpointOptions): Promise<Uint8Array<ArrayBuffer>>;
  /**
   * Goes on from a checkpoint of a trainer of the same model, data (by a checksum) and options, bit for bit: what comes is what the
   * training that was saved would have given, on an adapter of the same kind. Hyper-parameters become the file's; schedules
   * are functions, which no file holds: the trainer must have the same ones (their text and some of their values are
   * compared). Everything is checked before anything changes.
   *
   * @throws DownhillError CHECKPOINT-CORRUPT, CHECKPOINT-MISMATCH, CHECKPOINT-VERSION, all as it was; RUN-BUSY while a run
   *   is going, RUN-DESTROYED
   */
  restore(bytes: Uint8Array): Promise<Restored>;
  /**
   * Sets the weights to those of a safetensors file: PyTorch's (float32, float16, bfloat16; float64 is rounded) or ours.
   * Names must be the model's ('0.weight'); where they are others, `prefix` or `map` says which. Nothing else changes: the
   * optimizer keeps its state, the training its step. Everything is checked before anything changes.
   *
   * @example await trainer.importWeights(bytes, { prefix: 'net.' });
   * @throws DownhillError CHECKPOINT-CORRUPT, CHECKPOINT-MISMATCH, CHECKPOINT-VERSION, OPTION-*, all as it was
   */
  importWeights(bytes: Uint8Array, options?: ImportOptions): Promise<Imported>;
  describe(): PlanReport;
  /** Frees what the trainer made; the device is the caller's. */
  destroy(): void;
}
