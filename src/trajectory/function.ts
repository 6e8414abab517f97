import { DownhillError, show } from '../gpu/errors.js';
import { givenOf } from '../problems/given.js';
import { type Numbers, type OwnFunction, ownFunctionOf } from '../problems/own.js';
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
  const counted = <T extends ArrayLike<number>>(name: string, numbers: T): T => {
    checkCount(`functionOf: ${name}`, problem, numbers);
    return numbers;
  };
  const given = ownFunctionOf(problem);
  if (given) return ofOwn(given, counted);
  return ofReference(problem, row.name, counted);
}

type Counted = <T extends ArrayLike<number>>(name: string, numbers: T) => T;

function ofReference(problem: Problem, name: string, counted: Counted): AnalyticFunction {
  const own = (referenceProblems as Readonly<Record<string, ReferenceProblem>>)[name];
  if (!own)
    throw new DownhillError('OPTION-TYPE', `There is no float64 reference of ${show(name)}.`, 'Take another problem.');
  const given = givenOf(problem);
  return {
    value: (x) => own.value(counted('x', x), given),
    gradient: (x, at) => own.gradient(counted('x', x), given, at),
    product: (x, v) => own.product(counted('x', x), counted('v', v), given),
  };
}

function ofOwn(own: OwnFunction, counted: Counted): AnalyticFunction {
  const numbers = (name: string, x: ArrayLike<number>): Numbers => {
    const all = counted(name, x);
    return Array.isArray(all) || ArrayBuffer.isView(all) ? (all as Float64Array) : Float64Array.from(all);
  };
  const gradient = (x: Numbers) => Float64Array.from(own.gradient(x));
  const product = (x: Numbers, v: Numbers) =>
    own.product ? Float64Array.from(own.product(x, v)) : alongGradients(gradient, x, v);
  return {
    value: (x) => own.value(numbers('x', x)),
    gradient: (x) => gradient(numbers('x', x)),
    product: (x, v) => product(numbers('x', x), numbers('v', v)),
  };
}

/** The Hessian times v as a difference of gradients on both sides. */
function alongGradients(gradient: (x: Numbers) => Float64Array, x: Numbers, v: Numbers) {
  const numbers = [...v];
  const length = Math.hypot(...numbers);
  if (length === 0) return new Float64Array(x.length);
  // The cube root of a unit in the last place: what is left out, and what rounding leaves, are about as large.
  const step = (6e-6 * Math.max(1, Math.hypot(...x))) / length;
  const at = (t: number) => gradient(Float64Array.from(x, (value, i) => value + t * numbers[i]!));
  const [ahead, behind] = [at(step), at(-step)];
  return ahead.map((value, i) => (value - behind[i]!) / (2 * step));
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
