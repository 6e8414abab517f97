import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Dataset } from '../../src/data/dataset.js';
import { digits } from '../../src/data/index.js';
import { Uploads } from '../../src/data/upload.js';
import { initialize } from '../../src/nn/init.js';
import { batchNorm, dropout, linear, tanh } from '../../src/nn/layers.js';
import { mlp } from '../../src/nn/mlp.js';
import { sequential } from '../../src/nn/model.js';
import { ema } from '../../src/optim/averages.js';
import { lbfgs } from '../../src/optim/minimizers.gen.js';
import { createOptimizer } from '../../src/optim/optimizer.js';
import type { Rule } from '../../src/optim/rule.js';
import { adam } from '../../src/optim/rules.gen.js';
import { centralize } from '../../src/optim/wrappers.js';
import { referenceLbfgs, referenceNetwork } from '../../src/reference/index.js';
import { networkObjective } from '../../src/train/objective.js';
import { checkTrainerOptions } from '../../src/train/options.js';
import { Program } from '../../src/train/program.js';
import { createTrainer } from '../../src/train/trainer.js';
import type { Trainer, TrainerOptions } from '../../src/train/types.js';
import { testDevice } from '../support/gpu.js';
import { runOut } from '../support/lbfgs.js';
import { collect, losses, noise } from '../support/train.js';

/* L-BFGS in a trainer: networks, and all that a trainer can be asked. Problems: lbfgs.test.ts. */

const close: { destroy(): void }[] = [];
afterEach(() => {
  for (const each of close.splice(0)) each.destroy();
});
const at = (code: string, words = '') =>
  expect.objectContaining({ name: 'DownhillError', code, message: expect.stringContaining(words) });

const model = mlp({ sizes: [6, 5, 3], activation: 'tanh' });
let data: Dataset;
beforeAll(() => {
  data = noise(40, 6, 3);
});

async function trainerOf(options: Partial<TrainerOptions> = {}): Promise<Trainer> {
  const given = { model, rule: lbfgs(), data, sampling: 'full', ...options } as unknown as TrainerOptions;
  const trainer = await createTrainer(await testDevice(), given);
  close.push(trainer);
  return trainer;
}

it('takes at most 25 rounds to a gradient of 1e-5 on drawn digits', async () => {
  const deep = mlp({ sizes: [784, 32, 10], activation: 'tanh', init: 'xavier-normal' });
  const drawn = digits({ samples: 500, seed: 1 });
  const trainer = await trainerOf({ model: deep, data: drawn });
  const reports = await collect(trainer, { steps: 200 });
  expect(trainer.stopped).toEqual({ reason: 'gradient', step: reports.length });
  expect(reports.length).toBeLessThanOrEqual(25);
  const last = reports.at(-1)!.loss;
  expect(last).toBeLessThan(1e-4);
  // What is evaluated is the point it ended at.
  const { loss, accuracy } = await trainer.evaluate(drawn);
  expect(loss).toBeCloseTo(last, 6);
  expect(accuracy).toBe(1);
  expect(await collect(trainer, { steps: 10 })).toEqual([]);
});

it('goes the way of float64 at first', async () => {
  const trainer = await trainerOf();
  const reports = await collect(trainer, { steps: 10 });
  const network = referenceNetwork(model);
  const start = initialize(model, 0);
  const split = (x: Float64Array) => {
    let from = 0;
    return start.map(({ length }) => {
      from += length;
      return x.subarray(from - length, from);
    });
  };
  const { x, targets } = data;
  const labels = targets.kind === 'classes' ? targets.labels : [];
  const { rounds } = referenceLbfgs(
    (at) => {
      const { loss, gradients } = network.lossAndGradients(split(at), x, labels, 40);
      return { value: loss, gradient: gradients.flatMap((each) => [...each]) };
    },
    start.flatMap((values) => [...values]),
    { rounds: 10 },
  );
  for (const [i, { loss }] of reports.entries())
    expect(Math.abs(loss / rounds[i]!.value - 1)).toBeLessThan(1e-6 * 3 ** i);
});

