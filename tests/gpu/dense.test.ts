import { describe, expect, it } from 'vitest';
import { range } from '../../src/gpu/buffers.js';
import {
  activationGradient,
  activation as activationOp,
  KERNEL_ACTIVATIONS,
  type KernelActivation,
  savesInput,
} from '../../src/kernels/activation.js';
import {
  denseInputGradient,
  dense as denseOp,
  denseWeightGradient,
  type Piece,
  wholePiece,
} from '../../src/kernels/dense.js';
import { lower } from '../../src/kernels/lower.js';
import { rowStride } from '../../src/kernels/matrix.js';
import { nnForms } from '../../src/kernels/nn-forms.js';
import type { Op } from '../../src/kernels/op.js';
import { gemmLimit, referenceActivations, worst } from '../../src/reference/index.js';
import { activationShader } from '../../src/shaders/nn/activation.gen.js';
import { activationGradientShader } from '../../src/shaders/nn/activation_gradient.gen.js';
import { denseForwardShader } from '../../src/shaders/nn/dense_forward.gen.js';
import { denseInputGradientShader } from '../../src/shaders/nn/dense_input_gradient.gen.js';
import { buffersFor, dense, dispatch, randomFloats, readFloats, strided, testDevice } from '../support/gpu.js';

/** Runs ops in the form wanted: 'fused', an activation with the product beside it, or 'alone'. */
async function run(gpu: GPUDevice, ops: readonly Op[], form: 'fused' | 'alone' = 'fused') {
  const forms = form === 'fused' ? nnForms : nnForms.filter(({ name }) => !name.includes('+'));
  const { passes, choice } = lower(ops, forms, gpu);
  await dispatch(gpu, passes);
  return choice;
}

/*
 * Every product against a float64 one, at sizes on and around the tiles' edges. Tolerance of a product:
 * (4 + log2 K)·2^-24·Σ|a||b| (reliability note 4.1) for zero-mean data; inputs have NaN in their padding.
 */

const SIZES: readonly [rows: number, inputs: number, outputs: number][] = [
  [1, 1, 1],
  [1, 3, 10],
  [5, 4, 4],
  [3, 10, 1],
  [64, 784, 100],
  [64, 100, 10],
  [7, 129, 131],
  [65, 33, 257],
  [300, 20, 7],
];

/** What an activation adds: a few units in the last place of its value, and of its input through its slope. */
const ACTIVATION_ULPS: Record<KernelActivation, number> = {
  identity: 0,
  relu: 0,
  'leaky-relu': 1,
  tanh: 8,
  sigmoid: 8,
  // Φ's Chebyshev fit is good to 1.2e-7 relative (2 units), and exp(-z²/2) magnifies the rounding of its argument.
  gelu: 24,
  silu: 8,
  elu: 12,
  // The argument of exp is rounded like gelu's.
  'gelu-tanh': 24,
  softplus: 8,
};

const ROUNDING = 2 ** -24;

async function forwardCase(
  rows: number,
  inputs: number,
  outputs: number,
  activation: KernelActivation,
  scale = 1,
  form: 'fused' | 'alone' = 'fused',
) {
  const gpu = await testDevice();
  const buffers = buffersFor(gpu, 'forward');
  const x = randomFloats(rows * inputs, 1).map((v) => v * scale);
  const w = randomFloats(inputs * outputs, 2);
  const b = randomFloats(outputs, 3);
  const [xs, ys] = [rowStride(inputs), rowStride(outputs)];
  const y = buffers.storage('y', 4 * rows * ys);
  const saved = buffers.storage('saved', 4 * rows * ys);
  const [sum, out] = [range(saved), range(y)];
  await run(
    gpu,
    [
      denseOp({
        label: 'test/forward',
        rows,
        inputs,
        outputs,
        x: range(buffers.upload('x', strided(x, inputs, xs))),
        weight: [wholePiece(range(buffers.upload('w', w)), w.length)],
        bias: wholePiece(range(buffers.upload('b', b)), b.length),
        y: sum,
      }),
      activationOp({
        label: 'test/act',
        rows,
        width: outputs,
        activation,
        x: sum,
        y: out,
        keep: savesInput(activation),
      }),
    ],
    form,
  );
  const actual = dense((await readFloats(gpu, range(y))).subarray(0, rows * ys), outputs, ys);
  const actualSaved = dense((await readFloats(gpu, range(saved))).subarray(0, rows * ys), outputs, ys);
  buffers.destroy();
  const z = new Float64Array(rows * outputs);
  const size = new Float64Array(rows * outputs);
  for (let r = 0; r < rows; r++) {
    for (let j = 0; j < outputs; j++) {
      let [sum, magnitude] = [b[j]!, Math.abs(b[j]!)];
      for (let k = 0; k < inputs; k++) {
        const product = x[r * inputs + k]! * w[k * outputs + j]!;
        sum += product;
        magnitude += Math.abs(product);
      }
      z[r * outputs + j] = sum;
      size[r * outputs + j] = magnitude;
    }
  }
  return { actual, actualSaved, z, limit: (i: number) => gemmLimit(inputs + 1, size[i]!) };
}

