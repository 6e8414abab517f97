import { describe, expect, it } from 'vitest';
import { referenceRules, referenceState } from '../../src/reference/index.js';
import { eigen, inverseFourthRoot } from '../../src/reference/rules/shampoo.js';

/* Shampoo by hand: diagonal gradients, whose preconditioners are diagonal, and the defining equation of a root. */

const { shampoo } = referenceRules;

function step(shape: readonly number[], gradients: readonly (readonly number[])[], hyper: object = {}): Float64Array {
  const param = new Float64Array(gradients[0]!.length);
  const state = referenceState(shampoo, shape, hyper);
  for (const [i, grad] of gradients.entries())
    shampoo.step!([{ shape, param, grad: Float64Array.from(grad), state }], i + 1, { lr: 1, ...hyper });
  return param;
}

const near = (actual: ArrayLike<number>, expected: readonly number[]) => {
  expect(actual.length).toBe(expected.length);
  for (const [i, value] of expected.entries()) expect(Math.abs(actual[i]! - value), `${i}`).toBeLessThan(1e-12);
};

describe('shampoo', () => {
  it('multiplies by the inverse fourth roots of both sums of squares', () => {
    // L = R = diag(81, 16) + 81·eps: 9/√(81·(1+eps)), 4/√(16 + 81·eps).
    const eps = 1e-3;
    const first = [9 / Math.sqrt(81 * 1.001), 4 / Math.sqrt(16.081)];
    near(step([2, 2], [[9, 0, 0, 4]], { eps }), [-first[0]!, 0, 0, -first[1]!]);
    // Then diag(162, 32), with 162·eps.
    const second = [9 / Math.sqrt(162 * 1.001), 4 / Math.sqrt(32.162)];
    const two = [
      [9, 0, 0, 4],
      [9, 0, 0, 4],
    ];
    near(step([2, 2], two, { eps }), [-first[0]! - second[0]!, 0, 0, -first[1]! - second[1]!]);
  });

  it('computes roots anew at each of the first updates, then every so many', () => {
    // One element: g/√(Σg²·(1+eps)) with the sums 1, 2, 3, 3, 5: of t = 4 the root of t = 3 is used.
    const roots = [1, 2, 3, 3, 5];
    const all = roots.map((sum) => 1 / Math.sqrt(sum * 1.5));
    const steps = (count: number) => Array.from({ length: count }, () => [1]);
    const options = { eps: 0.5, preconditionFrequency: 2 };
    for (let count = 1; count <= 5; count++) {
      const expected = all.slice(0, count).reduce((sum, value) => sum - value, 0);
      near(step([1, 1], steps(count), options), [expected]);
    }
  });

  it('keeps a diagonal of a side longer than 1024', () => {
    const grad = new Array<number>(1025).fill(0);
    [grad[0], grad[1]] = [3, 4];
    // L = diag(9, 16, 0 …) + 16·eps; R = 25·(1+eps).
    const right = (25 * 1.5) ** -0.25;
    const expected = [-3 * (9 + 8) ** -0.25 * right, -4 * (16 + 8) ** -0.25 * right];
    near(step([1025, 1], [grad], { eps: 0.5 }).subarray(0, 3), [...expected, 0]);
    expect(referenceState(shampoo, [1025, 2]).roots).toHaveLength(1029);
  });

  it('is AdaGrad where there are not two axes', () => {
    near(
      step(
        [2],
        [
          [3, 0],
          [4, 1],
        ],
        { adagradEps: 0.5 },
      ),
      [-3 / 3.5 - 4 / 5.5, -1 / 1.5],
    );
  });

  it('has the length of another rule’s step where it is grafted, and adds steps up with momentum', () => {
    const eps = 1e-3;
    // As in the first test: u = (9, 4) / √(…), whose norm becomes that of (9, 4), or of AdaGrad's first step, (1, 1).
    const own = [9 / Math.sqrt(81 * 1.001), 4 / Math.sqrt(16.081)] as const;
    const unit = own.map((value) => value / Math.hypot(...own)) as [number, number];
    const [sgd, adagrad] = [Math.hypot(9, 4), Math.SQRT2];
    near(step([2, 2], [[9, 0, 0, 4]], { eps, grafting: 'sgd' }), [-unit[0] * sgd, 0, 0, -unit[1] * sgd]);
    const options = { eps, grafting: 'adagrad', adagradEps: 1e-30 };
    near(step([2, 2], [[9, 0, 0, 4]], options), [-unit[0] * adagrad, 0, 0, -unit[1] * adagrad]);
    // One element: steps of SGD's length are g; with momentum 0.5 they are 2, 1 + 3, 2 + 1.
    const moved = step([1, 1], [[2], [3], [1]], { grafting: 'sgd', momentum: 0.5 });
    near(moved, [-(2 + 4 + 3)]);
    // Of a vector AdaGrad's: 1, then 0.5 + 1/√2.
    near(step([1], [[1], [1]], { momentum: 0.5, adagradEps: 1e-30 }), [-(1 + 0.5 + Math.SQRT1_2)]);
  });

  it('keeps whole preconditioners up to the side it is told', () => {
    expect(referenceState(shampoo, [3, 5], { maxPreconditionerSize: 3 }).roots).toHaveLength(9 + 5);
    expect(referenceState(shampoo, [3, 5], { maxPreconditionerSize: 0 }).roots).toHaveLength(3 + 5);
  });

  it('stays where there never was a gradient', () => {
    near(step([2, 3], [[0, 0, 0, 0, 0, 0]]), [0, 0, 0, 0, 0, 0]);
  });
});

describe('the inverse fourth root', () => {
  it('is one: root⁴·(A + eps·F·I) = I', () => {
    const n = 6;
    const g = Float64Array.from({ length: n * n }, (_, i) => Math.sin(i * i));
    const product = (x: Float64Array, y: Float64Array) =>
      x.map((_, i) => {
        let sum = 0;
        for (let k = 0; k < n; k++) sum += x[i - (i % n) + k]! * y[k * n + (i % n)]!;
        return sum;
      });
    const a = product(
      g,
      g.map((_, i) => g[(i % n) * n + Math.floor(i / n)]!),
    );
    let norm = 0;
    for (let i = 0; i < n; i++)
      norm = Math.max(
        norm,
        a.subarray(i * n, i * n + n).reduce((sum, x) => sum + Math.abs(x), 0),
      );
    const root = inverseFourthRoot(a, n, 1e-3);
    const ridged = a.map((value, i) => value + (i % (n + 1) === 0 ? 1e-3 * norm : 0));
    const square = product(root, root);
    const eye = product(product(square, square), ridged);
    for (const [i, value] of eye.entries()) expect(value).toBeCloseTo(i % (n + 1) === 0 ? 1 : 0, 9);
  });

  it('finds the eigenvalues of a matrix that has them by hand', () => {
    // [[2, 1], [1, 2]]: 1 and 3.
    expect([...eigen(Float64Array.of(2, 1, 1, 2), 2).values].sort()).toEqual([
      expect.closeTo(1, 14),
      expect.closeTo(3, 14),
    ]);
  });
});
