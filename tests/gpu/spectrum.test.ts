import { afterEach, describe, expect, it } from 'vitest';
import { arrays } from '../../src/data/arrays.js';
import { type Dataset, source } from '../../src/data/index.js';
import { createPasses, encodePasses } from '../../src/gpu/passes.js';
import { lower } from '../../src/kernels/lower.js';
import { batchNorm, dropout, gelu, linear, relu, tanh } from '../../src/nn/layers.js';
import { mse, softmaxCrossEntropy } from '../../src/nn/losses.js';
import { type Model, sequential } from '../../src/nn/model.js';
import { ema } from '../../src/optim/averages.js';
import { adam, sgd } from '../../src/optim/rules.gen.js';
import { problems } from '../../src/problems/rows.gen.js';
import { referenceNetwork } from '../../src/reference/index.js';
import { arenaSpace } from '../../src/space/arena.js';
import { writeTensor } from '../../src/space/vectors.js';
import { Lanczos } from '../../src/train/lanczos.js';
import { POINT, problemObjective } from '../../src/train/problem-objective.js';
import { spectrumOf } from '../../src/train/spectrum.js';
import { createTrainer } from '../../src/train/trainer.js';
import type { Trainer, TrainerOptions } from '../../src/train/types.js';
import { eigenvalues } from '../support/eigenvalues.js';
import { buffersFor, likeDevice, randomFloats, testDevice } from '../support/gpu.js';
import { collect, losses, noise } from '../support/train.js';

/* `trainer.curvature` against the eigenvalues of dense float64 Hessians, and what it leaves alone. */

const made: Trainer[] = [];
async function trainer(options: Omit<TrainerOptions, 'rule'>) {
  const one = await createTrainer(await testDevice(), { rule: sgd({ lr: 0.1 }), submitMs: 500, ...options });
  made.push(one);
  return one;
}
afterEach(() => {
  for (const one of made.splice(0)) one.destroy();
});

/** Eigenvalues of the Hessian of the mean loss over all data, at a trainer's weights; and the loss. */
async function dense(one: Trainer, model: Model, { x, targets, samples }: Dataset, l2 = 0, gaussNewton = false) {
  const network = referenceNetwork(model, targets.kind);
  const parameters = Object.values(await one.readParameters({ weights: 'current' }));
  const wanted = targets.kind === 'classes' ? targets.labels : targets.values;
  const n = parameters.reduce((sum, { length }) => sum + length, 0);
  const hessian = new Float64Array(n * n);
  const penalised = network.shapes.flatMap((shape, i) => new Array(parameters[i]!.length).fill(shape.length > 1));
  for (let k = 0; k < n; k++) {
    let at = 0;
    const v = parameters.map(({ length }) => {
      const own = Float64Array.from({ length }, (_, i) => (at + i === k ? 1 : 0));
      at += length;
      return own;
    });
    const hv = network.hessianProduct(parameters, x, wanted, samples, v, { gaussNewton });
    hessian.set(
      hv.flatMap((tensor) => [...tensor]),
      k * n,
    );
    if (penalised[k]) hessian[k * n + k]! += 2 * l2;
  }
  return {
    values: eigenvalues(hessian, n),
    loss: network.lossAndGradients(parameters, x, wanted, samples).loss,
  };
}

const labels = noise(90, 5, 3);
const outputs = arrays({
  x: randomFloats(70 * 4, 3),
  y: Array.from({ length: 70 }, (_, i) => [Math.sin(i), Math.cos(3 * i)]),
});
const CASES: readonly (readonly [string, Model, Dataset, Partial<TrainerOptions>])[] = [
  [
    'tanh, cross-entropy',
    sequential({ input: 5, layers: [linear(7), tanh(), linear(3)], init: 'pytorch' }),
    labels,
    {},
  ],
  [
    'relu, class weights',
    sequential({
      input: 5,
      layers: [linear(6), relu(), linear(5), relu(), linear(3)],
      init: 'he-normal',
      loss: softmaxCrossEntropy({ classWeights: [1, 2, 0.5] }),
    }),
    labels,
    {},
  ],
  [
    'gelu, squares, a penalty',
    sequential({ input: 4, layers: [linear(8), gelu(), linear(2)], init: 'pytorch', loss: mse() }),
    outputs,
    { penalty: { l2: 0.05 } },
  ],
];

