import { describe, expect, it } from 'vitest';
import { initialize } from '../../src/nn/init.js';
import { batchNorm, linear } from '../../src/nn/layers.js';
import { sequential } from '../../src/nn/model.js';
import { referenceActivations, referenceNetwork } from '../../src/reference/index.js';
import { randomFloats } from '../support/numbers.js';
import { PRODUCT_CASES, samplesFor } from '../support/product-cases.js';

/* The float64 oracle of Hessian-vector products: by differences of its own gradients, which other tests check. */

const ROWS = 7;
const dot = (a: readonly Float64Array[], b: readonly Float64Array[]) =>
  a.reduce((sum, tensor, i) => sum + tensor.reduce((s, value, j) => s + value * b[i]![j]!, 0), 0);

describe.each(PRODUCT_CASES)('$name', (each) => {
  const { model, kind, kinks } = each;
  const network = referenceNetwork(model, kind);
  const parameters = initialize(model, 3).map((tensor) => Float64Array.from(tensor));
  const { x, targets } = samplesFor(each, ROWS);
  const direction = (seed: number) =>
    parameters.map(({ length }, i) => Float64Array.from(randomFloats(length, 100 * seed + i)));
  const [u, v] = [direction(1), direction(2)];
  const hv = network.hessianProduct(parameters, x, targets, ROWS, v);

  it('is the derivative of the gradient along v', () => {
    // Central differences are off by h² times a fourth derivative of the loss, and by a rounding over 2 h.
    const h = kinks ? 2 ** -26 : 2 ** -17;
    const at = (step: number) =>
      network.lossAndGradients(
        parameters.map((tensor, i) => tensor.map((value, j) => value + step * v[i]![j]!)),
        x,
        targets,
        ROWS,
      ).gradients;
    const [above, below] = [at(h), at(-h)];
    const largest = Math.max(...hv.flatMap((tensor) => [...tensor].map(Math.abs)), 1e-3);
    for (const [i, tensor] of hv.entries()) {
      for (const [j, value] of tensor.entries()) {
        const difference = (above[i]![j]! - below[i]![j]!) / (2 * h);
        expect(Math.abs(difference - value), `${i}[${j}]`).toBeLessThan((kinks ? 1e-6 : 1e-8) * largest);
      }
    }
  });

  it('is symmetric; the Gauss-Newton matrix is so too, and never negative', () => {
    const hu = network.hessianProduct(parameters, x, targets, ROWS, u);
    expect(dot(u, hv)).toBeCloseTo(dot(v, hu), 12);
    const [gu, gv] = [u, v].map((each) =>
      network.hessianProduct(parameters, x, targets, ROWS, each, { gaussNewton: true }),
    );
    expect(dot(u, gv!)).toBeCloseTo(dot(v, gu!), 12);
    expect(dot(u, gu!)).toBeGreaterThanOrEqual(0);
    expect(dot(v, gv!)).toBeGreaterThanOrEqual(0);
  });
});

it.each(Object.entries(referenceActivations))('%s has the bend of its slope', (_, { slope, bend }) => {
  const h = 2 ** -17;
  for (const z of [-9.5, -3.2, -1, -0.3, 0.2, 0.7, 2.5, 8])
    expect(bend(z)).toBeCloseTo((slope(z + h) - slope(z - h)) / (2 * h), 8);
});

it('refuses layers that have none', () => {
  const network = referenceNetwork(sequential({ input: 2, layers: [linear(3), batchNorm(), linear(2)] }));
  const parameters = network.shapes.map((shape) => new Float64Array(shape.reduce((a, b) => a * b)));
  expect(() => network.hessianProduct(parameters, [0, 1, 1, 0], [0, 1], 2, parameters)).toThrow(/layers\[1\]/);
});