describe('dense forward', () => {
  it.each(SIZES)('%i x %i x %i agrees with float64', async (rows, inputs, outputs) => {
    const { actual, z, limit } = await forwardCase(rows, inputs, outputs, 'identity');
    expect(worst(actual, z, limit).ratio).toBeLessThanOrEqual(1);
  });

  it.each(KERNEL_ACTIVATIONS)('%s agrees with float64, from tiny to saturated', async (activation) => {
    const { value, slope } = referenceActivations[activation];
    for (const scale of [1e-3, 1, 30, 1000]) {
      const { actual, actualSaved, z, limit } = await forwardCase(9, 13, 22, activation, scale);
      const y = z.map(value);
      const own = (i: number) =>
        limit(i) * Math.max(1, Math.abs(slope(z[i]!))) +
        ACTIVATION_ULPS[activation] * ROUNDING * Math.abs(y[i]!) +
        2 ** -126;
      expect(actual.every(Number.isFinite)).toBe(true);
      expect(worst(actual, y, own).ratio, `${activation} at scale ${scale}`).toBeLessThanOrEqual(1);
      if (savesInput(activation)) expect(worst(actualSaved, z, limit).ratio).toBeLessThanOrEqual(1);
    }
  });

  it('adds up a weight matrix that comes in pieces', async () => {
    const gpu = await testDevice();
    const buffers = buffersFor(gpu, 'pieces');
    const [rows, inputs, outputs] = [6, 150, 9];
    const x = randomFloats(rows * inputs, 4);
    const w = randomFloats(inputs * outputs, 5);
    const b = randomFloats(outputs, 6);
    const y = buffers.storage('y', 4 * rows * rowStride(outputs));
    const xBuffer = range(buffers.upload('x', strided(x, inputs, rowStride(inputs))));
    const bounds = [0, 64, 128, 150];
    const weight = bounds.slice(1).map((end, i): Piece => {
      const part = w.slice(bounds[i]! * outputs, end * outputs);
      return {
        range: range(buffers.upload(`w-${i}`, part), 0, part.byteLength),
        stride: 0,
        start: bounds[i]! * outputs,
        elements: part.length,
      };
    });
    const bias = wholePiece(range(buffers.upload('b', b)), outputs);
    const [sum, out] = [buffers.later('sum', 4 * rows * rowStride(outputs)), range(y)];
    const shape = { label: 'test/pieces', rows, inputs, outputs };
    await run(gpu, [
      denseOp({ ...shape, x: xBuffer, weight, bias, y: sum }),
      activationOp({ label: 'test/act', rows, width: outputs, activation: 'tanh', x: sum, y: out }),
    ]);
    expect(sum.made).toBe(0);
    const actual = dense(
      await readFloats(gpu, range(y, 0, 4 * rows * rowStride(outputs))),
      outputs,
      rowStride(outputs),
    );
    const expected = new Float64Array(rows * outputs);
    for (let i = 0; i < expected.length; i++) {
      let sum = b[i % outputs]!;
      for (let k = 0; k < inputs; k++)
        sum += x[Math.floor(i / outputs) * inputs + k]! * w[k * outputs + (i % outputs)]!;
      expected[i] = Math.tanh(sum);
    }
    expect(worst(actual, expected, () => gemmLimit(inputs, inputs / 4) + 8 * ROUNDING).ratio).toBeLessThanOrEqual(1);
    buffers.destroy();
  });

  it('folds a grid of more than 65,535 workgroups', async () => {
    // 262,148 rows in tiles of 4 are 65,537 workgroups.
    const { actual, z, limit } = await forwardCase(262_148, 1, 1, 'identity');
    expect(worst(actual, z, limit).ratio).toBeLessThanOrEqual(1);
  });
});

describe('dense input gradient', () => {
  it.each(SIZES)('%i x %i x %i agrees with float64', async (rows, inputs, outputs) => {
    await inputGradientCase(rows, inputs, outputs, 'identity', 1);
  });
  it.each(KERNEL_ACTIVATIONS)('through %s agrees with float64', async (activation) => {
    for (const scale of [1e-3, 1, 30]) await inputGradientCase(9, 22, 13, activation, scale);
  });
});

