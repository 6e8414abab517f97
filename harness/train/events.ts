/** What a training job tells while it runs: plain JSON, the same from Node and from a page. */
import type { AdapterReport, PlanReport, Profile, StepReport } from '../../src/index.js';

/** The data a job trains and tests on, in numbers. */
export interface DataShape {
  readonly train: number;
  readonly test: number;
  readonly features: number;
  readonly classes: number;
}

export interface JobResult {
  /** Steps done; fewer than planned when `interrupted`. */
  readonly step: number;
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
    }
  /** What comes next tells nothing until it is done, and may take long. */
  | { readonly type: 'phase'; readonly phase: 'profile' | 'evaluate' }
  | { readonly type: 'steps'; readonly steps: readonly StepReport[] }
  /** Of --profile; its steps came as steps before. */
  | { readonly type: 'profile'; readonly profile: Profile }
  | { readonly type: 'result'; readonly result: JobResult };

export type Emit = (event: JobEvent) => void;