describe('a trainer with lbfgs', () => {
  it('goes on from a checkpoint with the same bits, whatever the submits', async () => {
    const whole = await trainerOf();
    const all = losses(await collect(whole, { steps: 16 }));
    const first = await trainerOf();
    await collect(first, { steps: 7 });
    const bytes = await first.checkpoint();
    const second = await trainerOf({ rule: lbfgs({ lr: 0.5 }) as unknown as Rule });
    await collect(second, { steps: 3 });
    await second.restore(bytes);
    expect(losses(await collect(second, { steps: 9 }))).toEqual(all.slice(7));
    expect(await second.readParameters()).toEqual(await whole.readParameters());
    const other = await trainerOf({ rule: lbfgs({ history: 4 }) as unknown as Rule });
    await expect(other.restore(bytes)).rejects.toThrow(at('CHECKPOINT-MISMATCH', 'history'));
    const adams = await trainerOf({ rule: adam() as unknown as TrainerOptions['rule'] });
    await expect(adams.restore(bytes)).rejects.toThrow(at('CHECKPOINT-MISMATCH'));
    await expect(second.restore(await adams.checkpoint())).rejects.toThrow(at('CHECKPOINT-MISMATCH', 'adam'));
  });

  it('begins anew from imported weights', async () => {
    const one = await trainerOf();
    const there = losses(await collect(one, { steps: 8 })).at(-1);
    const weights = await one.checkpoint({ state: false });
    const two = await trainerOf();
    await collect(two, { steps: 5 });
    await two.importWeights(weights);
    const [again] = await collect(two, { steps: 1 });
    expect(again!.loss).toBe(there);
    expect((await two.state()).scalars!.pairs![0]).toBe(0);
    expect(await two.readParameters()).toEqual(await one.readParameters());
  });

  it('validates, stops early, and keeps the best', async () => {
    const other = noise(30, 6, 3);
    const trainer = await trainerOf({
      validation: { data: other, every: { epochs: 1 } },
      earlyStopping: { metric: 'loss', patience: 3, restoreBest: true },
    });
    const reports = await collect(trainer, { steps: 100 });
    expect(trainer.stopped?.reason).toBe('early-stopping');
    expect(reports.every(({ validation }) => validation !== undefined)).toBe(true);
    const best = trainer.best!;
    expect((await trainer.evaluate(other)).loss).toBeCloseTo(best.loss, 6);
    expect(reports.length).toBe(best.step + 3);
  });

  it('can be watched, set, and read', async () => {
    const trainer = await trainerOf();
    const [first] = await collect(trainer, { steps: 2, watch: { every: 1 } });
    expect(first!.watch).toBeDefined();
    expect(() => trainer.set({ trials: 2 } as never)).toThrow(at('OPTION-RANGE', 'trials'));
    expect(() => trainer.set({ lr: () => 1 } as never)).toThrow(at('HYPER-TYPE'));
    trainer.set({ toleranceGrad: 0.05 } as never);
    await collect(trainer, { steps: 200 });
    const { step } = trainer;
    expect(trainer.stopped).toEqual({ reason: 'gradient', step });
    // Asked for more, it goes on with what it knows.
    trainer.set({ toleranceGrad: 1e-3, lr: 0.9 } as never);
    expect(trainer.stopped).toBeUndefined();
    const [next] = await collect(trainer, { steps: 200 });
    expect(next!.lr).toBe(0.9);
    expect(trainer.step).toBeGreaterThan(step);
    expect(trainer.stopped?.reason).toBe('gradient');
    const state = await trainer.state();
    expect(state).toMatchObject({ rule: 'lbfgs', step: trainer.step });
    expect(Object.keys(state.tensors['0.weight']!)).toHaveLength(2 + 2 * 11);
    const { bytes, state: kept, dispatches } = trainer.describe();
    expect(bytes.state).toBeGreaterThan(20 * bytes.parameters);
    expect(kept).toEqual({ gradient: 'f32', direction: 'f32', s: 'f32', y: 'f32' });
    expect(dispatches).toBeLessThanOrEqual(7 + 1 + 3 * 2);
  });

  it('leaves what is frozen, and moves the rest', async () => {
    const trainer = await trainerOf({ groups: [{ tensors: '0.*', frozen: true }] });
    const before = await trainer.readParameters();
    const reports = await collect(trainer, { steps: 20 });
    const after = await trainer.readParameters();
    expect(after['0.weight']).toEqual(before['0.weight']);
    expect(after['0.bias']).toEqual(before['0.bias']);
    expect(after['1.weight'] ?? after['2.weight']).not.toEqual(before['1.weight'] ?? before['2.weight']);
    expect(reports.at(-1)!.loss).toBeLessThan(reports[0]!.loss);
  });

  it('goes through several arenas as through one', async () => {
    const gpu = await testDevice();
    const checked = checkTrainerOptions(gpu, {
      model,
      rule: lbfgs(),
      data,
      sampling: 'full',
    } as unknown as TrainerOptions);
    const programs: Program[] = [];
    for (const maxArenaBytes of [undefined, 11 * 4 * 64]) {
      const uploads = new Uploads(gpu, 'test');
      close.push(uploads);
      const objective = networkObjective({ ...checked, uploads });
      const own = {
        label: 'test',
        objective,
        validation: undefined,
        seeds: [0],
        ...(maxArenaBytes && { maxArenaBytes }),
      };
      const program = await Program.create(gpu, { ...checked, ...own });
      close.push(program);
      programs.push(program);
    }
    const [one, several] = programs as [Program, Program];
    expect([one, several].map(({ space }) => space.spans.length)).toEqual([1, 4]);
    const [a, b] = [await runOut(one, 20), await runOut(several, 20)];
    expect(b.map(({ loss }) => loss)).toEqual(a.map(({ loss }) => loss));
  });

  it('takes mini-batches where it is asked to, and says nothing of convergence', async () => {
    const many = digits({ samples: 400, seed: 2 });
    const small = mlp({ sizes: [784, 12, 10], activation: 'tanh' });
    const trainer = await trainerOf({
      ...{ model: small, data: many, sampling: 'shuffle', batchSize: 200 },
      rule: lbfgs({ stochastic: true, history: 5 }) as unknown as Rule,
    });
    const before = (await trainer.evaluate(many)).loss;
    const reports = await collect(trainer, { steps: 40 });
    expect(reports).toHaveLength(40);
    expect(trainer.stopped).toBeUndefined();
    expect((await trainer.evaluate(many)).loss).toBeLessThan(0.2 * before);
  });

  it('stops where the loss is no number, with the weights as before', async () => {
    const relus = mlp({ sizes: [6, 5, 3] });
    const x = new Float32Array(40 * 6).fill(3e38);
    const trainer = await trainerOf({ model: relus, data: { ...noise(40, 6, 3), x } as Dataset });
    const before = await trainer.readParameters();
    const reports = await collect(trainer, { steps: 10 });
    expect(reports).toHaveLength(1);
    expect(trainer.stopped).toEqual({ reason: 'nonfinite', step: 1 });
    expect(await trainer.readParameters()).toEqual(before);
  });

  it('reports a line search that finds nothing, with the weights as before', async () => {
    const trainer = await trainerOf({ rule: lbfgs({ lr: 1e30 }) as unknown as Rule });
    const before = await trainer.readParameters();
    const reports = await collect(trainer, { steps: 50 });
    expect(trainer.stopped).toEqual({ reason: 'linesearch', step: 5 });
    expect(reports.slice(1).every(({ skipped }) => skipped === true)).toBe(true);
    expect(await trainer.readParameters()).toEqual(before);
  });
});

