import { afterEach, describe, expect, it } from 'vitest';
import { batchOf } from '../../src/data/batching.js';
import { arrays, type Dataset } from '../../src/data/index.js';
import { initialize } from '../../src/nn/init.js';
import type { Layer } from '../../src/nn/layer.js';
import { batchNorm, dropout, linear, tanh } from '../../src/nn/layers.js';
import type { LossFunction } from '../../src/nn/loss.js';
import { binaryCrossEntropy, huber, l1, mse, softmaxCrossEntropy } from '../../src/nn/losses.js';
import { type Model, sequential } from '../../src/nn/model.js';
import type { Rule } from '../../src/optim/rule.js';
import { adam, sophia } from '../../src/optim/rules.gen.js';
import type { Updater } from '../../src/optim/updater.js';
import { sam } from '../../src/optim/wrappers.js';
import { referenceNetwork, referenceRules, referenceState, worst } from '../../src/reference/index.js';
import { readTensors } from '../../src/space/vectors.js';
import { createTrainer } from '../../src/train/trainer.js';
import type { Trainer, TrainerOptions } from '../../src/train/types.js';
import { randomFloats, testDevice } from '../support/gpu.js';
import { collect, losses, replicasOf } from '../support/train.js';

/* Sophia in a trainer, which draws labels on the GPU: whole trainings against float64; and that nothing else changes its bits. */

const [SAMPLES, FEATURES, OUTPUTS, ROWS, SEED] = [37, 9, 3, 16, 3];
const x = randomFloats(SAMPLES * FEATURES, 71);
const labels = Uint8Array.from({ length: SAMPLES }, (_, i) => (i * 5 + 3) % OUTPUTS);
const parts = Array.from(labels, (label, i) => [label === 1 ? 1 : 0, (i % 3) / 2, 0.125]);
/** So that a good part of the steps is clipped, and as many are not. */
const HYPER = { lr: 0.01, rho: 2, betas: [0.9, 0.8] as const, weightDecay: 0.05, updateInterval: 4 };
const rule = (more: object = {}) => sophia({ ...HYPER, ...more }) as unknown as Rule;
const net = (loss: LossFunction, middle: readonly Layer[] = [linear(12), tanh()]) =>
  sequential({ input: FEATURES, layers: [...middle, linear(OUTPUTS)], loss });
const model = net(softmaxCrossEntropy());
const data = arrays({ x, y: labels, classes: OUTPUTS });

const close: { destroy(): void }[] = [];
afterEach(() => {
  for (const each of close.splice(0)) each.destroy();
});
const at = (code: string, words = '') =>
  expect.objectContaining({ name: 'DownhillError', code, message: expect.stringContaining(words) });

async function trainer(more: Partial<TrainerOptions> = {}): Promise<Trainer> {
  const options = { model, rule: rule(), data, batchSize: ROWS, seed: SEED, ...more };
  const one = await createTrainer(await testDevice(), options);
  close.push(one);
  return one;
}

const pick = (from: ArrayLike<number>, width: number, samples: readonly number[]) =>
  samples.flatMap((sample) => Array.from({ length: width }, (_, j) => from[sample * width + j]!));

