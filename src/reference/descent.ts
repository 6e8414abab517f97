import type { ReferenceObjective, ReferenceRound } from './lbfgs.js';

/** Options of {@link referenceDescent}, with their defaults. */
export interface ReferenceDescentOptions {
  /** Most steps. Default 1000. */
  readonly rounds?: number;
  /** Length that is tried first, as a share of the gradient. Default 1. */
  readonly lr?: number;
  /** It ends where no element of the gradient is larger. Default 1e-5. */
  readonly toleranceGrad?: number;
}

/** Share of the fall foretold by the slope that a step must bring. */
const ENOUGH = 1e-4;
const SHORTER = 0.5;
/** 2^-60 of a step changes nothing. */
const MOST_TRIALS = 60;

/**
 * Gradient descent with a backtracking line search (Nocedal & Wright, algorithm 3.1), in float64: of the lengths t, t/2, t/4 … the first
 * with f(x - t·g) ≤ f(x) - 1e-4·t·|g|². A search begins at twice the length that the last one took.
 *
 * @returns the point after each step, and why it ended
 * @example referenceDescent((x) => ({ value: x[0]! ** 2, gradient: [2 * x[0]!] }), [3]).rounds.at(-1)
 */
export function referenceDescent(
  objective: ReferenceObjective,
  start: ArrayLike<number>,
  options: ReferenceDescentOptions = {},
): {
  readonly rounds: readonly ReferenceRound[];
  readonly evaluations: number;
  readonly stopped: 'gradient' | 'linesearch' | 'nonfinite' | undefined;
} {
  const { rounds: most = 1000, toleranceGrad = 1e-5 } = options;
  const rounds: ReferenceRound[] = [];
  let first = options.lr ?? 1;
  let x: Float64Array = Float64Array.from(start);
  let here = objective(x);
  let evaluations = 1;
  const ended = (stopped: 'gradient' | 'linesearch' | 'nonfinite' | undefined) => ({ rounds, evaluations, stopped });
  if (!Number.isFinite(here.value)) return ended('nonfinite');
  while (rounds.length < most) {
    const { value } = here;
    const g = Float64Array.from(here.gradient);
    const square = g.reduce((sum, each) => sum + each * each, 0);
    if (!Number.isFinite(square)) return ended('nonfinite');
    if (g.every((each) => Math.abs(each) <= toleranceGrad)) return ended('gradient');
    let step = first;
    let there = here;
    let point = x;
    let trials = 0;
    do {
      if (++trials > MOST_TRIALS) return ended('linesearch');
      if (trials > 1) step *= SHORTER;
      point = x.map((each, i) => each - step * g[i]!);
      there = objective(point);
      evaluations++;
    } while (!(Number.isFinite(there.value) && there.value <= value - ENOUGH * step * square));
    [x, here, first] = [point, there, step / SHORTER];
    rounds.push({ value: here.value, x, step });
  }
  return ended(undefined);
}