describe('refuses', () => {
  it('mini-batches, with the reason', async () => {
    await expect(trainerOf({ sampling: 'shuffle' })).rejects.toThrow(at('OPTION-RANGE', 'mini-batches differ'));
  });

  it.each([
    ['clip', { clip: { globalNorm: 1 } }],
    ['skipNonFinite', { skipNonFinite: true }],
    ['accumulate', { accumulate: { steps: 2 } }],
    ['wrappers', { wrappers: [centralize()] }],
    ['average', { average: ema() }],
    ['augment', { augment: { mixup: { alpha: 0.2 } } }],
    ['state', { state: '8bit' }],
    ['groups', { groups: [{ tensors: '*.bias', lr: 0.5 }] }],
    ['frozen', { groups: [{ tensors: '*', frozen: true }] }],
  ] as [string, Partial<TrainerOptions>][])('%s', async (word, options) => {
    await expect(trainerOf(options)).rejects.toThrow(at('OPTION-RANGE', word));
  });

  it('layers whose loss is another one in each step', async () => {
    const of = (layer: ReturnType<typeof dropout> | ReturnType<typeof batchNorm>) =>
      sequential({ input: 6, layers: [linear(5), layer, tanh(), linear(3)] });
    await expect(trainerOf({ model: of(dropout()) })).rejects.toThrow(at('OPTION-RANGE', 'dropout'));
    await expect(trainerOf({ model: of(batchNorm()) })).rejects.toThrow(at('OPTION-RANGE', 'running_mean'));
  });

  it.each([
    ['history: 0', { history: 0 }, 'HYPER-RANGE'],
    ['history: 1000', { history: 1000 }, 'HYPER-RANGE'],
    ['trials: 0', { trials: 0 }, 'HYPER-RANGE'],
    ['trials: 9', { trials: 9 }, 'HYPER-RANGE'],
    ['trials: 1.5', { trials: 1.5 }, 'HYPER-RANGE'],
    ['lr: 0', { lr: 0 }, 'HYPER-RANGE'],
    ['lr as a schedule', { lr: () => 1 }, 'HYPER-TYPE'],
    ['another search', { lineSearch: 'wolfe' }, 'HYPER-RANGE'],
    ["PyTorch's name in snake case", { history_size: 5 }, 'HYPER-UNKNOWN'],
  ])('%s', (_, options, code) => {
    expect(() => lbfgs(options as never)).toThrow(at(code));
  });

  it('a single gradient, as createOptimizer has it', async () => {
    const gpu = await testDevice();
    const buffer = gpu.createBuffer({ size: 256, usage: 0x80 });
    close.push(buffer);
    const tensor = { name: 'w', shape: [4], param: buffer, grad: buffer };
    await expect(createOptimizer(gpu, lbfgs() as unknown as Rule, [tensor as never])).rejects.toThrow(
      at('OPTION-RANGE', 'createMinimizer'),
    );
  });
});