/** A training in float64: losses, parameters, and which share of the weights was not clipped. */
function reference(own: Model, { targets }: Dataset, steps: number) {
  const network = referenceNetwork(own, targets.kind);
  const parameters = initialize(own, SEED).map((tensor) => Float64Array.from(tensor));
  const states = parameters.map(({ length }) => referenceState(referenceRules.sophia, length));
  const buffers = network.buffers();
  const plan = { samples: SAMPLES, rows: ROWS, stepsPerEpoch: Math.ceil(SAMPLES / ROWS), sampling: 'shuffle' } as const;
  const hyper = { ...HYPER, batchSize: ROWS };
  const wanted: ArrayLike<number> = targets.kind === 'classes' ? targets.labels : targets.values;
  return Array.from({ length: steps }, (_, step) => {
    const { indices, valid } = batchOf(plan, SEED, step);
    const samples = [...indices.subarray(0, valid)];
    const batch = [pick(x, FEATURES, samples), pick(wanted, wanted.length / SAMPLES, samples), valid] as const;
    if (step % HYPER.updateInterval === 0) {
      const drawn = network.drawnGradients(parameters, ...batch, { seed: SEED, step, batch: ROWS });
      for (const [i, g] of drawn.entries()) referenceRules.sophia.curvature!(g, states[i]!, hyper);
    }
    const { loss, gradients } = network.lossAndGradients(parameters, ...batch, { seed: SEED, step, buffers });
    let [free, all] = [0, 0];
    for (const [i, g] of gradients.entries()) {
      referenceRules.sophia.update(parameters[i]!, g, states[i]!, step + 1, hyper);
      const { exp_avg: m, hessian: h } = states[i]!;
      for (const [j, each] of m!.entries()) free += Math.abs(each) < HYPER.rho * ROWS * h![j]! ? 1 : 0;
      all += g.length;
    }
    return { loss, parameters: parameters.map((each) => each.slice()), free: free / all };
  });
}

const CASES: readonly [string, Model, Dataset][] = [
  ['softmax cross-entropy', model, data],
  [
    'softmax cross-entropy with class weights and smoothing, behind batch norm and dropout',
    net(softmaxCrossEntropy({ classWeights: [0.5, 4, 2], labelSmoothing: 0.1 }), [
      // (A bias in front of batch norm has no gradient but of rounding, whose sign is the step.)
      linear(12, { bias: false }),
      batchNorm(),
      tanh(),
      dropout({ p: 0.25 }),
    ]),
    data,
  ],
  ['binary cross-entropy with weights', net(binaryCrossEntropy({ posWeight: [3, 1, 0.5] })), arrays({ x, y: parts })],
  ['mean squared error', net(mse()), arrays({ x, y: parts })],
];

