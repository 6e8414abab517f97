import { referenceLbfgs } from './lbfgs.js';
import { type ReferenceBent, referenceNewton } from './newton.js';

/** What came of it, step by step: of the start only where a step looks and takes none. */
interface Minimized {
  readonly rounds: readonly { readonly x: Float64Array; readonly value: number }[];
  readonly stopped: 'gradient' | 'flat' | 'linesearch' | 'nonfinite' | undefined;
}

/** The float64 reference of rules that look at several points for a step, by name. */
export const referenceMinimizers: Readonly<
  Record<
    string,
    (objective: ReferenceBent, start: ArrayLike<number>, options: { readonly rounds: number }) => Minimized
  >
> = { lbfgs: referenceLbfgs, newtonCg: referenceNewton };