describe.each(CASES)('%s', (_, model, data, more) => {
  it('finds the largest and the smallest eigenvalue to 1e-3, before and after training', async () => {
    const one = await trainer({ model, data, batchSize: 32, seed: 2, ...more });
    for (const steps of [0, 60]) {
      if (steps > 0) await collect(one, { steps });
      const { values, loss } = await dense(one, model, data, more.penalty?.l2);
      const found = await one.curvature({ iterations: 40, samples: data.samples });
      const top = values.at(-1)!;
      const near = (value: number, wanted: number) => expect(Math.abs(value - wanted) / top).toBeLessThan(1e-3);
      near(found.largest[0]!.value, top);
      near(found.smallest[0]!.value, values[0]!);
      expect(found.loss).toBeCloseTo(loss, 5);
      expect(found).toMatchObject({ step: steps, samples: data.samples, parameters: values.length, iterations: 40 });
      expect(found.stabilityLimit).toBeCloseTo(2 / found.largest[0]!.value, 10);
      // A lower bound of the saddle index; with 40 of about 60 vectors nearly all of it.
      const index = values.filter((value) => value < -1e-3 * top).length;
      expect(found.negative.count).toBeLessThanOrEqual(index);
      expect(found.negative.count).toBeGreaterThanOrEqual(Math.min(index, 1));
      expect(found.negative.share).toBeLessThan(0.6);
      // Each value is as near to an eigenvalue as is said, up to rounding.
      for (const { value, error } of [...found.largest, ...found.smallest]) {
        const distance = Math.min(...values.map((each) => Math.abs(each - value)));
        expect(distance).toBeLessThan(error + 1e-4 * top);
      }
    }
  });
});

it('the Gauss-Newton matrix has no negative eigenvalues', async () => {
  const [, model, data] = CASES[0]!;
  const one = await trainer({ model, data, batchSize: 32, seed: 2 });
  const { values } = await dense(one, model, data, 0, true);
  const found = await one.curvature({ iterations: 40, samples: data.samples, gaussNewton: true });
  expect(found.largest[0]!.value / values.at(-1)!).toBeCloseTo(1, 3);
  expect(found.negative.count).toBe(0);
});

it('finds every eigenvalue of a few dimensions, and so the condition number', async () => {
  // Two weights without a bias: the Hessian is that of the data, whatever the weights.
  const data = arrays({ x: Float32Array.from([1, 0.5, -0.25, 2, 0.75, -1, 0.125, 0.5]), y: [[1], [0], [2], [1]] });
  const model = sequential({ input: 2, layers: [linear(1, { bias: false })], loss: mse() });
  const one = await trainer({ model, data });
  const { values } = await dense(one, model, data);
  const found = await one.curvature();
  expect(found).toMatchObject({ iterations: 2, conditionRank: 2, negative: { count: 0, share: 0 } });
  expect(found.conditionNumber / (values[1]! / values[0]!)).toBeCloseTo(1, 5);
});

it.each([
  ['the ravine', problems.ravine(), [-7, 2], [1 / 32, 2]],
  ['a saddle', problems.saddle(), [1, 1e-3], [-2, 2]],
  ['a chosen spectrum', problems.quadratic({ spectrum: [0.5, 1, 3, 40] }), [1, 1, 1, 1], [0.5, 1, 3, 40]],
] as const)('finds all eigenvalues of a problem: %s', async (_, problem, start, wanted) => {
  const device = await testDevice();
  const buffers = buffersFor(device, 'problem');
  const objective = problemObjective(problem, start);
  const space = arenaSpace(objective.tensors, { maxBytes: 2 ** 20 });
  const [params, grads] = ['params', 'grads'].map((name) => space.vector(buffers, name));
  writeTensor(device, space, params!, POINT, Float32Array.from(start));
  const statistics = { space, vector: space.vector(buffers, 'none') };
  const bound = objective.bind({
    label: 'test',
    buffers,
    space,
    params: params!,
    grads: grads!,
    statistics,
    seeds: [0],
  });
  const lanczos = await Lanczos.create(buffers, 'test', objective.tensors, wanted.length);
  const forms = objective.forms!;
  const passes = await createPasses(device, lower(bound.product!(lanczos.v, lanczos.w), forms, device).passes, buffers);
  const result = await lanczos.run(3, async () => {
    const encoder = device.createCommandEncoder();
    encodePasses(encoder, 'test', passes);
    device.queue.submit([encoder.finish()]);
  });
  buffers.destroy();
  for (const [i, value] of wanted.entries()) expect(result.values[i]).toBeCloseTo(value, 4);
  const { conditionNumber, conditionRank, negative } = spectrumOf(result, 1);
  const sizes = wanted.map(Math.abs);
  expect(conditionNumber / (Math.max(...sizes) / Math.min(...sizes))).toBeCloseTo(1, 4);
  expect([conditionRank, negative.count]).toEqual([wanted.length, wanted.filter((value) => value < 0).length]);
});

