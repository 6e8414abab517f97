import { describe, expect, it } from 'vitest';
import { pcgHash } from '../../src/kernels/random.js';
import { initialize } from '../../src/nn/init.js';
import { batchNorm, dropout, elu, layerNorm, leakyRelu, linear, tanh } from '../../src/nn/layers.js';
import { mse } from '../../src/nn/losses.js';
import { sequential } from '../../src/nn/model.js';
import { type ReferencePass, referenceLayers, referenceNetwork } from '../../src/reference/index.js';

/* The float64 oracles of norms and dropout, by hand and by the slopes of the loss: what the kernels are compared with. */

const pass = (more: Partial<ReferencePass> = {}): ReferencePass => {
  return { rows: 4, mode: 'train', seed: 0, step: 0, place: 0, buffers: [], ...more };
};
const close = (actual: ArrayLike<number>, expected: readonly number[]) => {
  expect(actual.length).toBe(expected.length);
  for (const [i, value] of expected.entries()) expect(actual[i]).toBeCloseTo(value, 12);
};

describe('batch norm by hand', () => {
  const layer = referenceLayers['batch-norm']!(1, 1, { eps: 0.25, momentum: 0.1 });
  // Mean 3, biased variance (4 + 0 + 0 + 4)/4 = 2, so that the root is 1.5.
  const x = Float64Array.from([1, 3, 3, 5]);
  const tensors = [Float64Array.from([3]), Float64Array.from([10])];

  it('normalises by the biased variance of the batch, in evaluation by the running one', () => {
    close(layer.forward(x, tensors, pass()), [10 - 4, 10, 10, 10 + 4]);
    const buffers = [Float64Array.from([2]), Float64Array.from([0.75]), Float64Array.from([7])];
    close(layer.forward(x, tensors, pass({ mode: 'evaluate', buffers })), [7, 13, 13, 19]);
    expect(buffers.map((each) => [...each])).toEqual([[2], [0.75], [7]]);
  });

  it('moves the running statistics by a tenth, with the unbiased variance', () => {
    const buffers = [Float64Array.from([0]), Float64Array.from([1]), Float64Array.from([0])];
    layer.commit!({ ...pass({ buffers }), x });
    close(buffers[0]!, [0.3]);
    close(buffers[1]!, [0.9 + (0.1 * 8) / 3]);
    close(buffers[2]!, [1]);
  });
});

it('layer norm by hand', () => {
  const layer = referenceLayers['layer-norm']!(4, 4, { eps: 0.25 });
  const y = layer.forward(
    Float64Array.from([1, 3, 3, 5]),
    [Float64Array.of(3, 3, 3, 0), Float64Array.of(0, 1, 2, 3)],
    pass({ rows: 1 }),
  );
  close(y, [-4, 1, 2, 3]);
});

it('dropout keeps what the library’s hash keeps, and scales it', () => {
  const layer = referenceLayers.dropout!(25, 25, { p: 0.3 });
  const key = pcgHash(11, 0x4450_0000 + 3, 0);
  const wanted = Array.from({ length: 100 }, (_, i) => (pcgHash(key, 5, i) >= Math.round(0.3 * 2 ** 32) ? 1 / 0.7 : 0));
  const own = pass({ seed: 11, step: 5, place: 3 });
  const ones = new Float64Array(100).fill(1);
  close(layer.forward(ones, [], own), wanted);
  close(layer.backward(ones, { ...own, x: ones, y: ones }, [], true).dx!, wanted);
  expect(layer.forward(ones, [], { ...own, mode: 'evaluate' })).toEqual(ones);
});

it('gradients through norms, dropout and activations with options are the slopes of the loss', () => {
  const layers = [linear(5), batchNorm(), elu({ alpha: 0.7 }), dropout({ p: 0.3 }), linear(6), layerNorm(), tanh()];
  const model = sequential({
    input: 3,
    layers: [...layers, linear(4), leakyRelu({ negativeSlope: 0.3 }), batchNorm({ affine: false }), linear(2)],
    loss: mse(),
    init: 'pytorch',
  });
  const network = referenceNetwork(model);
  const parameters = initialize(model, 4).map((tensor) => Float64Array.from(tensor));
  const wave = (length: number, step: number) => Float64Array.from({ length }, (_, i) => ((i * step) % 2) - 1);
  const [x, targets] = [wave(7 * 3, Math.SQRT2), wave(7 * 2, Math.E)];
  const run = () => network.lossAndGradients(parameters, x, targets, 7, { seed: 2, step: 9 });
  const { gradients } = run();
  const h = 2 ** -17;
  for (const [k, tensor] of parameters.entries()) {
    for (let i = 0; i < tensor.length; i++) {
      const value = tensor[i]!;
      tensor[i] = value + h;
      const above = run().loss;
      tensor[i] = value - h;
      const below = run().loss;
      tensor[i] = value;
      // A central difference is off by h² times a third derivative, and by the rounding of two losses over 2 h.
      expect(Math.abs((above - below) / (2 * h) - gradients[k]![i]!), `${k}[${i}]`).toBeLessThan(1e-8);
    }
  }
});
