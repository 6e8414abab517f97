import { describe, expect, it } from 'vitest';
import {
  adam,
  arrays,
  batchNorm,
  binaryCrossEntropy,
  createTrainer,
  type Dataset,
  digits,
  dropout,
  elu,
  gelu,
  geluTanh,
  huber,
  identity,
  type Layer,
  type LossFunction,
  layerNorm,
  leakyRelu,
  linear as linearLayer,
  relu,
  sequential,
  sigmoid,
  silu,
  softmaxCrossEntropy,
  softplus,
  standardize,
  standardizeTargets,
  statistics,
  tanh,
  targetStatistics,
} from '../../src/index.js';
import { toOnnx } from '../../src/onnx/index.js';
import { erfc } from '../../src/reference/erf.js';
import { randomFloats, testDevice } from '../support/gpu.js';
import { runOnnx } from '../support/ort.js';
import { type NamedLayer, savedModel } from '../support/saved-model.js';

/*
 * Exported files in ONNX Runtime (its CPU backend), against float64. Both compute in float32 with sums of a few dozen terms:
 * 1e-5 relative to the largest value is a few dozen units of the last place.
 */
const TOLERANCE = 1e-5;

function expectClose(found: ArrayLike<number>, wanted: ArrayLike<number>, tolerance = TOLERANCE): void {
  expect(found.length).toBe(wanted.length);
  const size = Math.max(1, ...Array.from(wanted, Math.abs));
  const error = Math.max(...Array.from(wanted, (value, i) => Math.abs(found[i]! - value)));
  expect(error / size).toBeLessThanOrEqual(tolerance);
}

const ROWS = 37;
const [IN, WIDTH] = [11, 9];

const linear: NamedLayer = {
  name: 'linear',
  settings: { out: WIDTH, bias: true },
  input: IN,
  output: WIDTH,
  tensors: { weight: [WIDTH, IN], bias: [WIDTH] },
};
/** x from -8 to 8. */
const x = randomFloats(ROWS * IN, 5).map((value) => 8 * value);

/** The first linear layer in float64. */
function product(values: ArrayLike<number>, saved: ReturnType<typeof savedModel>, bias = true): Float64Array {
  const weight = saved.tensors.get('0.weight')!.values;
  const plus = saved.tensors.get('0.bias')?.values;
  return Float64Array.from({ length: ROWS * WIDTH }, (_, at) => {
    const [row, j] = [Math.floor(at / WIDTH), at % WIDTH];
    let sum = bias ? plus![j]! : 0;
    for (let i = 0; i < IN; i++) sum += values[row * IN + i]! * weight[j * IN + i]!;
    return sum;
  });
}

const rowsOf = (values: Float64Array) =>
  Array.from({ length: ROWS }, (_, i) => values.subarray(i * WIDTH, (i + 1) * WIDTH));
const mean = (values: ArrayLike<number>) => Array.from(values).reduce((a, b) => a + b) / values.length;

const ACTIVATIONS: Readonly<Record<string, (z: number) => number>> = {
  identity: (z) => z,
  dropout: (z) => z,
  relu: (z) => Math.max(z, 0),
  'leaky-relu': (z) => (z > 0 ? z : 0.2 * z),
  elu: (z) => (z > 0 ? z : 0.7 * Math.expm1(z)),
  tanh: Math.tanh,
  sigmoid: (z) => 1 / (1 + Math.exp(-z)),
  softplus: (z) => Math.max(z, 0) + Math.log1p(Math.exp(-Math.abs(z))),
  silu: (z) => z / (1 + Math.exp(-z)),
  gelu: (z) => 0.5 * z * erfc(-z * Math.SQRT1_2),
  'gelu-tanh': (z) => 0.5 * z * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (z + 0.044715 * z ** 3))),
};

/** Of those that have some. */
const SETTINGS = { alpha: 0.7, negativeSlope: 0.2 };

