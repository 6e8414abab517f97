/** What a training of an experiment is, and what comes of it. No Node here. */
import type { Dataset, Evaluation, Model, Rule, Sampling, Trainer, TrainerOptions } from '../../src/index.js';

/** Where trainings are done: what a lab has. */
export interface Place {
  readonly device: GPUDevice;
  readonly train: Dataset;
  readonly test: Dataset;
  readonly amounts: { readonly seeds: number };
  readonly signal: AbortSignal;
}

/** A training, once per seed. */
export interface RunSpec {
  readonly name: string;
  readonly model: Model;
  /** Trainings do not share a schedule's state: made anew for each. */
  readonly rule: () => Rule;
  /** Default the lab's. */
  readonly data?: Dataset;
  /** Default the lab's test part. */
  readonly test?: Dataset;
  readonly sampling: Sampling;
  /** Left out with sampling 'full'. */
  readonly batchSize?: number;
  readonly steps: number;
  readonly options?: Pick<
    TrainerOptions,
    'penalty' | 'augment' | 'validation' | 'earlyStopping' | 'wrappers' | 'groups' | 'clip' | 'dropLast'
  >;
  /** After every so many steps, and the last: the loss on the batch of the step, after its update, as the notes print it. */
  readonly afterEvery?: number;
  /** After every so many steps the test part is evaluated. It is at the end, in any case. */
  readonly testEvery?: number;
  /** Not together with others in the same dispatches: where its time is told. */
  readonly alone?: boolean;
  /** Seeds, where fewer than asked for do. */
  readonly seeds?: number;
  /** Evaluated at the end as the test part is: images that it trained on, say. */
  readonly also?: Dataset;
  /** A try, of which only the losses count: nothing is evaluated. */
  readonly tried?: boolean;
}

/** What came of one training. */
export interface Run {
  readonly seed: number;
  /** Of each step's batch, before its update. */
  readonly losses: number[];
  readonly lrs: number[];
  /** Since the first step was submitted, when the loss of each arrived; without evaluations, and without what compiles. */
  readonly seconds: number[];
  readonly stepsPerEpoch: number;
  readonly after: { readonly step: number; readonly loss: number }[];
  readonly tests: { readonly step: number; readonly loss: number; readonly accuracy: number | undefined }[];
  readonly validations: { readonly step: number; readonly loss: number; readonly accuracy: number | undefined }[];
  /** Of the test part, at the end; undefined where it did not get there. */
  readonly final?: Evaluation;
  /** Of `also`. */
  readonly also?: Evaluation;
  readonly stopped?: Trainer['stopped'];
}

export interface Trained {
  readonly spec: RunSpec;
  readonly runs: readonly Run[];
}
