import { describe, expect, it } from 'vitest';
import { arrays } from '../../src/data/arrays.js';
import { source } from '../../src/data/source.js';
import { atOnce } from '../../src/gpu/turns.js';
import { byTensor, filterNormalised, flatten } from '../../src/landscape/directions.js';
import { landscape, recordPath } from '../../src/landscape/index.js';
import type { LandscapeOptions } from '../../src/landscape/types.js';
import { batchNorm } from '../../src/nn/layers/batch-norm.js';
import { dropout } from '../../src/nn/layers/dropout.js';
import { layerNorm } from '../../src/nn/layers/layer-norm.js';
import { linear } from '../../src/nn/layers/linear.js';
import { tanh } from '../../src/nn/layers/tanh.js';
import { softmaxCrossEntropy } from '../../src/nn/losses.js';
import { mlp } from '../../src/nn/mlp.js';
import { buffersOf, type Model, sequential, tensorsOf } from '../../src/nn/model.js';
import { requestDevice } from '../../src/node/index.js';
import { ema } from '../../src/optim/averages/ema.js';
import { adam } from '../../src/optim/rules/adam.js';
import { scheduleFreeSgd } from '../../src/optim/rules/scheduleFreeSgd.js';
import { referenceNetwork } from '../../src/reference/index.js';
import { readTensors } from '../../src/space/vectors.js';
import { insideOf } from '../../src/train/inside.js';
import { createTrainer } from '../../src/train/trainer.js';
import type { Trainer, TrainerOptions } from '../../src/train/types.js';
import { testDevice } from '../support/gpu.js';
import { collect, losses, noise } from '../support/train.js';

const data = noise(150, 12, 4);
if (data.targets.kind !== 'classes') throw new Error('noise has classes');
const { labels } = data.targets;
const plain = mlp({ sizes: [12, 10, 8, 4], activation: 'tanh' });
const normed = sequential({
  input: 12,
  layers: [linear(10), batchNorm(), tanh(), dropout({ p: 0.3 }), linear(8), layerNorm(), tanh(), linear(4)],
});

async function trained(model: Model, steps: number, options: Partial<TrainerOptions> = {}): Promise<Trainer> {
  const made = { model, rule: adam({ lr: 0.01 }), data, batchSize: 32, seed: 3, ...options };
  const trainer = await createTrainer(await testDevice(), made as Parameters<typeof createTrainer>[1]);
  await collect(trainer, { steps });
  return trainer as unknown as Trainer;
}

/** The loss of weights and running statistics in float64. */
async function float64Loss(trainer: Trainer, model: Model) {
  const { program } = insideOf(trainer)!;
  const { space, vector } = program.statistics;
  const [kept] = await readTensors(program.device, 'test', space, [vector]);
  const buffers = buffersOf(model).map(({ name, dtype }) =>
    dtype === 'u32' ? new Float64Array(1) : Float64Array.from(kept!.get(name)!),
  );
  const network = referenceNetwork(model);
  return (weights: readonly Float64Array[]) =>
    network.lossAndGradients(weights, data.x, [...labels], data.samples, { mode: 'evaluate', buffers }).loss;
}

