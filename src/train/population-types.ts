import type { Dataset } from '../data/index.js';
import type { Sampling } from '../kernels/account.js';
import type { Rule } from '../optim/rule.js';
import type { FormChoice } from './plan-types.js';
import type { Stopped } from './report-types.js';
import type { Trainer, TrainerOptions } from './types.js';

/* What a population is asked for, and what it tells. */

/** One network of a population. */
export interface Member {
  /** Of any rule, with hyper-parameters of its own. */
  readonly rule: Rule;
  /** Of its initial weights: an integer from 0 to 2^32 - 1. */
  readonly seed: number;
  /** Of its batches, dropout and augmentation. Members with the same one see the same batches. Default its `seed`. */
  readonly batchSeed?: number;
}

/** Options of {@link createPopulation}. Those that {@link createTrainer} has too mean the same. */
export interface PopulationOptions
  extends Pick<
    TrainerOptions,
    | 'model'
    | 'batchSize'
    | 'dropLast'
    | 'submitMs'
    | 'groups'
    | 'clip'
    | 'accumulate'
    | 'wrappers'
    | 'penalty'
    | 'augment'
    | 'validation'
    | 'label'
  > {
  /** In memory: a population has all of it on the GPU. */
  readonly data: Dataset;
  /** At least one; of one model, but any rules and seeds. Fixed in number; a stopped one can be refilled. */
  readonly members: readonly Member[];
  /** Default 'shuffle'. */
  readonly sampling?: Sampling;
  /**
   * Leave out a member's step whose gradient is not finite. A member with `atMost` of them in a row (default 5) is stopped; the
   * others go on. Default false: it goes on with what it has, and disturbs nobody.
   */
  readonly skipNonFinite?: TrainerOptions['skipNonFinite'];
  /** Stops each member by its own validations. Needs `validation`. */
  readonly earlyStopping?: TrainerOptions['earlyStopping'];
  /** Forms by pass name; 'pinned' and 'auto', the default, are by the adapter's traits and the shapes. */
  readonly plan?: 'auto' | 'pinned' | FormChoice;
  /** Most bytes on the GPU, by {@link PopulationMemory}; more is refused, with the number of members that fit. Default any. */
  readonly maxBytes?: number;
}

/** What a population takes on the GPU, known before any of it is made. In bytes. */
export interface PopulationMemory {
  readonly members: number;
  /** Of one member: parameters and gradients, state of the rule that takes most, matrices of a batch, rings of records and losses. */
  readonly perMember: Readonly<Record<'parameters' | 'gradients' | 'state' | 'activations' | 'rings', number>>;
  /** The data set, and that of the validation: once, for all. */
  readonly data: number;
  /** Of everything. */
  readonly total: number;
  /** Most members that the device trains in the same dispatches; more are trained in turns. */
  readonly membersPerPass: number;
  /** Turns of a step. */
  readonly passes: number;
}

/** One step of all members, as it came back from the GPU: a column has a number for each member, in their order. */
export interface PopulationStep {
  /** Steps done, this one included: the first is 1. */
  readonly step: number;
  /** Epoch the step's batch belongs to, from 0. */
  readonly epoch: number;
  /** Mean loss over the batch, before the step's update; NaN where the member was stopped before. */
  readonly losses: Float32Array<ArrayBuffer>;
  /** Learning rate of the step's update; NaN where the member was stopped before. Computed when it is asked for. */
  readonly lrs: Float64Array<ArrayBuffer>;
  /** Members whose update was left out, for its gradient; there where some were. */
  readonly skipped?: readonly number[];
  /** There where one followed the step. */
  readonly validation?: PopulationEvaluation & {
    /** 1 where it is the member's best one so far, else 0. */
    readonly best: Uint8Array<ArrayBuffer>;
  };
}

/** An evaluation of all members. */
export interface PopulationEvaluation {
  /** Steps of the population at that moment. */
  readonly step: number;
  /** Mean over all samples, by member. Of a validation NaN where the member was stopped before. */
  readonly losses: Float64Array<ArrayBuffer>;
  /** Share of samples that are right, by member, as {@link Evaluation.accuracy}; undefined for losses of values. */
  readonly accuracies: Float64Array<ArrayBuffer> | undefined;
}

/** A member as it is now. */
export interface MemberReport extends Required<Member> {
  /** Updates that the rule as it is has behind it start here: the step at which the place was filled. 0 at first. */
  readonly born: number;
  /** Where it came from, if its place was refilled with a copy. */
  readonly from: number | undefined;
  /** Why it stands still; undefined where it trains. */
  readonly stopped: (Omit<Stopped, 'reason'> & { readonly reason: MemberStop }) | undefined;
}

/** By `stop`, by its validations, or by gradients that were not finite. */
export type MemberStop = 'asked' | 'early-stopping' | 'nonfinite';