async function inputGradientCase(
  rows: number,
  inputs: number,
  outputs: number,
  activation: KernelActivation,
  scale: number,
  form: 'fused' | 'alone' = 'fused',
) {
  const gpu = await testDevice();
  const buffers = buffersFor(gpu, 'input-gradient');
  const { value, slope } = referenceActivations[activation];
  const dy = randomFloats(rows * outputs, 7);
  const w = randomFloats(inputs * outputs, 8);
  const z = randomFloats(rows * inputs, 9).map((v) => v * scale);
  const saved = savesInput(activation) ? z : z.map(value);
  const [xs, ys] = [rowStride(inputs), rowStride(outputs)];
  const dx = buffers.storage('dx', 4 * rows * xs);
  const between = buffers.later('between', 4 * rows * xs);
  await run(
    gpu,
    [
      denseInputGradient({
        label: 'test/input-gradient',
        rows,
        inputs,
        outputs,
        dy: range(buffers.upload('dy', strided(dy, outputs, ys))),
        weight: [wholePiece(range(buffers.upload('w', w)), w.length)],
        dx: between,
      }),
      activationGradient({
        label: 'test/act',
        rows,
        width: inputs,
        activation,
        saved: range(buffers.upload('saved', strided(saved, inputs, xs))),
        dy: between,
        dx: range(dx),
      }),
    ],
    form,
  );
  expect(between.made > 0).toBe(form === 'alone');
  const actual = dense((await readFloats(gpu, range(dx))).subarray(0, rows * xs), inputs, xs);
  buffers.destroy();
  const expected = new Float64Array(rows * inputs);
  const limits = new Float64Array(rows * inputs);
  for (let r = 0; r < rows; r++) {
    for (let k = 0; k < inputs; k++) {
      let [sum, magnitude] = [0, 0];
      for (let j = 0; j < outputs; j++) {
        const product = dy[r * outputs + j]! * w[k * outputs + j]!;
        sum += product;
        magnitude += Math.abs(product);
      }
      const i = r * inputs + k;
      const at = slope(z[i]!);
      expected[i] = sum * at;
      // The slope is computed from the stored f32 output: 1 - y² has the absolute error of a rounding of y.
      limits[i] =
        gemmLimit(outputs, magnitude) * Math.abs(at) +
        Math.abs(sum) * (4 + ACTIVATION_ULPS[activation]) * ROUNDING +
        2 ** -126;
    }
  }
  expect(worst(actual, expected, (i) => limits[i]!).ratio, `${activation} ${scale}`).toBeLessThanOrEqual(1);
  return actual;
}

describe('dense weight gradient', () => {
  it.each(SIZES)('%i x %i x %i agrees with float64', async (rows, inputs, outputs) => {
    const gpu = await testDevice();
    const buffers = buffersFor(gpu, 'weight-gradient');
    const x = randomFloats(rows * inputs, 10);
    const dy = randomFloats(rows * outputs, 11);
    const grads = buffers.storage('grads', 4 * inputs * outputs);
    const bias = buffers.storage('bias', 4 * outputs);
    await run(gpu, [
      denseWeightGradient({
        label: 'test/weight-gradient',
        rows,
        inputs,
        outputs,
        x: range(buffers.upload('x', strided(x, inputs, rowStride(inputs)))),
        dy: range(buffers.upload('dy', strided(dy, outputs, rowStride(outputs), 0))),
        weight: [wholePiece(range(grads), inputs * outputs)],
        bias: wholePiece(range(bias), outputs),
      }),
    ]);
    const actual = new Float32Array((inputs + 1) * outputs);
    actual.set((await readFloats(gpu, range(grads))).subarray(0, inputs * outputs));
    actual.set((await readFloats(gpu, range(bias))).subarray(0, outputs), inputs * outputs);
    buffers.destroy();
    const expected = new Float64Array(actual.length);
    const magnitude = new Float64Array(actual.length);
    for (let k = 0; k <= inputs; k++) {
      for (let j = 0; j < outputs; j++) {
        for (let r = 0; r < rows; r++) {
          const product = (k < inputs ? x[r * inputs + k]! : 1) * dy[r * outputs + j]!;
          expected[k * outputs + j]! += product;
          magnitude[k * outputs + j]! += Math.abs(product);
        }
      }
    }
    expect(worst(actual, expected, (i) => gemmLimit(rows, magnitude[i]!)).ratio).toBeLessThanOrEqual(1);
  });
});

