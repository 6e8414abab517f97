import { DownhillError, show } from '../gpu/errors.js';
import { checkOptions } from '../gpu/fields.js';
import { checkPoint, type Minimum, makeProblem, type Problem, type ProblemRow } from './problem.js';

/** Numbers in a row, a list or a typed array. */
export type Numbers = ArrayLike<number> & Iterable<number>;

/** A function of one's own. */
export interface OwnFunction {
  /** Where one starts: so many numbers has a point. */
  readonly start: readonly number[];
  /** Its value at a point. */
  value(x: Numbers): number;
  /** Its gradient there, as many numbers as the point has. */
  gradient(x: Numbers): ArrayLike<number>;
  /** The Hessian at x times v. Default the difference of two gradients, to about ten digits. */
  product?(x: Numbers, v: Numbers): ArrayLike<number>;
  /** The name in prose. Default 'the function'. */
  readonly title?: string;
  /** The function as text, a line per assignment. */
  readonly formula?: readonly string[];
  /** Minima that are known, the lowest first. Default none. */
  readonly minima?: readonly Minimum[];
  /** Saddles that are known. Default none. */
  readonly saddles?: readonly (readonly number[])[];
  /** What a picture shows of the first two axes: [from, to] of each. Default twice the start's size, and 2 at least, around 0. */
  readonly window?: ProblemRow['window'];
}

/** Functions by the rows that were made of them. */
const functions = new WeakMap<ProblemRow, OwnFunction>();

/** The function that {@link ownProblem} was given; undefined of a problem of the library. */
export const ownFunctionOf = ({ row }: Problem): OwnFunction | undefined => functions.get(row);

const KEYS = ['start', 'value', 'gradient', 'product', 'title', 'formula', 'minima', 'saddles', 'window'];

/**
 * A function of one's own as a problem, for `minimize('cpu', …)`, `functionOf`, `hessianOf` and `curvaturesOf`. No device takes it: it
 * has no kernel.
 *
 * @example
 * const bowl = ownProblem({ start: [3, 1], value: ([x, y]) => x ** 2 + y ** 4, gradient: ([x, y]) => [2 * x, 4 * y ** 3] });
 * const way = await minimize('cpu', bowl, adam({ lr: 0.1 }));
 * @throws DownhillError OPTION-TYPE, SHAPE-MISMATCH for a gradient of another length than the start, OPTION-RANGE where value or
 *   gradient are not finite at the start
 */
export function ownProblem(own: OwnFunction): Problem {
  checkOptions('ownProblem', own, KEYS);
  for (const key of ['value', 'gradient', 'product'] as const) {
    if (typeof own[key] === 'function' || (key === 'product' && own[key] === undefined)) continue;
    throw new DownhillError(
      'OPTION-TYPE',
      `ownProblem: ${key} must be a function, got ${show(own[key])}.`,
      'Pass one.',
    );
  }
  const n = Array.isArray(own.start) ? own.start.length : 0;
  if (n === 0) {
    throw new DownhillError(
      'OPTION-TYPE',
      `ownProblem: start must be a list of numbers, got ${show(own.start)}.`,
      'Pass [1, 2].',
    );
  }
  const size = Math.max(2, ...own.start.map((value) => 2 * Math.abs(value)));
  const row: ProblemRow = {
    name: 'own',
    title: own.title ?? 'the function',
    formula: own.formula ?? [],
    paper: '',
    use: '',
    fields: {},
    dimension: () => n,
    start: () => [...own.start],
    minima: () => own.minima ?? [],
    saddles: () => own.saddles ?? [],
    window: own.window ?? [
      [-size, size],
      [-size, size],
    ],
  };
  const problem = makeProblem(row, {});
  checkPoint('ownProblem: start', problem, own.start);
  checkStart(own, n);
  functions.set(row, own);
  return problem;
}

function checkStart({ start, value, gradient }: OwnFunction, n: number): void {
  const [f, slope] = [value(start), gradient(start)];
  if (slope?.length !== n) {
    throw new DownhillError(
      'SHAPE-MISMATCH',
      `ownProblem: the gradient has ${slope?.length ?? 'no'} numbers, the start ${n}.`,
      `Return ${n} numbers.`,
    );
  }
  const what = Number.isFinite(f) ? 'gradient' : 'value';
  if (what === 'value' || !Array.from(slope).every(Number.isFinite)) {
    const got = what === 'value' ? String(f) : `(${Array.from(slope).join(', ')})`;
    throw new DownhillError(
      'OPTION-RANGE',
      `ownProblem: the ${what} at the start (${start.join(', ')}) is not finite: ${got}.`,
      'Start where the function has a value and a slope.',
    );
  }
}
