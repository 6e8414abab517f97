import type { Rule } from './rule.js';

/** Tensors that share their hyper-parameters. */
export interface Group {
  readonly tensors: readonly string[];
  /** Never updated. */
  readonly frozen: boolean;
  /** One per replica, all of one row. */
  readonly rules: readonly Rule[];
}