describe('sophia in a trainer', () => {
  it.each(CASES)('agrees with float64 over 25 steps: %s', async (_, own, set) => {
    const one = await trainer({ model: own, data: set });
    const expected = reference(own, set, 25);
    const actual = losses(await collect(one, { steps: 25 }));
    for (const [step, loss] of actual.entries())
      expect(Math.abs(loss / expected[step]!.loss - 1), `loss ${step}`).toBeLessThan(2e-5);
    const seen = await one.readParameters();
    for (const [i, [name, values]] of Object.entries(seen).entries()) {
      const own64 = expected.at(-1)!.parameters[i]!;
      // As of SAM: 1e-5 of the largest for the network's gradients; a weight moves by up to 0.25 in all.
      const largest = own64.reduce((a, b) => Math.max(a, Math.abs(b)), 0.25);
      const found = worst(values, own64, () => 2e-5 * largest);
      expect(found.ratio, JSON.stringify({ name, ...found })).toBeLessThanOrEqual(1);
    }
    // Clipped and not: else half of the rule was not looked at.
    const free = expected.map((each) => each.free);
    expect(Math.max(...free), JSON.stringify(free)).toBeGreaterThan(0.2);
    expect(Math.min(...free), JSON.stringify(free)).toBeLessThan(0.8);
  });

  it('gives the same bits however many steps a submit has', async () => {
    const gpu = await testDevice();
    const run = async (most: number) => {
      const made = await replicasOf(gpu, { model, data, rows: ROWS, replicas: [{ seed: SEED, rule: rule() }] });
      close.push(made);
      const results: unknown[] = [];
      const { scheduler } = made.program;
      while (scheduler.step < 33)
        results.push(...(await scheduler.submit(Math.min(most, 33 - scheduler.step))!.results));
      const [tensors] = await readTensors(gpu, 'test', made.program.space, [made.program.params], 0);
      return { results, tensors };
    };
    const one = await run(1);
    expect(await run(4)).toEqual(one);
    expect(await run(16)).toEqual(one);
  });

  it('goes on from a checkpoint bit for bit, in the middle of an interval as well', async () => {
    const [one, other] = [await trainer(), await trainer()];
    for (const steps of [6, 2, 3]) {
      await collect(one, { steps });
      await other.restore(await one.checkpoint());
      expect(await collect(other, { steps: 5 })).toEqual(await collect(one, { steps: 5 }));
      expect(await other.readParameters()).toEqual(await one.readParameters());
    }
    // The interval is of the checkpoint, as all that `set` can change.
    one.set({ updateInterval: 2 } as never);
    await collect(one, { steps: 1 });
    await other.restore(await one.checkpoint());
    expect(await collect(other, { steps: 5 })).toEqual(await collect(one, { steps: 5 }));
    expect(await other.readParameters()).toEqual(await one.readParameters());
  });

  it('takes in curvature at the interval alone, and says what stands in front of these steps', async () => {
    const [one, plain] = [await trainer(), await trainer({ rule: adam() as unknown as Rule })];
    const { front, passes, dispatches } = one.describe();
    expect(plain.describe().front).toBeUndefined();
    expect(passes.map(({ label }) => label)).toEqual(plain.describe().passes.map(({ label }) => label));
    expect(dispatches).toBe(passes.length);
    const names = front!.map(({ label }) => label.split('/')[1]!);
    expect(names.at(-1)).toBe('curvature');
    expect(names.slice(0, -1).every((name) => name.startsWith('drawn-'))).toBe(true);
    const hessian = async () => {
      const { tensors } = await one.state();
      return Object.values(tensors).map((each) => each.hessian!);
    };
    const changes: number[] = [];
    for (let step = 0; step < 10; step++) {
      const before = await hessian();
      await collect(one, { steps: 1 });
      const after = await hessian();
      if (after.some((h, i) => h.some((each, j) => each !== before[i]![j]))) changes.push(step);
    }
    expect(changes).toEqual([0, 4, 8]);
  });

  it('gives replicas the bits of single networks, in arenas that are split as well', async () => {
    const gpu = await testDevice();
    const members = [3, 8].map((seed) => ({ seed, rule: rule() }));
    const run = async (replicas: typeof members, more: object = {}) => {
      const made = await replicasOf(gpu, { model, data, rows: ROWS, replicas, ...more });
      close.push(made);
      const results = await made.run(9);
      const { space, params } = made.program;
      const each = replicas.map((_, i) => readTensors(gpu, 'test', space, [params], i));
      return { results, tensors: (await Promise.all(each)).map(([tensors]) => tensors!) };
    };
    const together = await run(members);
    for (const [i, member] of members.entries()) {
      const alone = await run([member]);
      expect(together.tensors[i]).toEqual(alone.tensors[0]);
      expect(together.results.filter((_, k) => k % 2 === i)).toEqual(alone.results);
    }
    const split = await run(members, { maxArenaBytes: 1024 });
    for (const [i, tensors] of split.tensors.entries()) {
      for (const [name, values] of tensors) {
        const expected = Float64Array.from(together.tensors[i]!.get(name)!);
        expect(worst(values, expected, () => 1e-5).ratio, name).toBeLessThanOrEqual(1);
      }
    }
  });

  it('goes with micro-steps, SAM, clipping, mixup and penalties, and counts updates', async () => {
    const more = {
      accumulate: { steps: 2 },
      wrappers: [sam({ rho: 0.02 })],
      clip: { globalNorm: 0.5 },
      augment: { mixup: { alpha: 0.4 } },
      penalty: { l2: 1e-3 },
    } as const;
    const [one, other] = [await trainer(more), await trainer(more)];
    await collect(one, { steps: 11 });
    await other.restore(await one.checkpoint());
    expect(await collect(other, { steps: 9 })).toEqual(await collect(one, { steps: 9 }));
    expect(await other.readParameters()).toEqual(await one.readParameters());
  });

  it('changes no curvature by gradients that are no numbers', async () => {
    const broken = arrays({ x: x.map((each, i) => (i === 5 ? 1e39 : each)), y: labels, classes: OUTPUTS });
    const one = await trainer({ data: broken, sampling: 'full', batchSize: SAMPLES, skipNonFinite: { atMost: 3 } });
    await expect(collect(one, { steps: 9 })).rejects.toThrow(at('GRADIENT-NONFINITE'));
    const { tensors } = await one.state();
    const hessians = Object.entries(tensors).map(([name, each]) => [name, each.hessian!] as const);
    for (const [name, h] of hessians) {
      expect(h.every(Number.isFinite), name).toBe(true);
      // Of the feature that is infinite, and of no other.
      const still = [...h.keys()].filter((k) => h[k] === 0);
      expect(still, name).toEqual(name === '0.weight' ? Array.from({ length: 12 }, (_, j) => 5 * 12 + j) : []);
    }
  });

  it('leaves the curvature of a replica that came to its end, whoever goes on beside it', async () => {
    const gpu = await testDevice();
    // The first rate drives the weights away at once.
    const replicas = [{ lr: 0.5 }, { lr: 1e-3 }].map((each, i) => ({
      seed: 3 + i,
      rule: rule({ ...each, updateInterval: 1 }),
    }));
    const settings = { every: 4, metric: 'loss', mode: 'min', minDelta: 0, patience: 2, keepBest: false } as const;
    const validation = { data, settings: { ...settings, restoreBest: false } };
    const run = async (list: typeof replicas) => {
      const made = await replicasOf(gpu, { model, data, rows: ROWS, replicas: list, validation });
      close.push(made);
      await made.run(72);
      const { space, params, updater } = made.program;
      const vectors = [params, ...(updater as Updater).slots];
      const tensors = await Promise.all(list.map((_, i) => readTensors(gpu, 'test', space, vectors, i)));
      return { tensors, stops: list.map((_, i) => made.program.validation!.stoppedAt(i)) };
    };
    const both = await run(replicas);
    expect(both.stops[0]).toBeLessThan(72);
    expect(both.stops[1]).toBeUndefined();
    expect((await run(replicas.slice(0, 1))).tensors[0]).toEqual(both.tensors[0]);
  });

  it('profiles steps of both kinds', async () => {
    const one = await trainer();
    const { labels: found, dispatches } = await one.profile({ steps: 8 });
    const count = (name: string) => found.find(({ label }) => label.endsWith(`/${name}`))?.count;
    expect(count('curvature')).toBe(2);
    expect(dispatches).toBe(one.describe().dispatches);
    expect(found.find(({ label }) => label.endsWith('/curvature'))!.kernel).toBe('optim/curvature');
  });

  it.each<[string, Partial<TrainerOptions>, string, string]>([
    ['absolute errors', { model: net(l1()), data: arrays({ x, y: parts }) }, 'OPTION-RANGE', 'l1'],
    ['Huber’s loss', { model: net(huber()), data: arrays({ x, y: parts }) }, 'OPTION-RANGE', 'huber'],
    ['another batch size', { rule: rule({ batchSize: 480 }) }, 'OPTION-RANGE', 'batchSize is 480'],
    ['intervals of groups', { groups: [{ tensors: '*.bias', updateInterval: 5 }] }, 'OPTION-RANGE', '4 and 5'],
    ['an interval of 0', { groups: [{ tensors: '*', updateInterval: 0 }] }, 'HYPER-RANGE', 'updateInterval'],
  ])('refuses %s before any GPU work', async (_, options, code, words) => {
    await expect(trainer(options)).rejects.toThrow(at(code, words));
  });

  it('refuses to set intervals apart, and keeps what it had', async () => {
    const one = await trainer({ groups: [{ tensors: '*.bias', weightDecay: 0 }] });
    expect(() => one.set({ updateInterval: 3 } as never, ['0.bias', '2.bias'])).toThrow(at('OPTION-RANGE', '3'));
    one.set({ updateInterval: 3 } as never);
    await collect(one, { steps: 2 });
  });
});