describe('landscape', () => {
  it.each([
    ['a plain network', plain],
    ['batch norm, layer norm and dropout', normed],
  ])('is what float64 says at every point of a random plane: %s', async (_, model) => {
    const trainer = await trained(model, 20);
    const grid = 7;
    const made = await landscape(trainer, { plane: 'random', grid, range: { x: [-1, 0.5], y: [-0.75, 2] }, seed: 4 });
    const tensors = tensorsOf(model);
    const weights = await trainer.readParameters();
    const flat = flatten(tensors, (name) => weights[name]!);
    const directions = ([0, 1] as const).map((which) =>
      byTensor(tensors, atOnce(filterNormalised(tensors, flat, 4, which))),
    );
    const lossOf = await float64Loss(trainer, model);
    expect(made.loss).toHaveLength(grid * grid);
    for (let j = 0; j < grid; j++) {
      for (let i = 0; i < grid; i++) {
        const at = tensors.map(({ name }) =>
          Float64Array.from(weights[name]!, (value, k) => {
            return value + made.x[i]! * directions[0]!.get(name)![k]! + made.y[j]! * directions[1]!.get(name)![k]!;
          }),
        );
        const expected = lossOf(at);
        // Weights are off by 2 roundings, activations by sums of at most 12 products, twice: some 40 · 2^-24 of a loss near 1 to 4.
        expect(Math.abs(made.loss[j * grid + i]! / expected - 1)).toBeLessThan(40 * 2 ** -24);
      }
    }
    expect(made.norms[0]).toBeGreaterThan(0);
    expect(Math.abs(made.cosine!)).toBeLessThan(0.3);
    expect(made.note).toMatch(/slice/i);
    trainer.destroy();
  });

  it.each([
    ['a plain network', plain, {}],
    ['batch norm, layer norm and dropout', normed, {}],
    ['parameters in buffers of their own', plain, { buffers: 'separate' }],
    ['an average of the weights', plain, { average: ema({ decay: 0.9 }) }],
  ] as const)(
    'is at the centre what evaluate says, to the bit, however many points are in a pass: %s',
    async (_, model, options) => {
      const trainer = await trained(model, 10, options);
      const all = { plane: 'random', grid: 5, seed: 1, samples: 120 } as const;
      const made = await landscape(trainer, all);
      const { loss, accuracy } = await trainer.evaluate(made.data);
      expect(made.data.samples).toBe(120);
      expect(made.centre).toEqual({ x: 0, y: 0, loss, accuracy });
      expect(made.loss[12]).toBe(Math.fround(loss));
      expect(made.accuracy![12]).toBe(Math.fround(accuracy!));
      for (const members of [1, 4, 26]) {
        const again = await landscape(trainer, { ...all, members });
        expect(again.members).toBe(members);
        expect(again.passes).toBe(Math.ceil(26 / members));
        expect(again.loss).toEqual(made.loss);
        expect(again.accuracy).toEqual(made.accuracy);
      }
      trainer.destroy();
    },
  );

  it('has no accuracy of values, and weighs classes as evaluate does', async () => {
    const values = arrays({ x: data.x, y: data.x.filter((_, i) => i % 6 < 2), features: 12 });
    const regression = mlp({ sizes: [12, 6, 4], loss: 'mse' });
    const weighted = mlp({ sizes: [12, 6, 4], loss: softmaxCrossEntropy({ classWeights: [1, 4, 0.5, 2] }) });
    for (const [model, own, rule] of [
      [regression, values, adam()],
      [weighted, data, scheduleFreeSgd({ lr: 0.1 })],
    ] as const) {
      const trainer = await trained(model, 8, { data: own, rule } as Partial<TrainerOptions>);
      const made = await landscape(trainer, { plane: 'random', grid: 3, samples: 70 });
      const { loss, accuracy } = await trainer.evaluate(made.data);
      expect(made.centre).toEqual({ x: 0, y: 0, loss, accuracy });
      expect(made.accuracy === undefined).toBe(own === values);
      trainer.destroy();
    }
  });

  it('leaves the training as it was, to the bit, also while it runs', async () => {
    const alone = await trained(normed, 0);
    const expected = losses(await collect(alone, { steps: 30 }));
    const trainer = await trained(normed, 0);
    const seen: number[] = [];
    const pending: Promise<unknown>[] = [];
    const path = await recordPath(trainer, { every: 4 });
    for await (const { loss } of path.run({ steps: 20 })) {
      seen.push(loss);
      if (seen.length === 6) pending.push(landscape(trainer, { plane: 'random', grid: 3 }));
    }
    await landscape(trainer, { plane: 'pca', grid: 3, path });
    seen.push(...losses(await collect(trainer, { steps: 10 })));
    await Promise.all(pending);
    expect(seen).toEqual(expected);
    expect(await trainer.readParameters()).toEqual(await alone.readParameters());
    expect(path.steps).toEqual([0, 4, 8, 12, 16, 20]);
    path.destroy();
    trainer.destroy();
    alone.destroy();
  });

  it('gives the same for a seed, another for another, and goes on after the trainer has gone', async () => {
    const trainer = await trained(plain, 5);
    const options = { plane: 'random', grid: 4 } as const;
    const [first, other] = [await landscape(trainer, options), await landscape(trainer, { ...options, seed: 1 })];
    let told = 0;
    const onProgress = (done: number) => {
      trainer.destroy();
      told = done;
    };
    const last = await landscape(trainer, { ...options, members: 2, onProgress });
    expect(last.loss).toEqual(first.loss);
    expect(told).toBe(17);
    expect(other.loss).not.toEqual(first.loss);
    await expect(landscape(trainer, options)).rejects.toMatchObject({ code: 'RUN-DESTROYED' });
  });

  it('takes samples from all over a data set, also from a source', async () => {
    const trainer = await trained(plain, 3);
    const { data: some } = await landscape(trainer, { plane: 'random', grid: 2, samples: 50 });
    const row = (from: typeof data, i: number) => [...from.x.subarray(12 * i, 12 * i + 12)];
    expect(row(some, 1)).toEqual(row(data, 3));
    expect(row(some, 49)).toEqual(row(data, 147));
    const read = (indices: Uint32Array) => ({
      x: Float32Array.from([...indices].flatMap((i) => row(data, i))),
      y: Uint8Array.from(indices, (i) => labels[i]!),
    });
    const streamed = source({ samples: 150, features: 12, classes: 4, read });
    const [a, b] = await Promise.all(
      [streamed, data].map((from) => landscape(trainer, { plane: 'random', grid: 3, samples: 50, data: from })),
    );
    expect(a!.loss).toEqual(b!.loss);
    trainer.destroy();
  });
});

