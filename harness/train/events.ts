/** What a training job tells while it runs: plain JSON, the same from Node and from a page. */
import type {
  AdapterReport,
  PlanReport,
  PlanStore,
  Profile,
  StepReport,
  Stopped,
  ValidationReport,
} from '../../src/index.js';

/** The data a job trains and tests on, in numbers. */
export interface DataShape {
  readonly train: number;
  readonly test: number;
  /** Held out of the training part; absent where a run does not validate. */
  readonly validation?: number;
  readonly features: number;
  readonly classes: number;
}

export interface JobResult {
  /** Steps done; fewer than planned when `interrupted`. */
  readonly step: number;
  /** Of these, the steps that a run before had done; absent in a run that began anew. */
  readonly resumedAt?: number;
  /** Of the test part. */
  readonly loss: number;
  /** Undefined (absent in JSON) where the loss is not one of classes. */
  readonly accuracy?: number;
  /** Of a regression, in the units of the targets; absent where the targets are classes. */
  readonly r2?: number;
  readonly rmse?: number;
  /** Of these, the steps of --profile, which the times below leave out; absent where none were profiled. */
  readonly profiled?: number;
  /** From the first step's start to the last loss' arrival. Drivers that compile at first use do so in this time. */
  readonly trainSeconds: number;
  readonly stepsPerSecond: number;
  readonly interrupted: boolean;
  /** The best validation; absent where there was none. */
  readonly best?: ValidationReport;
  /** There where early stopping ended the run; the weights are then those of the best validation. */
  readonly stopped?: Stopped;
}

export type JobEvent =
  /** Versions of what runs the job, by name. */
  | { readonly type: 'runtime'; readonly versions: Readonly<Record<string, string>> }
  | { readonly type: 'adapter'; readonly adapter: AdapterReport }
  | {
      readonly type: 'plan';
      readonly plan: PlanReport;
      readonly data: DataShape;
      readonly batchSize: number;
      readonly steps: number;
      readonly stepsPerEpoch: number;
      /** What the learning rate follows, as it is written in JavaScript; absent where it is constant. */
      readonly schedule?: string;
      /** Steps that the checkpoint had which the job goes on from. */
      readonly resumedAt?: number;
      /** Passes that run in another form than where that was written: it goes on, but not to the same bits. */
      readonly otherForms?: readonly string[];
    }
  /** What comes next tells nothing until it is done, and may take long. */
  | { readonly type: 'phase'; readonly phase: 'profile' | 'save' | 'evaluate' }
  | { readonly type: 'steps'; readonly steps: readonly StepReport[] }
  /** Of --profile; its steps came as steps before. */
  | { readonly type: 'profile'; readonly profile: Profile }
  | { readonly type: 'result'; readonly result: JobResult }
  /** Told by whoever keeps the files: a run goes on from a checkpoint, or from the beginning where there is none. */
  | { readonly type: 'resume'; readonly step: number; readonly file?: string }
  /** A checkpoint is on the disk. */
  | { readonly type: 'saved'; readonly step: number; readonly file: string }
  /** Something could not be written, or read; the training goes on. */
  | { readonly type: 'problem'; readonly code: string; readonly message: string; readonly fix: string };

export type Emit = (event: JobEvent) => void;

/** What a file that a job leaves is: all that training goes on from, or the network alone. */
export type SavedKind = 'checkpoint' | 'model' | 'best';

/** What a job goes on from, and where its checkpoints go. */
export interface JobCheckpoints {
  /** A checkpoint. */
  readonly from?: Uint8Array | undefined;
  /** A training that had stopped early goes on, with patience anew. */
  readonly goOn?: boolean;
  /** Resolves when the bytes are kept, or could not be, which is told elsewhere. Absent: nothing is kept. */
  readonly save?: ((bytes: Uint8Array, kind: SavedKind, step: number) => Promise<void>) | undefined;
  /** Where measured plans are kept. */
  readonly plans?: PlanStore | undefined;
}