/** What a stopped member's place is filled with. */
export type Refill =
  | {
      /** Of new weights; the rule's state starts anew. */
      readonly seed: number;
      /** Default as it was; of the same kind as it was: another lr, another momentum. */
      readonly rule?: Rule;
      readonly batchSeed?: number;
    }
  | {
      /** The member whose weights and state are copied, on the GPU; its own place may train or not. */
      readonly from: number;
      /** Default that of `from`. */
      readonly rule?: Rule;
      readonly batchSeed?: number;
    };

/** The best of all validations. */
export interface BestMember {
  readonly member: number;
  readonly step: number;
  readonly loss: number;
  readonly accuracy: number | undefined;
}

/** Options of `population.run`. */
export type PopulationRunOptions = {
  /** Aborting stops submitting; what was submitted is still delivered, then the signal's reason is thrown. */
  readonly signal?: AbortSignal;
} & ({ readonly steps: number; readonly epochs?: undefined } | { readonly epochs: number; readonly steps?: undefined });

/** Which of the weights. */
export interface MemberWeights {
  /** 'best': those of the member's best validation, where they are kept. Default 'current'. */
  readonly weights?: 'current' | 'best';
}

/** What a step of a population is, fixed when it is made. */
export interface PopulationReport {
  readonly label: string;
  readonly memory: PopulationMemory;
  /** One for each turn of a step. */
  readonly passes: readonly {
    /** In the order of the replica axis. */
    readonly members: readonly number[];
    /** Names of the rules, one update each. */
    readonly rules: readonly string[];
    readonly dispatches: number;
    /** The form of every operation. */
    readonly choice: FormChoice;
  }[];
}

/** Networks of one shape in training together. Made by {@link createPopulation}. */
export interface Population {
  /** Members, whether they train or not. */
  readonly size: number;
  /** Steps submitted so far. */
  readonly step: number;
  readonly stepsPerEpoch: number;
  readonly members: readonly MemberReport[];
  readonly memory: PopulationMemory;
  /** Of all validations that have come back, by what decides them; undefined where there was none. */
  readonly best: BestMember | undefined;
  /**
   * Trains all members that are not stopped, and yields every step in order; ends early where none is left. As
   * `trainer.run` it trails the GPU by two submits at most, and `break` ends cleanly.
   *
   * @throws DownhillError OPTION-* at the call; at a pull RUN-BUSY, RUN-DESTROYED, DEVICE-LOST, HYPER-*; GPU-READ when losses
   * could not be read: the next run yields them first
   */
  run(options: PopulationRunOptions): AsyncGenerator<PopulationStep, void, void>;
  /**
   * Loss, and accuracy where the loss has it, of every member over a data set, of the weights after everything submitted so
   * far: reduced on the GPU, 8 bytes a member come back.
   *
   * @throws DownhillError OPTION-*, SHAPE-MISMATCH, DATA-*
   */
  evaluate(data: Dataset, options?: MemberWeights): Promise<PopulationEvaluation>;
  /**
   * Stops members, in queue order: no step submitted after the call does anything to them. What they are stays as it is. Of a
   * run under way two submits may be on their way already.
   *
   * @throws DownhillError OPTION-* for no member, one that is not there, or twice the same; nothing is stopped then
   */
  stop(members: number | readonly number[]): void;
  /**
   * Fills the place of a stopped member, and it trains on with the others from the next `run` on. The population's counters stay: it
   * sees the batches that are due, while the rule's updates and schedules count from its own beginning. Not during a run.
   *
   * @example
   * population.stop(worst);
   * await population.refill(worst, { from: best, rule: adam({ lr: 1.2 * lr }) }); // population-based training's exploit and explore
   * @throws DownhillError OPTION-*, HYPER-*, RUN-BUSY; all stays as it was
   */
  refill(member: number, fill: Refill): Promise<void>;
  /**
   * A trainer that goes on from where a member is: weights, what layers keep, the rule's state, counters and batches, bit
   * for bit. The population stays as it is; the trainer has memory of its own, to be destroyed by whoever took it.
   */
  take(member: number, options?: MemberWeights): Promise<Trainer>;
  /** A member's tensors in host memory, by PyTorch's names. */
  readParameters(member: number, options?: MemberWeights): Promise<Record<string, Float32Array>>;
  /**
   * Everything that the population goes on from, as a safetensors file; with `member` what a trainer of that member would
   * have saved: for `trainer.restore`, `importWeights` or any reader of safetensors.
   */
  checkpoint(options?: { readonly member?: number } & MemberWeights): Promise<Uint8Array<ArrayBuffer>>;
  /**
   * Goes on from a checkpoint of a population of the same model, data, rules and seeds, bit for bit. Hyper-parameters become the
   * file's. Everything is checked before anything changes. Not during a run.
   *
   * @throws DownhillError CHECKPOINT-*, RUN-BUSY
   */
  restore(bytes: Uint8Array): Promise<{ readonly step: number }>;
  describe(): PopulationReport;
  /** Frees what the population made; the device, and trainers that were taken, are the caller's. */
  destroy(): void;
}
