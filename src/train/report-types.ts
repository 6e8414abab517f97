import type { MetricValues } from '../nn/metrics.js';
import type { StopReason } from '../optim/minimizer.js';
import type { Chosen, FormChoice, MeasuredPlan } from './plan-types.js';
import type { WatchReport } from './watch-report.js';

/* What a trainer tells: plain data. */

/** One validation. */
export interface ValidationReport {
  /** Steps done. */
  readonly step: number;
  /** Mean over all samples. */
  readonly loss: number;
  /** As {@link Evaluation.accuracy}; there where the loss has one. */
  readonly accuracy?: number;
  /** Mean squared error, in the units that are trained on; there where the loss is one of values. */
  readonly mse?: number;
  /** Whether it is the best one so far. */
  readonly best: boolean;
}

/** Why a training ended before its time. */
export interface Stopped {
  /**
   * A validation, or the minimizer itself: 'gradient' is as small as was asked for; 'flat': steps no longer change the loss by what f32
   * can hold; 'linesearch': no step was found that lowers it; 'nonfinite': the loss or its gradient is not finite where it began.
   */
  readonly reason: 'early-stopping' | StopReason;
  /** Steps done. */
  readonly step: number;
  /** The best validation, by the metric that decided: where it was, and that metric. Absent where none was a number. */
  readonly best?: { readonly step: number; readonly value: number };
}

/** One step, as it came back from the GPU. */
export interface StepReport {
  /** Steps done, this one included: the first is 1. */
  readonly step: number;
  /** Epoch the step's batch belongs to, from 0. */
  readonly epoch: number;
  /** Mean loss over the batch, before the step's update. */
  readonly loss: number;
  /** Learning rate the step's update used, of the first tensor's group: where it is a schedule, its value for that update. */
  readonly lr: number;
  /** There where the step's update was left out, for its gradient. */
  readonly skipped?: boolean;
  /** There where the run was asked to look at the step. */
  readonly watch?: WatchReport;
  /** There where one followed the step. */
  readonly validation?: ValidationReport;
}

export interface Evaluation {
  /** Steps done when the parameters were evaluated. */
  readonly step: number;
  /** Mean over all samples. */
  readonly loss: number;
  /**
   * Share of samples whose largest output is the right class, or of outputs on the right side for binary cross-entropy;
   * undefined for losses of values.
   */
  readonly accuracy: number | undefined;
  /** Those asked for, by name. */
  readonly metrics?: Partial<MetricValues>;
}

/** Where a tensor lives: float32, row-major, weights [in, out]. */
export interface ParameterRange {
  readonly buffer: GPUBuffer;
  /** In bytes. */
  readonly offset: number;
  /** In bytes. */
  readonly size: number;
  readonly shape: readonly number[];
}

/** What one step does, fixed when the trainer is made. */
export interface PlanReport {
  readonly label: string;
  /** Dispatches per step, without `front`. */
  readonly dispatches: number;
  readonly passes: readonly { readonly label: string; readonly kernel: string; readonly grid: readonly number[] }[];
  /** What stands in front of some steps: the gradient of drawn labels, for a rule that divides by a curvature. */
  readonly front?: PlanReport['passes'];
  /** The form of every operation, by pass name: 'forward-0' -> 'dense+activation/tile'. */
  readonly choice: FormChoice;
  /** Who chose: the traits of the adapter alone, a measurement just now, one that was kept, or whoever named the forms. */
  readonly chosenBy: Chosen['chosenBy'];
  /** Forms that were passed over for what this device lacks, and plans that were ignored. */
  readonly notes: readonly string[];
  /** The measurement, for JSON and for `plan` of another trainer; there where one chose. */
  readonly measured?: MeasuredPlan;
  readonly parameters: number;
  /** How each slot of the rule's state is kept: 'f32', 'bf16', 'f16' or '8bit'. */
  readonly state: Readonly<Record<string, string>>;
  /** Bytes on the GPU: parameters, gradients, optimizer state (and an average of the weights), activations, data. */
  readonly bytes: Readonly<Record<'parameters' | 'gradients' | 'state' | 'activations' | 'data', number>>;
}

/** Milliseconds of one step. */
export interface StepTimes {
  /** From the call to the last loss read back, by the number of steps. */
  readonly wallMsPerStep: number;
  /** In which the main thread wrote rows, recorded and submitted. */
  readonly hostMsPerStep: number;
}

/** What all passes of one label took. */
export interface ProfileLabel {
  readonly label: string;
  /** Shader and workgroups; absent where a pass holds many dispatches. */
  readonly kernel?: string;
  readonly grid?: readonly number[];
  /** Passes of that label. */
  readonly count: number;
  /** Of the passes whose times are known. */
  readonly totalMs: number;
  /** Per step: the median of what a step spends in passes of that label. Null where no time is known. */
  readonly medianMs: number | null;
  /** Of the profile's `gpuMsPerStep`, from 0 to 1. */
  readonly share: number;
}

/** One compute pass, by the GPU's clock. */
export interface ProfilePass {
  /** The first step in it, as {@link StepReport} counts, and how many. */
  readonly step: number;
  readonly steps: number;
  readonly label: string;
  /** Nanoseconds after the first pass began; null where the GPU gave no usable timestamps. */
  readonly begin: number | null;
  readonly end: number | null;
}

/** One submit, by the host's clock. */
export interface ProfileSubmit {
  /** The first step in it, as {@link StepReport} counts, and how many. */
  readonly step: number;
  readonly steps: number;
  /** Nanoseconds after the first submit began to be recorded: when recording began, and when it was submitted. */
  readonly begin: number;
  readonly end: number;
}

/** Where the time of a step goes. Plain data. */
export interface Profile extends StepTimes {
  readonly separate: boolean;
  /** Steps profiled. */
  readonly steps: number;
  /** Dispatches per step. */
  readonly dispatches: number;
  /**
   * Milliseconds per step in passes, by the GPU's clock: the sum of the labels' medians; where timestamps are quantised,
   * the mean, which rounding leaves right.
   */
  readonly gpuMsPerStep: number;
  /** The same training without timestamps and with one pass per submit, right before: what a step takes. */
  readonly unprofiled: StepTimes;
  /** Timestamps come in steps too coarse for single passes. */
  readonly quantised: boolean;
  /** What to do about it; absent where nothing is. */
  readonly hint?: string;
  /** Passes whose timestamps were not usable. */
  readonly unknown: number;
  /** In the order in which they run. */
  readonly labels: readonly ProfileLabel[];
  readonly passes: readonly ProfilePass[];
  readonly submits: readonly ProfileSubmit[];
  /** What `run` would have yielded: for every step trained, first those without a profile. */
  readonly reports: readonly StepReport[];
}
