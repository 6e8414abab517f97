import { describe, expect, it } from 'vitest';
import { type ReferenceBent, referenceNewton } from '../../src/reference/newton.js';
import { lbfgsCases } from '../support/lbfgs.js';
import { objectiveOf } from '../support/newton.js';

/* Newton's method in float64 ends where it should; SciPy's trust-ncg takes 29 iterations and 81 products on Rosenbrock-2, 107 on Wood. */

describe.each(Object.entries(lbfgsCases))('%s', (name, own) => {
  it('ends at a minimum, in about as many iterations as published', () => {
    const found = referenceNewton(objectiveOf(own), own.start ?? own.problem.start);
    expect(found.stopped).toBe('gradient');
    expect(found.gradMax).toBeLessThanOrEqual(1e-5);
    // Where a valley is flat (penalty I, Powell), a small gradient is not yet the lowest value.
    expect(Math.abs(found.value - own.value)).toBeLessThanOrEqual(1e-2 * own.value + 1e-7);
    const [iterations, products] = { 'Rosenbrock (2)': [30, 81], Wood: [107, 300] }[name] ?? [45, 100];
    expect(found.iterations).toBeLessThanOrEqual(iterations!);
    expect(found.products).toBeLessThanOrEqual(products!);
  });
});

it('leaves a saddle by negative curvature', () => {
  // x² - y²: from beside it, along y.
  const saddle: ReferenceBent = ([x, y]) => ({
    value: x! ** 2 - y! ** 2,
    gradient: [2 * x!, -2 * y!],
    product: ([v, w]) => [2 * v!, -2 * w!],
  });
  const { x, value } = referenceNewton(saddle, [1, 1e-3], { directions: 8 });
  expect(Math.abs(x[1]!)).toBeGreaterThan(1);
  expect(value).toBeLessThan(-1);
});

it('says why it ended', () => {
  const flat: ReferenceBent = () => ({ value: Number.NaN, gradient: [1], product: (v) => v });
  expect(referenceNewton(flat, [0]).stopped).toBe('nonfinite');
  // A slope that leads nowhere.
  const nowhere: ReferenceBent = ([x]) => ({ value: Math.abs(x!), gradient: [-1], product: (v) => v });
  expect(referenceNewton(nowhere, [0]).stopped).toBe('linesearch');
});