it('goes through more samples than a pass takes, and gives their mean', async () => {
  const data = noise(2300, 5, 3);
  const model = sequential({ input: 5, layers: [linear(4), tanh(), linear(3)], init: 'pytorch' });
  const one = await trainer({ model, data, penalty: { l2: 0.01 } });
  const { values, loss } = await dense(one, model, data, 0.01);
  const found = await one.curvature({ samples: 2300, iterations: 20 });
  expect(found.largest[0]!.value / values.at(-1)!).toBeCloseTo(1, 3);
  expect(found.loss).toBeCloseTo(loss, 5);
});

it('cuts its vectors where a binding ends, and reads samples of a source', async () => {
  const data = noise(120, 200, 3);
  const model = sequential({ input: 200, layers: [linear(8), tanh(), linear(3)], init: 'pytorch' });
  const device = await testDevice();
  const options = { model, rule: sgd({ lr: 0.1 }), batchSize: 32, seed: 2 };
  const { x, targets } = data as Dataset & { x: Float32Array; targets: { labels: Uint8Array } };
  const rows = source({
    ...{ samples: 120, features: 200, type: 'float32', classes: 3 },
    read: (indices: Uint32Array) => ({
      x: Float32Array.from([...indices].flatMap((i) => [...x.subarray(200 * i, 200 * i + 200)])),
      y: Uint8Array.from(indices, (i) => targets.labels[i]!),
    }),
  });
  // 64 rows of the first weights twelve times, and 8 KiB: all 200 take three spans. More samples would not fit a binding.
  const small = likeDevice(device, { limits: { maxStorageBufferBindingSize: 12 * 4 * 64 * 8 + 8192 } });
  const whole = await createTrainer(device, { ...options, data });
  const parts = await createTrainer(small, { ...options, data: rows });
  made.push(whole, parts);
  const asked = { iterations: 12, samples: 40 };
  const [one, cut] = [await whole.curvature(asked), await parts.curvature(asked)];
  expect(cut.loss).toBeCloseTo(one.loss, 6);
  for (const [i, { value }] of one.largest.entries()) expect(cut.largest[i]!.value).toBeCloseTo(value, 4);
});

it('is the same every time and by seed, takes a sample, and disturbs no training', async () => {
  const [, model, data] = CASES[0]!;
  const options = { model, data, batchSize: 16, seed: 4, average: ema({ decay: 0.9 }) };
  const [one, alone] = [await trainer(options), await trainer(options)];
  const wanted = losses(await collect(alone, { steps: 20 }));
  const seen: number[] = [];
  let first: unknown;
  for await (const { loss, step } of one.run({ steps: 20 })) {
    seen.push(loss);
    if (step === 7) first = await one.curvature({ samples: 40, iterations: 8 });
  }
  expect(seen).toEqual(wanted);
  expect(await one.readParameters()).toEqual(await alone.readParameters());
  expect(first).toMatchObject({ samples: 40, iterations: 8 });
  const again = () => one.curvature({ samples: 40, iterations: 8, weights: 'current' });
  expect(await again()).toEqual(await again());
  expect((await one.curvature({ samples: 40, iterations: 8 })).loss).not.toBe((await again()).loss);
  expect((await one.curvature({ samples: 40, iterations: 8, seed: 1, weights: 'current' })).loss).not.toBe(
    (await again()).loss,
  );
});

it('refuses what it cannot do, and says why', async () => {
  const data = labels;
  const net = (layer: unknown) => sequential({ input: 5, layers: [linear(4), layer, linear(3)] as never });
  const one = await trainer({ model: net(batchNorm()), data });
  await expect(one.curvature()).rejects.toThrow(/layers\[1\] \(batch-norm\) has not: its outputs depend on all rows/);
  const other = await trainer({ model: net(dropout()), data });
  await expect(other.curvature()).rejects.toThrow(/dropout.*another mask/);
  const [, model] = CASES[0]!;
  const fine = await trainer({ model, data, rule: adam() } as never);
  await expect(fine.curvature({ samples: 91 })).rejects.toMatchObject({ code: 'OPTION-RANGE' });
  await expect(fine.curvature({ eigenvalues: 31 })).rejects.toMatchObject({ code: 'OPTION-RANGE' });
  await expect(fine.curvature({ iterations: 0 })).rejects.toMatchObject({ code: 'OPTION-RANGE' });
  await expect(fine.curvature({ steps: 3 } as never)).rejects.toMatchObject({ code: 'OPTION-UNKNOWN' });
  await expect(fine.curvature({ weights: 'average' })).rejects.toMatchObject({ code: 'OPTION-RANGE' });
});
