import { type ReferenceLbfgsOptions, type ReferenceMinimum, type ReferenceObjective, referenceLbfgs } from './lbfgs.js';

/** The float64 reference of rules that look at several points for a step, by name. */
export const referenceMinimizers: Readonly<
  Record<
    string,
    (objective: ReferenceObjective, start: ArrayLike<number>, options: ReferenceLbfgsOptions) => ReferenceMinimum
  >
> = { lbfgs: referenceLbfgs };