describe('a layer in ONNX Runtime', () => {
  it.each(Object.keys(ACTIVATIONS))('%s is as in float64', async (name) => {
    const saved = savedModel([linear, { name, settings: SETTINGS, input: WIDTH, output: WIDTH }], 'mse');
    expectClose(await runOnnx(toOnnx(saved), x, ROWS), product(x, saved).map(ACTIVATIONS[name]!));
  });

  it('linear without a bias is', async () => {
    const saved = savedModel([{ ...linear, tensors: { weight: [WIDTH, IN] } }], 'mse');
    expectClose(await runOnnx(toOnnx(saved), x, ROWS), product(x, saved, false));
  });

  it.each([true, false])('batch-norm with affine %s is, by its running statistics', async (affine) => {
    const own = { weight: [WIDTH], bias: [WIDTH] };
    const norm: NamedLayer = {
      name: 'batch-norm',
      settings: { eps: 1e-3 },
      input: WIDTH,
      output: WIDTH,
      tensors: affine ? own : {},
      statistics: { running_mean: [WIDTH], running_var: [WIDTH], num_batches_tracked: [] },
    };
    const saved = savedModel([linear, norm], 'mse');
    const { tensors, statistics } = saved;
    const of = (name: string, j: number, instead: number) =>
      (tensors.get(`1.${name}`) ?? statistics.get(`1.${name}`))?.values[j] ?? instead;
    const wanted = product(x, saved).map((value, at) => {
      const j = at % WIDTH;
      const unit = (value - of('running_mean', j, 0)) / Math.sqrt(of('running_var', j, 1) + 1e-3);
      return unit * of('weight', j, 1) + of('bias', j, 0);
    });
    expectClose(await runOnnx(toOnnx(saved), x, ROWS), wanted);
  });

  it.each([true, false])('layer-norm with affine %s is', async (affine) => {
    const norm: NamedLayer = {
      name: 'layer-norm',
      settings: { eps: 1e-5 },
      input: WIDTH,
      output: WIDTH,
      tensors: affine ? { weight: [WIDTH], bias: [WIDTH] } : {},
    };
    const saved = savedModel([linear, norm], 'mse');
    const [weight, bias] = ['1.weight', '1.bias'].map((name) => saved.tensors.get(name)?.values);
    const wanted = rowsOf(product(x, saved)).flatMap((row) => {
      const centre = mean(row);
      const deviation = Math.sqrt(mean(row.map((value) => (value - centre) ** 2)) + 1e-5);
      return Array.from(row, (value, j) => ((value - centre) / deviation) * (weight?.[j] ?? 1) + (bias?.[j] ?? 0));
    });
    expectClose(await runOnnx(toOnnx(saved), x, ROWS), wanted);
  });
});

describe('what stands around the layers', () => {
  it('softmax and sigmoid of the loss are in the file', async () => {
    const saved = savedModel([linear], 'softmax-cross-entropy', { targets: { kind: 'classes', width: WIDTH } });
    const wanted = rowsOf(product(x, saved)).flatMap((row) => {
      const top = Math.max(...row);
      const powers = Array.from(row, (z) => Math.exp(z - top));
      const sum = powers.reduce((a, b) => a + b);
      return powers.map((power) => power / sum);
    });
    expectClose(await runOnnx(toOnnx(saved), x, ROWS), wanted);

    const binary = savedModel([linear], 'binary-cross-entropy');
    const probabilities = product(x, binary).map((z) => 1 / (1 + Math.exp(-z)));
    expectClose(await runOnnx(toOnnx(binary), x, ROWS), probabilities);
  });

  it('scaling per feature is, and keeps the digits of values that are large beside their deviation', async () => {
    // Means up to 1e6 with a deviation near 1: raw · scale + shift in float32 would be off by 0.1.
    const means = Array.from({ length: IN }, (_, i) => (i % 3 === 0 ? 1e6 + i / 7 : i % 3 === 1 ? -3e-3 * i : 50));
    const scale = Array.from({ length: IN }, (_, i) => (i === 4 ? 0 : 1 / (1 + i / 10)));
    const shift = means.map((centre, i) => (i === 4 ? 0.25 : -centre * scale[i]!));
    const raw = x.map((value, at) => means[at % IN]! + value);
    const saved = savedModel([linear], 'mse', { scaling: { scale, shift } });
    const inputs = Float64Array.from(raw, (value, at) => value * scale[at % IN]! + shift[at % IN]!);
    expectClose(await runOnnx(toOnnx(saved), raw, ROWS), product(inputs, saved));
  });

  it('scaling of targets is undone', async () => {
    const scale = Array.from({ length: WIDTH }, (_, j) => 0.1 * (j + 1));
    const targets = { kind: 'values', width: WIDTH, scale, shift: -2 } as const;
    const saved = savedModel([linear], 'huber', { scaling: { scale: 1 / 255, shift: 0 }, targets });
    const wanted = product(
      x.map((value) => value / 255),
      saved,
    ).map((y, at) => (y + 2) / scale[at % WIDTH]!);
    expectClose(await runOnnx(toOnnx(saved), x, ROWS), wanted);
  });

  it('any number of rows goes through the same file', async () => {
    const saved = savedModel([linear], 'mse');
    const file = toOnnx(saved);
    expectClose(await runOnnx(file, x.slice(0, IN), 1), product(x, saved).subarray(0, WIDTH));
  });
});

