import { DownhillError, show } from '../gpu/errors.js';
import { givenOf } from '../problems/given.js';
import { checkCount, checkPoint, checkProblem, type Problem } from '../problems/problem.js';
import type { NoiseAt, ReferenceProblem } from '../reference/problem.js';
import { referenceProblems } from '../reference/problems.gen.js';

/** An analytic function in float64. */
export interface AnalyticFunction {
  value(x: ArrayLike<number>): number;
  /** @param at of a noisy problem, where its noise is drawn; without it there is none */
  gradient(x: ArrayLike<number>, at?: NoiseAt): Float64Array;
  /** The Hessian at x times v. */
  product(x: ArrayLike<number>, v: ArrayLike<number>): Float64Array;
}

/**
 * A problem's function in float64, on the CPU: its reference. Of points and vectors only the length is checked: the function
 * may be asked for at NaN.
 *
 * @throws DownhillError OPTION-TYPE where it is no problem; its functions SHAPE-MISMATCH for other than n numbers
 * @example functionOf(beale()).gradient([1, 1]);
 */
export function functionOf(problem: Problem): AnalyticFunction {
  const { row } = checkProblem('functionOf', problem);
  const own = (referenceProblems as Readonly<Record<string, ReferenceProblem>>)[row.name];
  if (!own)
    throw new DownhillError(
      'OPTION-TYPE',
      `There is no float64 reference of ${show(row.name)}.`,
      'Take another problem.',
    );
  const given = givenOf(problem);
  const counted = <T extends ArrayLike<number>>(name: string, numbers: T): T => {
    checkCount(`functionOf: ${name}`, problem, numbers);
    return numbers;
  };
  return {
    value: (x) => own.value(counted('x', x), given),
    gradient: (x, at) => own.gradient(counted('x', x), given, at),
    product: (x, v) => own.product(counted('x', x), counted('v', v), given),
  };
}

/** Dimensions of a Hessian that is written out. */
const MOST_ROWS = 1024;

/**
 * The whole Hessian at a point, [n, n], in float64: n products.
 *
 * @throws DownhillError SHAPE-MISMATCH, OPTION-*; LIMIT-BINDING for more than 1024 dimensions
 */
export function hessianOf(problem: Problem, x: ArrayLike<number>): Float64Array {
  const { product } = functionOf(problem);
  const point = checkPoint('hessianOf: x', problem, x);
  const { n, row } = problem;
  if (n > MOST_ROWS) {
    throw new DownhillError(
      'LIMIT-BINDING',
      `The Hessian of ${row.title} has ${n} rows here, and ${MOST_ROWS} are the most.`,
      'Multiply by functionOf(problem).product instead.',
    );
  }
  const all = new Float64Array(n * n);
  for (let i = 0; i < n; i++) {
    const unit = new Float64Array(n);
    unit[i] = 1;
    all.set(product(point, unit), i * n);
  }
  return all;
}