describe('a layer that reads the data set', () => {
  it.each(['bytes', 'f32'] as const)('decodes %s through the batch, forward and backward', async (encoding) => {
    const gpu = await testDevice();
    const buffers = buffersFor(gpu, 'gather');
    const [samples, rows, inputs, outputs] = [40, 6, 21, 5];
    const [scale, shift] = [0.0125, -0.4];
    const raw = Uint8Array.from(randomFloats(samples * inputs, 12), (v) => Math.floor((v + 1) * 128));
    const stride = rowStride(inputs);
    const padded = new Uint8Array(samples * stride).fill(255);
    for (let s = 0; s < samples; s++) padded.set(raw.subarray(s * inputs, (s + 1) * inputs), s * stride);
    const x = range(buffers.upload('x', encoding === 'bytes' ? padded : Float32Array.from(padded)));
    const picked = [39, 0, 7, 7, 21, 13];
    const batch = { indices: range(buffers.upload('batch', Uint32Array.from(picked))), encoding, scale, shift };
    const w = randomFloats(inputs * outputs, 13);
    const dy = randomFloats(rows * outputs, 14);
    const y = buffers.storage('y', 4 * rows * rowStride(outputs));
    const grads = buffers.storage('grads', w.byteLength);
    const shape = { label: 'test/gather', rows, inputs, outputs, x, batch };
    const piece = (buffer: GPUBuffer) => [wholePiece(range(buffer), w.length)];
    await run(gpu, [
      denseOp({ ...shape, weight: piece(buffers.upload('w', w)), y: range(y) }),
      denseWeightGradient({
        ...shape,
        dy: range(buffers.upload('dy', strided(dy, outputs, rowStride(outputs), 0))),
        weight: piece(grads),
      }),
    ]);
    const value = (row: number, k: number) => raw[picked[row]! * inputs + k]! * scale + shift;
    const expectedY = new Float64Array(rows * outputs);
    const expectedW = new Float64Array(inputs * outputs);
    for (let r = 0; r < rows; r++) {
      for (let k = 0; k < inputs; k++) {
        for (let j = 0; j < outputs; j++) {
          expectedY[r * outputs + j]! += value(r, k) * w[k * outputs + j]!;
          expectedW[k * outputs + j]! += value(r, k) * dy[r * outputs + j]!;
        }
      }
    }
    const actualY = dense(
      (await readFloats(gpu, range(y))).subarray(0, rows * rowStride(outputs)),
      outputs,
      rowStride(outputs),
    );
    const actualW = (await readFloats(gpu, range(grads))).subarray(0, inputs * outputs);
    // Values reach 2.8; decoding rounds raw·scale + shift twice more.
    expect(
      worst(actualY, expectedY, () => gemmLimit(inputs, inputs * 3) + 4 * ROUNDING * inputs).ratio,
    ).toBeLessThanOrEqual(1);
    expect(worst(actualW, expectedW, () => gemmLimit(rows, rows * 3) + 4 * ROUNDING * rows).ratio).toBeLessThanOrEqual(
      1,
    );
    buffers.destroy();
  });
});

describe('an activation alone', () => {
  it.each(KERNEL_ACTIVATIONS)('%s gives the bits it gives beside a product', async (activation) => {
    for (const scale of [1e-3, 1, 30, 1000]) {
      const [fused, alone] = [
        await forwardCase(9, 13, 22, activation, scale, 'fused'),
        await forwardCase(9, 13, 22, activation, scale, 'alone'),
      ];
      expect(alone.actual).toEqual(fused.actual);
    }
    for (const scale of [1e-3, 1, 30]) {
      const fused = await inputGradientCase(9, 22, 13, activation, scale, 'fused');
      expect(await inputGradientCase(9, 22, 13, activation, scale, 'alone')).toEqual(fused);
    }
  });

  it('has its functions word for word as in the products', () => {
    const functions = (code: string) => code.match(/^fn (?!apply|finish|load_x|row_start)\w+\(.*?^}/gms)!;
    const both = (product: string, own: string) => functions(product).filter((text) => own.includes(text)).length;
    expect(both(denseForwardShader.code, activationShader.code)).toBe(7); // bytes, logistic, tanh, Φ, log(1 + e), gelu’s, activate
    expect(both(denseInputGradientShader.code, activationGradientShader.code)).toBe(3); // logistic, Φ, slope
  });
});

describe('a product whose tensors are not what it says', () => {
  it.each<[string, number[][], number]>([
    ['too few weights', [[0, 30]], 5],
    ['a piece that begins elsewhere', [[20, 40]], 5],
    ['pieces split at no multiple of 4 inputs', [[0, 10], [10, 30]], 5], // biome-ignore format: one case a line
    ['a bias of another length', [[0, 40]], 4],
  ])('is refused: %s', async (_, parts, bias) => {
    const nothing = {} as never;
    const weight = parts.map(([start, elements]) => ({ ...wholePiece(nothing, elements!), start: start! }));
    const operands = { label: 'test/wrong', rows: 1, inputs: 8, outputs: 5, x: nothing, y: nothing };
    expect(() => denseOp({ ...operands, weight, bias: wholePiece(nothing, bias) })).toThrow(
      expect.objectContaining({ code: 'SHAPE-INVALID' }),
    );
  });
});
