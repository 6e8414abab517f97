import type { StopReason } from '../optim/minimizer.js';
import type { Rule } from '../optim/rule.js';
import type { Problem } from '../problems/problem.js';

/** Options of {@link minimize}. */
export interface MinimizeOptions {
  /** Where to start, as many numbers as the problem has dimensions. Default the problem's own start. */
  readonly start?: ArrayLike<number>;
  /** How many steps. Default 100. */
  readonly steps?: number;
  /** Of what is random: the noise of a noisy problem. Default 0. */
  readonly seed?: number;
}

/** One of several ways down a problem. */
export interface MinimizeRun {
  readonly rule: Rule;
  /** Default the problem's own. */
  readonly start?: ArrayLike<number>;
  /** Default 0. */
  readonly seed?: number;
}

/** A whole way: where a rule went, step by step. */
export interface Trajectory {
  readonly problem: Problem;
  readonly rule: Rule;
  /** Steps that were done: fewer than were asked for where the rule ended by itself. */
  readonly steps: number;
  /** [steps + 1, n], the start first: float64 from 'cpu', float32 from a device. */
  readonly points: Float64Array | Float32Array;
  /** The value at each of them, without noise. */
  readonly values: Float64Array | Float32Array;
  /** The learning rate of each step. */
  readonly lr: Float64Array;
  /** Why the rule ended by itself. */
  readonly stopped?: StopReason;
}

/** A run, checked. */
export interface CheckedRun {
  readonly rule: Rule;
  readonly start: Float64Array<ArrayBuffer>;
  readonly seed: number;
}
