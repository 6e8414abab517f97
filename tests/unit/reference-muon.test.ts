import { describe, expect, it } from 'vitest';
import { type ReferenceTensor, referenceRules, referenceState } from '../../src/reference/index.js';
import { orthogonalised } from '../../src/reference/rules/muon.js';

/*
 * Muon: the quintic acts on singular values alone, so that what it makes of diagonal and rotated matrices follows from the
 * polynomial applied five times to a number; the numbers are from Python's decimal with 40 digits.
 */

const { muon, adamw } = referenceRules;

const step = (
  shape: readonly number[],
  gradients: readonly (readonly number[])[],
  hyper: object = {},
): Float64Array => {
  const elements = gradients[0]!.length;
  const param = new Float64Array(elements);
  const state = referenceState(muon, shape, hyper);
  for (const [i, grad] of gradients.entries()) {
    const tensor: ReferenceTensor = { shape, param, grad: Float64Array.from(grad), state };
    muon.step!([tensor], i + 1, { lr: 1, weightDecay: 0, ...hyper });
  }
  return param;
};

const expectNear = (actual: ArrayLike<number>, expected: readonly number[]) => {
  expect(actual.length).toBe(expected.length);
  for (const [i, value] of expected.entries()) expect(Math.abs(actual[i]! - value), `${i}`).toBeLessThan(1e-13);
};

describe('muon', () => {
  it('maps the singular values of the normed momentum by the quintic, five times', () => {
    // U = (0.95·0.05 + 0.05)·g = 0.0975 g; singular values 0.6 and 0.8 but for eps = 1e-7.
    expectNear(step([2, 2], [[3, 0, 0, 4]]), [-0.7228757687192539, 0, 0, -1.119203665934249]);
    // The same between rotations by 3-4-5: Q·diag·Q with Q = [[0.6, 0.8], [-0.8, 0.6]].
    const [a, b] = [0.7228757687192539, 1.119203665934249];
    const rotated = (x: number, y: number) => [
      0.36 * x - 0.64 * y,
      0.48 * x + 0.48 * y,
      -0.48 * x - 0.48 * y,
      -0.64 * x + 0.36 * y,
    ];
    expectNear(
      step([2, 2], [rotated(3, 4)]),
      rotated(a, b).map((value) => -value),
    );
  });

  it('averages gradients, with and without Nesterov', () => {
    const own = { momentum: 0.5, eps: 1 };
    // b = 1, X = 1/(1+1); then b = -1/2, X = -0.5/1.5.
    const [first, second] = [0.7654385304543384, -1.1157873285261737];
    expectNear(step([1, 1], [[2]], { ...own, nesterov: false }), [-first]);
    expectNear(step([1, 1], [[2], [-2]], { ...own, nesterov: false }), [-first - second]);
    // u = 1.5, X = 0.6; then u = -1.25, X = -5/9.
    expectNear(step([1, 1], [[2]], own), [-0.7228761686171163]);
    expectNear(step([1, 1], [[2], [-2]], own), [-0.7228761686171163 + 0.6820873526786171]);
  });

  it('gives the transposed of what the transposed gives', () => {
    const values = Float64Array.from({ length: 15 }, (_, i) => Math.sin(i * i));
    const wide = orthogonalised({ rows: 3, cols: 5, values }, 1e-7);
    const turned = values.map((_, i) => values[(i % 3) * 5 + Math.floor(i / 3)]!);
    const tall = orthogonalised({ rows: 5, cols: 3, values: turned }, 1e-7);
    for (let i = 0; i < 15; i++) expect(tall.values[(i % 5) * 3 + Math.floor(i / 5)]).toBe(wide.values[i]);
  });

  it('scales steps by the shape [inputs, outputs]', () => {
    const grad = [1, 0, 0, 0, 0, 0, 0, 0];
    // One singular value, 1 but for eps = 1e-7 over 0.0975.
    const one = -step([1, 1], [[1]])[0]!;
    expectNear(step([2, 4], [grad]).subarray(0, 2), [-Math.SQRT2 * one, 0]);
    expectNear(step([4, 2], [grad]).subarray(0, 2), [-one, 0]);
    for (const shape of [
      [2, 4],
      [4, 2],
    ]) {
      expectNear(step(shape, [grad], { scale: 'match-rms-adamw' }).subarray(0, 1), [-0.4 * one]);
    }
  });

  it('decays by lr · weightDecay before the step, or adds the decay to the gradient', () => {
    const decayed = (hyper: object) => {
      const param = Float64Array.of(2);
      const tensor = { shape: [1, 1], param, grad: Float64Array.of(0), state: referenceState(muon, [1, 1]) };
      muon.step!([tensor], 1, { lr: 0.5, weightDecay: 0.25, eps: 1, momentum: 0, ...hyper });
      return param[0]!;
    };
    expect(decayed({})).toBe(1.75);
    // g = 0.5, X = 0.5/1.5: the mirror of the second step above.
    expect(decayed({ decoupledWeightDecay: false })).toBeCloseTo(2 - 0.5 * 1.1157873285261737, 13);
  });

  it('is AdamW where there are not two axes', () => {
    const grads = [1, -2, 0.5].map((g) => Float64Array.of(g, 1, -g));
    const [own, other] = [Float64Array.of(1, 2, 3), Float64Array.of(1, 2, 3)];
    const [state, adams] = [referenceState(muon, [3]), referenceState(adamw, 3)];
    for (const [i, grad] of grads.entries()) {
      const hyper = { adamwLr: 0.1, adamwBetas: [0.8, 0.9] as const, adamwEps: 1e-3, weightDecay: 0.2 };
      muon.step!([{ shape: [3], param: own, grad, state }], i + 1, { lr: 7, ...hyper });
      adamw.update(other, grad, adams, i + 1, { lr: 0.1, betas: [0.8, 0.9], eps: 1e-3, weightDecay: 0.2 });
    }
    expect(own).toEqual(other);
    expect(Object.keys(state)).toEqual(['exp_avg', 'exp_avg_sq']);
    expect(Object.keys(referenceState(muon, [3, 2]))).toEqual(['momentum_buffer']);
  });
});