/*
 * The same against `trainer.predict`: two programs in float32, each within a few units of the last place of the truth per
 * layer, so that 1e-5 of the largest output holds also for nine layers.
 */
describe('a trained network in ONNX Runtime', () => {
  const ALL = [
    ...[relu(), leakyRelu({ negativeSlope: 0.3 }), elu({ alpha: 0.5 }), tanh(), sigmoid()],
    ...[softplus(), silu(), gelu(), geluTanh(), identity()],
  ];

  async function expectSame(data: Dataset, layers: readonly Layer[], loss: LossFunction, raw: Dataset): Promise<void> {
    const trainer = await createTrainer(await testDevice(), {
      model: sequential({ input: data.features, layers, loss }),
      rule: adam({ lr: 0.01 }),
      data,
      batchSize: 32,
      seed: 5,
    });
    try {
      for await (const _ of trainer.run({ steps: 25 }));
      // Raw values, as they were before any scaling.
      const wanted = await trainer.predict(raw.x);
      const found = await runOnnx(toOnnx(await trainer.checkpoint()), Float32Array.from(raw.x), raw.samples);
      expectClose(found, wanted);
    } finally {
      trainer.destroy();
    }
  }

  it('says of digits what predict says, with norms and dropout in between', async () => {
    const raw = digits({ samples: 200, seed: 3 });
    const data = standardize(raw, statistics(raw));
    const layers = [
      ...[linearLayer(24, { bias: false }), batchNorm(), relu(), dropout({ p: 0.3 })],
      ...[linearLayer(16), layerNorm({ affine: false }), gelu(), dropout(), linearLayer(10)],
    ];
    await expectSame(data, layers, softmaxCrossEntropy({ labelSmoothing: 0.1 }), raw);
  });

  it('says of a table what predict says: every activation, features and targets scaled', async () => {
    const features = [1, 0.001, 5000];
    const values = randomFloats(3 * 150, 8).map((value, i) => value * features[i % 3]! + 2 * features[i % 3]!);
    const y = Float32Array.from({ length: 300 }, (_, i) => 1000 * Math.sin(values[3 * (i >> 1)]!) + (i % 2) * 50);
    const raw = arrays({ x: values, y, features: 3 });
    const inputs = standardize(raw, statistics(raw));
    const data = standardizeTargets(inputs, targetStatistics(inputs));
    const layers = ALL.flatMap((activation) => [linearLayer(12), activation]);
    await expectSame(data, [...layers, linearLayer(2)], huber({ delta: 0.5 }), raw);
  });

  it('says probabilities of yes and no, where the loss has them', async () => {
    const raw = arrays({
      x: randomFloats(4 * 90, 2),
      y: randomFloats(2 * 90, 3).map((v) => (v > 0 ? 1 : 0)),
      features: 4,
    });
    await expectSame(raw, [linearLayer(8), batchNorm({ affine: false }), linearLayer(2)], binaryCrossEntropy(), raw);
  });
});