describe('a line', () => {
  it('goes from one network to another, with the bits of both at its ends', async () => {
    const [start, end] = [await trained(plain, 0), await trained(plain, 40)];
    const from = await start.readParameters();
    const made = await landscape(end, { plane: 'line', from, grid: 5 });
    expect([...made.x]).toEqual([0, 0.25, 0.5, 0.75, 1]);
    expect([...made.y]).toEqual([0]);
    const [first, last] = [await start.evaluate(data), await end.evaluate(data)];
    expect(made.loss[0]).toBe(Math.fround(first.loss));
    expect(made.loss[4]).toBe(Math.fround(last.loss));
    expect(made.centre).toEqual({ x: 1, y: 0, loss: last.loss, accuracy: last.accuracy });
    // The same the other way round; within, f32 rounds two products and a sum.
    const back = await landscape(start, { plane: 'line', from: await end.readParameters(), to: from, grid: 5 });
    expect(back.loss[4]).toBe(made.loss[0]);
    expect(Math.abs(back.loss[1]! / made.loss[3]! - 1)).toBeLessThan(40 * 2 ** -24);
    const lossOf = await float64Loss(end, plain);
    const ends = await end.readParameters();
    const middle = tensorsOf(plain).map(({ name }) =>
      Float64Array.from(ends[name]!, (value, i) => (value + from[name]![i]!) / 2),
    );
    expect(Math.abs(made.loss[2]! / lossOf(middle) - 1)).toBeLessThan(40 * 2 ** -24);
    start.destroy();
    end.destroy();
  });
});

describe('a recorded path', () => {
  it('is drawn on the plane of its principal components', async () => {
    const trainer = await trained(plain, 0);
    const path = await recordPath(trainer, { every: 5 });
    for await (const _ of path.run({ steps: 40 }));
    const made = await landscape(trainer, { plane: 'pca', path, grid: 6 });
    expect(made.share![0]).toBeGreaterThan(made.share![1]);
    expect(made.share![0] + made.share![1]).toBeLessThanOrEqual(1);
    expect(made.norms.map((each) => Math.abs(each - 1))).toEqual([expect.closeTo(0, 6), expect.closeTo(0, 6)]);
    expect(made.path!.steps).toEqual([0, 5, 10, 15, 20, 25, 30, 35, 40]);
    expect(made.path!.x[8]).toBe(0);
    expect(made.path!.distance[8]).toBe(0);
    // All of it is within the picture.
    for (const axis of ['x', 'y'] as const) {
      expect(Math.min(...made.path![axis])).toBeGreaterThan(made[axis][0]!);
      expect(Math.max(...made.path![axis])).toBeLessThan(made[axis].at(-1)!);
    }
    // The same path as weights in host memory.
    const again = await landscape(trainer, { plane: 'pca', path: await path.read(), grid: 6 });
    expect(again.loss).toEqual(made.loss);
    expect(again.path).toEqual({ ...made.path, steps: undefined });
    // On the line from its start to its end.
    const line = await landscape(trainer, { plane: 'line', path, grid: 3 });
    expect(line.path!.x[0]).toBeCloseTo(0, 12);
    expect(line.path!.x[8]).toBeCloseTo(1, 12);
    expect(line.path!.distance[4]).toBeGreaterThan(0);
    path.destroy();
    trainer.destroy();
  });

  it('drops every second snapshot where there would be too many', async () => {
    const trainer = await trained(plain, 0);
    const path = await recordPath(trainer, { every: 1, most: 4 });
    for await (const _ of path.run({ steps: 11 }));
    expect(path.every).toBe(4);
    expect(path.steps).toEqual([0, 4, 8, 11]);
    const { length } = path.steps;
    await path.take();
    expect(path.steps).toHaveLength(length);
    trainer.destroy();
    await expect(path.take()).rejects.toMatchObject({ code: 'RUN-DESTROYED' });
    path.destroy();
    expect(path.bytes).toBe(0);
  });

  it('ends where validation stops the training', async () => {
    const validation = { data, every: { batches: 3 } };
    const earlyStopping = { patience: 1, mode: 'max' as const, restoreBest: false };
    const trainer = await trained(plain, 0, { validation, earlyStopping });
    const path = await recordPath(trainer, { every: 2 });
    let steps = 0;
    for await (const { step } of path.run({ steps: 60 })) steps = step;
    expect(trainer.stopped).toMatchObject({ step: steps });
    expect(path.steps.at(-1)).toBe(steps);
    path.destroy();
    trainer.destroy();
  });
});

