import { describe, expect, it } from 'vitest';
import { range } from '../../src/gpu/buffers.js';
import { lower } from '../../src/kernels/lower.js';
import { problem as evaluate, problemForms, problemProduct } from '../../src/kernels/problem.js';
import { givenOf } from '../../src/problems/given.js';
import type { Problem } from '../../src/problems/problem.js';
import { ROUNDING } from '../../src/reference/compare.js';
import { referenceProblems } from '../../src/reference/problems.gen.js';
import { buffersFor, dispatch, randomFloats, readFloats, testDevice } from '../support/gpu.js';
import { pointsOf, problemCases } from '../support/problem-cases.js';

/*
 * Every problem's kernel against float64, per element. The limit is that of roundings which each change an operand by half a
 * unit: UNITS · 2^-24 · (|f| + Σ |∂f/∂x_j||x_j| + what constants weigh), of value, gradient and product alike.
 */

const UNITS = 12;

/** Sums of many terms that cancel: what these are, where that is more than any derivative says. */
const TERMS: Readonly<Record<string, number>> = { ackley: 3, logisticRegression: 1, biggsExp6: 1e-6 };

/** |own| + Σ_j |derivative by x_j||x_j|, by small moves of each element. */
function sensitivity(f: (x: Float64Array) => ArrayLike<number>, x: ArrayLike<number>): number[] {
  const own = Array.from(f(Float64Array.from(x)), Math.abs);
  for (let j = 0; j < x.length; j++) {
    const h = 1e-5 * Math.max(Math.abs(x[j]!), 1e-2);
    const [up, down] = [h, -h].map((step) => f(Float64Array.from(x, (value, i) => (i === j ? value + step : value))));
    for (const i of own.keys()) own[i]! += (Math.abs(up![i]! - down![i]!) / (2 * h)) * Math.abs(x[j]!);
  }
  return own;
}

describe.each(problemCases)('%s', (_, problem: Problem) => {
  const reference = referenceProblems[problem.row.name as keyof typeof referenceProblems];
  const given = givenOf(problem);

  it('has the value, the gradient and the product of float64, every replica at its own point', async () => {
    const device = await testDevice();
    const buffers = buffersFor(device, 'problem');
    const { n, row, data } = problem;
    const points = pointsOf(problem);
    const replicas = points.length;
    const stride = n + 3;
    const at = (rows: readonly Float32Array[]) => {
      const all = new Float32Array(stride * replicas).fill(Number.NaN);
      for (const [r, values] of rows.entries()) all.set(values, r * stride);
      return range(buffers.upload('numbers', all));
    };
    const directions = points.map((_, r) => randomFloats(n, 7 + r));
    const stream = range(buffers.upload('stream', Uint32Array.from(points.flatMap((_, r) => [r, 1, 0, 40 + r]))));
    const operands = {
      ...{ label: 'test/problem', shader: row.shader!, n, stride, replicas, param: at(points) },
      data: data.length > 0 ? range(buffers.upload('data', data)) : undefined,
    };
    const [grad, product] = [at([]), at([])];
    const result = range(buffers.storage('result', 8 * replicas));
    const ops = [
      evaluate({ ...operands, grad, result, stream }),
      problemProduct({ ...operands, label: 'test/product', direction: at(directions), product }),
    ];
    await dispatch(device, lower(ops, problemForms, device).passes);
    const [values, gradients, products] = await Promise.all([result, grad, product].map((r) => readFloats(device, r)));
    buffers.destroy();

    for (const [r, x] of points.entries()) {
      const v = directions[r]!;
      const noise = { seed: 40 + r, step: r };
      const expected = {
        value: [reference.value(x, given)],
        gradient: reference.gradient(x, given, noise),
        product: reference.product(x, v, given),
      };
      const weights = {
        value: sensitivity((at) => [reference.value(at, given)], x),
        gradient: sensitivity((at) => reference.gradient(at, given, noise), x),
        product: sensitivity((at) => reference.product(at, v, given), x),
      };
      const actual = {
        value: values!.subarray(2 * r, 2 * r + 1),
        gradient: gradients!.subarray(r * stride, r * stride + n),
        product: products!.subarray(r * stride, r * stride + n),
      };
      for (const what of ['value', 'gradient', 'product'] as const) {
        const ratios = Array.from(actual[what], (value, i) => {
          const limit = UNITS * ROUNDING * (weights[what][i]! + (TERMS[row.name] ?? 0));
          return Math.abs(value - expected[what][i]!) / limit;
        });
        const worst = Math.max(...ratios.map((ratio) => (Number.isNaN(ratio) ? 0 : ratio)));
        expect(worst, `${what} at ${x}`).toBeLessThanOrEqual(1);
      }
      // What lies between the points is nobody's.
      expect(gradients!.subarray(r * stride + n, (r + 1) * stride).every(Number.isNaN)).toBe(true);
    }
  });
});
