import type { BufferRange, BufferSet } from '../gpu/buffers.js';
import type { Clock } from '../kernels/advance.js';
import type { Form, Op } from '../kernels/op.js';
import type { Space, Vector } from '../space/space.js';
import type { Stateful } from '../space/stateful.js';
import type { OptimizerState } from './state-types.js';

/*
 * Whatever turns gradients into new parameters, as a program sees it: an `Updater` takes one gradient for each update and has one
 * kernel of a rule's row; a row with `minimizer` looks at its objective where and as often as it likes, and makes a whole step of it.
 */

/** Why a minimizer went no further; its step is none from then on. */
export type StopReason = 'gradient' | 'flat' | 'linesearch' | 'nonfinite';

/** What the host does for the steps to come, and what it is told of those done: `ScalarRing` does it for an updater. @typeParam R rules */
export interface Ahead<R> {
  /** Steps issued so far. */
  readonly issued: number;
  /** By record. */
  readonly rules: readonly R[];
  /** Issues up to so many steps. @returns how many of them can be done */
  issue(attempts: number, bounded?: boolean): number;
  /** The learning rates as they are now, by record and count. */
  rates(): (record: number, count: number) => number;
  see(clocks: readonly Clock[]): void;
  /** Other rules for every record, from the next submit on. */
  change(rules: readonly R[]): void;
}

/** What takes one more step of the parameters, on the GPU. @typeParam R rules: `Rule`, which refers to this module by its row */
export interface Minimizer<R> extends Stateful {
  /** Owns all that was made for it. */
  readonly buffers: BufferSet;
  /** Of the parameters. */
  readonly replicas: number;
  /** One per replica, as `advance` has them: steps, updates, and whether it was halted. */
  readonly clock: BufferRange;
  readonly scalars: Ahead<R>;
  /** The gradient that telemetry looks at. */
  readonly gradient: Vector;
  /** Vectors that must become the parameters where these are set from outside. */
  readonly copies: readonly Vector[];
  /** Why it ended by itself, as it was seen last. */
  readonly stopped?: StopReason | undefined;
  /** @throws DownhillError OPTION-*, HYPER-*; all stays as it was. */
  set(options: unknown, names?: unknown): void;
  /** How its state is kept, and bytes on the GPU. */
  memory(): MinimizerMemory;
  /** The parameters were set from outside, in queue order. */
  follow?(): void;
}

export interface MinimizerMemory {
  /** By slot: 'f32', '8bit' … */
  readonly encodings: Readonly<Record<string, string>>;
  /** Bytes of all replicas. */
  readonly gradients: number;
  readonly state: number;
}

/** Points at which an objective is looked at together, as replicas of a space of the same spans as the parameters'. */
export interface Points {
  readonly space: Space;
  readonly params: Vector;
  readonly grads: Vector;
}

/** An objective bound to points, as a minimizer takes it: `BoundObjective` of the trainer has all of this and more. */
export interface BoundPoints {
  /** Writes values and gradients at the points as they are. */
  readonly gradient: readonly Op[];
  /** Behind `gradient`: the Hessian times `direction`, or the Gauss-Newton matrix; of minimizers that say `product`. */
  product?(direction: Vector, out: Vector, gaussNewton?: boolean): readonly Op[];
  /** Takes the mean value of each point into a ring of losses [ring, points] at the clocks' step, and goes on to the next batch. */
  next(ranges: { readonly clock: BufferRange; readonly losses: BufferRange }, lossRing: number): readonly Op[];
}

/** Tensors that share their settings: `Group`. */
interface SharedRules<R> {
  readonly tensors: readonly string[];
  readonly frozen: boolean;
  readonly rules: readonly R[];
}

/** What a minimizer is bound to. */
export interface MinimizerBinding<R, B extends BoundPoints = BoundPoints> {
  /** In front of every pass's name. */
  readonly label: string;
  readonly buffers: BufferSet;
  /** Of one replica. */
  readonly space: Space;
  readonly params: Vector;
  /** Alike but for tensors that are frozen. */
  readonly groups: readonly SharedRules<R>[];
  /** Gets (loss, note) of every step at its number modulo `ring`. */
  readonly losses: BufferRange;
  readonly ring: number;
  /** Nobody else halts its clock, and nobody tells it of its rounds. Default false. */
  readonly alone?: boolean;
  /** Binds the objective to points, all on one batch. To be called once. */
  objective(points: Points): B;
}

/** What came of the rounds so far. */
export interface MinimizerReport {
  /** Steps done: rounds. */
  readonly rounds: number;
  /** Of these, those that moved the parameters. */
  readonly iterations: number;
  /** At the parameters. */
  readonly value: number;
  /** Largest magnitude of an element of the gradient there. */
  readonly gradMax: number;
  /** Why it ended; undefined while it has not. */
  readonly stopped: StopReason | undefined;
}

/** A minimizer with the ops of a whole step, in order. */
export interface BoundMinimizer<R> extends Minimizer<R> {
  readonly ops: readonly Op[];
  /** What it remembers, after everything submitted so far. */
  state(): Promise<OptimizerState>;
  /** A few numbers of it. There where it can be used on an objective of the caller's. */
  read?(): Promise<MinimizerReport>;
}

/** What the row of a minimizer loads. */
export interface MinimizerModule<R> {
  readonly forms: readonly Form[];
  /** Needs the objective's products with its Hessian. Default false. */
  readonly product?: boolean;
  /** Points at which the objective is looked at together. */
  points(rule: R): number;
  /** Vectors of the space that a kernel binds as one: a span's must fit a binding. */
  together(rule: R): number;
  /** Creates buffers: called in an error scope. */
  bind(binding: MinimizerBinding<R>): BoundMinimizer<R>;
}
