import type { Form, Op } from '../kernels/op.js';

/*
 * Which form computes each operation: who chooses it, and where what was measured stays. Plain data.
 */

/** A form by the name of its first pass: 'forward-0' -> 'dense+activation/tile'. As `describe().choice` has it. */
export type FormChoice = Readonly<Record<string, string>>;

/** Who chooses the forms of a trainer. */
export type PlanOption = 'auto' | 'pinned' | 'measure' | FormChoice | MeasuredPlan;

/** One form of some passes that were measured. */
export interface MeasuredForm {
  /** Each is the first of so many operations that the form takes at once; those of one shape were measured once. */
  readonly passes: readonly string[];
  readonly operations: number;
  readonly form: string;
  /** Milliseconds of all its dispatches: the median. Absent where it was not measured. */
  readonly ms?: number;
  /** `ms` by that of what the heuristic takes for the same operations. */
  readonly ratio?: number;
  readonly taken: boolean;
  /** Why it was not measured, or not again. */
  readonly note?: string;
}

/** A plan that was measured, for one adapter, release, model, batch and rule. Plain data: JSON keeps it. */
export interface MeasuredPlan {
  readonly format: 'downhill-plan/1';
  /** The release that measured it. */
  readonly version: string;
  readonly adapter: Readonly<Record<'vendor' | 'architecture' | 'device' | 'description', string>>;
  /** Of adapter, release, forms, operations and their shapes. */
  readonly key: string;
  readonly choice: FormChoice;
  readonly forms: readonly MeasuredForm[];
  /** What measuring took, of how much it was given. */
  readonly ms: number;
  readonly budgetMs: number;
}

/** Where measured plans stay. What it throws is told and costs the plan, never the training. */
export interface PlanStore {
  /** What was saved under the key; undefined where there is nothing. */
  load(key: string): Promise<unknown>;
  save(key: string, plan: MeasuredPlan): Promise<void>;
}

/** Forms, who chose them, and why not others. */
export interface Chosen {
  readonly chosenBy: 'heuristic' | 'measured' | 'kept' | 'caller';
  readonly choice?: FormChoice;
  readonly notes?: readonly string[];
  readonly measured?: MeasuredPlan;
}

/** Chooses once the ops are known, from all forms there are. */
export type Chooser = (ops: readonly Op[], forms: readonly Form[]) => Promise<Chosen>;
