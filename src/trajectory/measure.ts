import { DownhillError } from '../gpu/errors.js';
import { checkNumber } from '../gpu/fields.js';
import { checkProblem, type Problem } from '../problems/problem.js';
import { hessianOf } from './function.js';
import type { Trajectory } from './types.js';

/** After how many steps a way is below a tolerance. */
export interface Reached {
  /** The first step after which it was, 0 for the start; undefined where none was. A lucky jump counts. */
  readonly first: number | undefined;
  /** The step from which on it stayed so to its end; undefined where it did not end below. */
  readonly stays: number | undefined;
}

/**
 * After how many steps the value is below `tolerance` above the problem's lowest known value (above 0, where none is known).
 * "First below" rewards lucky jumps; "stays below" does not.
 *
 * @throws DownhillError OPTION-*
 */
export function stepsBelow({ problem, values }: Trajectory, tolerance: number): Reached {
  checkNumber('tolerance', tolerance, { above: 0 });
  const lowest = problem.minima[0]?.value ?? 0;
  const below = Array.from(values, (value) => value - lowest < tolerance);
  const last = below.lastIndexOf(false);
  const first = below.indexOf(true);
  return {
    first: first < 0 ? undefined : first,
    stays: last === below.length - 1 ? undefined : last + 1,
  };
}

/** After how many steps element `i` of a point is first farther from 0 than `distance`; undefined where never. */
export function stepsBeyond({ problem, points }: Trajectory, i: number, distance: number): number | undefined {
  const { n } = problem;
  for (let step = 0; step * n < points.length; step++) if (Math.abs(points[step * n + i]!) > distance) return step;
  return undefined;
}

/** What a Hessian says of gradient descent near a point. */
export interface Curvatures {
  /** Eigenvalues, the largest first. */
  readonly eigenvalues: readonly number[];
  /** The largest over the smallest: infinite where the smallest is 0, undefined where one is below 0. */
  readonly condition: number | undefined;
  /** Gradient descent is stable there below this rate, 2/λmax: infinite where no eigenvalue is above 0. */
  readonly stableBelow: number;
}

/**
 * The curvatures of a function of two dimensions at a point, exactly: of its Hessian, in float64.
 *
 * @param x default the lowest minimum, or the first saddle where there is none
 * @throws DownhillError OPTION-RANGE for other dimensions; SHAPE-MISMATCH, OPTION-*
 */
export function curvaturesOf(problem: Problem, x?: ArrayLike<number>): Curvatures {
  if (checkProblem('curvaturesOf', problem).n !== 2) {
    throw new DownhillError(
      'OPTION-RANGE',
      `Curvatures are of two dimensions, ${problem.row.title} has ${problem.n} here.`,
      'Take the eigenvalues of hessianOf(problem, x).',
    );
  }
  const [a, b, , d] = hessianOf(problem, x ?? problem.minima[0]?.x ?? problem.saddles[0] ?? problem.start);
  const middle = (a! + d!) / 2;
  const half = Math.hypot((a! - d!) / 2, b!);
  const largest = middle + half;
  // (ad - b²)/largest, where the difference would lose the digits of a small one.
  const smallest = largest > 0 && middle - half > 0 ? (a! * d! - b! * b!) / largest : middle - half;
  return {
    eigenvalues: [largest, smallest],
    condition: smallest < 0 ? undefined : largest / smallest,
    stableBelow: largest > 0 ? 2 / largest : Number.POSITIVE_INFINITY,
  };
}
