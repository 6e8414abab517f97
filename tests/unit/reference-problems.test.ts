import { describe, expect, it } from 'vitest';
import { givenOf } from '../../src/problems/given.js';
import { problems } from '../../src/problems/rows.gen.js';
import { referenceProblems } from '../../src/reference/problems.gen.js';
import { pointsOf, problemCases } from '../support/problem-cases.js';

/* The float64 references of problems against differences, and what their rows say of them. */

it('every problem has a reference, and no reference is without a problem', () => {
  expect(Object.keys(referenceProblems).sort()).toEqual(Object.keys(problems).sort());
});

describe.each(problemCases)('%s', (_, problem) => {
  const reference = referenceProblems[problem.row.name as keyof typeof referenceProblems];
  const given = givenOf(problem);
  const { n } = problem;
  /** Five points around, whose error is of the fourth power of the step: about 1e-11 of the largest, with rounding 1e-12/step. */
  const slope = (f: (t: number) => number, h: number) => (f(-2 * h) - 8 * f(-h) + 8 * f(h) - f(2 * h)) / (12 * h);
  const moved = (x: ArrayLike<number>, v: ArrayLike<number>, t: number) =>
    Float64Array.from(x, (value, i) => value + t * v[i]!);
  /** Points where it is smooth. */
  const points = pointsOf(problem).filter((x) => problem.row.name !== 'ackley' || x.some((value) => value !== 0));

  it('has the gradient of its values, and the Hessian of its gradient', () => {
    for (const [k, x] of points.entries()) {
      const v = Float64Array.from({ length: n }, (_, i) => Math.cos(i + k + 1));
      const scale = Math.max(...Array.from(x, Math.abs), 1);
      const h = 1e-3 * scale;
      const g = reference.gradient(x, given);
      const along = g.reduce((sum, value, i) => sum + value * v[i]!, 0);
      const f = (t: number) => reference.value(moved(x, v, t), given);
      const size = Math.max(Math.abs(f(h)), Math.abs(f(-h)), 1);
      expect(Math.abs(along - slope(f, h))).toBeLessThan(1e-7 * (size + Math.abs(along)));

      const product = reference.product(x, v, given);
      const largest = Math.max(...g.map(Math.abs), ...product.map(Math.abs), 1);
      const near = new Map([-2, -1, 1, 2].map((k) => [k * h, reference.gradient(moved(x, v, k * h), given)]));
      for (let i = 0; i < n; i++)
        expect(Math.abs(product[i]! - slope((t) => near.get(t)![i]!, h))).toBeLessThan(1e-7 * largest);
    }
  });

  it('has a symmetric Hessian', () => {
    const x = points.at(-1)!;
    const [u, v] = [0, 1].map((k) => Float64Array.from({ length: n }, (_, i) => Math.sin(2 * i + k + 1)));
    const dot = (a: Float64Array, b: Float64Array) => a.reduce((sum, value, i) => sum + value * b[i]!, 0);
    const [one, other] = [dot(u!, reference.product(x, v!, given)), dot(v!, reference.product(x, u!, given))];
    const size = Math.sqrt(dot(reference.product(x, v!, given), reference.product(x, v!, given)) * n);
    expect(Math.abs(one - other)).toBeLessThan(1e-12 * size);
  });

  it('has its minima where the row says, to the last digits', () => {
    for (const { x, value } of problem.minima) {
      expect(Math.abs(reference.value(x, given) - value)).toBeLessThan(1e-14 * Math.max(Math.abs(value), 1) * n);
      const size = Math.max(...Array.from(x, Math.abs), 1);
      const curvature = Math.max(...reference.product(x, new Float64Array(n).fill(1), given).map(Math.abs), 1);
      for (const g of reference.gradient(x, given)) expect(Math.abs(g)).toBeLessThan(1e-14 * size * curvature);
    }
    for (const x of problem.saddles)
      for (const g of reference.gradient(x, given)) expect(Math.abs(g)).toBeLessThan(1e-13);
    const values = problem.minima.map(({ value }) => value);
    expect(values).toEqual([...values].sort((a, b) => a - b));
  });
});

it('values at the customary starts are those of the collections', () => {
  const at = (name: keyof typeof problems, options: object = {}) => {
    const problem = (problems[name] as (options: object) => ReturnType<typeof problems.beale>)(options);
    return referenceProblems[name].value(problem.start, givenOf(problem));
  };
  expect(at('ravine')).toBe(4.765625);
  expect(at('rosenbrock')).toBeCloseTo(24.2, 12);
  expect(at('rosenbrock', { n: 10 })).toBeCloseTo(121, 10);
  expect(at('rosenbrock', { n: 100 })).toBeCloseTo(1210, 9);
  expect(at('beale')).toBeCloseTo(41.25, 12);
  expect(at('himmelblau')).toBe(170);
  expect(at('rastrigin')).toBeCloseTo(34.36, 2);
  expect(at('ackley')).toBeCloseTo(8.638, 3);
  expect(at('sixHumpCamel')).toBeCloseTo(0.6656, 4);
  expect(at('booth')).toBe(1802);
  expect(at('freudensteinRoth')).toBe(400.5);
  expect(at('helicalValley')).toBe(2500);
  expect(at('powellSingular')).toBeCloseTo(215, 10);
  expect(at('wood')).toBeCloseTo(19192, 8);
  expect(at('biggsExp6')).toBeCloseTo(0.779, 3);
  expect(at('variablyDimensioned')).toBeCloseTo(2.199e6, -3);
  expect(at('trigonometric')).toBeCloseTo(7.08e-3, 5);
  expect(at('penaltyI')).toBeCloseTo(1.48e5, -2);
  expect(at('logisticRegression')).toBeCloseTo(Math.LN2, 12);
});