describe('bad input', () => {
  it('is refused with a code, before any GPU work', async () => {
    const trainer = await trained(plain, 2);
    const weights = await trainer.readParameters();
    const path = await recordPath(trainer);
    const short = { ...weights, '0.bias': new Float32Array(3) };
    const cases: readonly [string, string, object][] = [
      ['no plane', 'OPTION-RANGE', { plane: 'plain' }],
      ['a grid of one', 'OPTION-RANGE', { plane: 'random', grid: 1 }],
      ['a grid that is none', 'OPTION-TYPE', { plane: 'random', grid: '25' }],
      ['a range that is none', 'OPTION-RANGE', { plane: 'random', range: Number.NaN }],
      ['a range backwards', 'OPTION-RANGE', { plane: 'random', range: [1, -1] }],
      ['half a range', 'OPTION-TYPE', { plane: 'random', range: { x: [0, 1] } }],
      ['more samples than there are', 'OPTION-RANGE', { plane: 'random', samples: 151 }],
      ['other data', 'SHAPE-MISMATCH', { plane: 'random', data: noise(10, 9, 4) }],
      ['too few snapshots', 'OPTION-RANGE', { plane: 'pca', path }],
      ['no path', 'OPTION-RANGE', { plane: 'pca' }],
      ['a path that does not move', 'OPTION-RANGE', { plane: 'pca', path: [weights, weights, weights] }],
      ['a path of another length', 'SHAPE-MISMATCH', { plane: 'pca', path: [weights, short, weights] }],
      ['a path that is none', 'OPTION-TYPE', { plane: 'pca', path: weights }],
      ['a line from nowhere', 'OPTION-RANGE', { plane: 'line' }],
      ['a line to where it begins', 'OPTION-RANGE', { plane: 'line', from: weights }],
      ['weights in one array', 'OPTION-TYPE', { plane: 'line', from: new Float32Array(8) }],
      ['weights of another model', 'SHAPE-MISMATCH', { plane: 'line', from: short }],
      ['an end of a plane', 'OPTION-RANGE', { plane: 'random', from: weights }],
      ['no best weights', 'OPTION-RANGE', { plane: 'random', weights: 'best' }],
      ['more members than a device takes', 'LIMIT-BINDING', { plane: 'random', members: 5000 }],
      ['a signal that is none', 'OPTION-TYPE', { plane: 'random', signal: true }],
      ['an unknown option', 'OPTION-UNKNOWN', { plane: 'random', gird: 4 }],
    ];
    for (const [what, code, options] of cases)
      await expect(landscape(trainer, options as LandscapeOptions), what).rejects.toMatchObject({ code });
    await expect(landscape({} as Trainer, { plane: 'random' })).rejects.toMatchObject({ code: 'OPTION-TYPE' });
    await expect(recordPath(trainer, { most: 201 })).rejects.toMatchObject({ code: 'OPTION-RANGE' });
    await expect(recordPath(trainer, { every: 0 })).rejects.toMatchObject({ code: 'OPTION-RANGE' });
    const stop = new AbortController();
    const onProgress = () => stop.abort(new Error('enough'));
    const cut = landscape(trainer, { plane: 'random', grid: 9, members: 2, signal: stop.signal, onProgress });
    await expect(cut).rejects.toThrow('enough');
    path.destroy();
    trainer.destroy();
    // Nothing to scale directions to.
    const zero = await trained(mlp({ sizes: [12, 4], init: 'zeros' }), 0);
    await expect(landscape(zero, { plane: 'random' })).rejects.toThrow(/All weights are 0/);
    zero.destroy();
  });
});

it('a lost device is told', async () => {
  const device = await requestDevice();
  const trainer = await createTrainer(device, { model: plain, rule: adam(), data, batchSize: 32 });
  const path = await recordPath(trainer);
  let told = 0;
  const onProgress = () => {
    told++;
    device.destroy();
  };
  const lost = landscape(trainer, { plane: 'random', grid: 9, members: 2, onProgress });
  await expect(lost).rejects.toMatchObject({ code: 'DEVICE-LOST' });
  expect(told).toBeLessThan(41);
  await expect(landscape(trainer, { plane: 'random', grid: 3 })).rejects.toMatchObject({ code: 'DEVICE-LOST' });
  await expect(path.read()).rejects.toMatchObject({ code: 'DEVICE-LOST' });
  path.destroy();
  trainer.destroy();
});
