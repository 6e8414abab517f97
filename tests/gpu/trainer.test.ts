import { afterEach, describe, expect, it } from 'vitest';
import { arrays } from '../../src/data/arrays.js';
import { batchOf } from '../../src/data/batching.js';
import { type Dataset, standardize, standardizeTargets, subset } from '../../src/data/index.js';
import { traitsOf } from '../../src/gpu/traits.js';
import { initialize } from '../../src/nn/init.js';
import { type Activation, type Mlp, mlp } from '../../src/nn/mlp.js';
import type { Rule } from '../../src/optim/rule.js';
import { adam, sgd } from '../../src/optim/rules.gen.js';
import { scale } from '../../src/optim/scale.js';
import { type ReferenceRule, referenceMlp, referenceRules, referenceState } from '../../src/reference/index.js';
import { createTrainer } from '../../src/train/trainer.js';
import type { Trainer, TrainerOptions } from '../../src/train/types.js';
import { seen } from '../support/data.js';
import { randomFloats, testDevice } from '../support/gpu.js';
import { collect, countCreations, losses, noise, replicasOf, someDigits } from '../support/train.js';

const LECTURE = [784, 100, 100, 100, 100, 10];
const made: Trainer[] = [];
/** Of the only output of a regression. */
const at = (targets: Dataset['targets'], what: 'scale' | 'shift') =>
  (targets as { [key in typeof what]?: number[] })[what]![0]!;

async function trainer(options: Partial<TrainerOptions> = {}) {
  const data = options.data ?? someDigits();
  const model = options.model ?? mlp({ sizes: LECTURE });
  const one = await createTrainer(await testDevice(), {
    model,
    rule: sgd({ lr: 0.05 }),
    submitMs: 500,
    ...options,
    data,
  });
  made.push(one);
  return one;
}

afterEach(() => {
  for (const one of made.splice(0)) one.destroy();
});

/** The same training in float64: same initial weights (as float32), same batches, same rule. */
function referenceLosses(model: Mlp, rule: Rule, data: Dataset, rows: number, seed: number, steps: number): number[] {
  const network = referenceMlp(model);
  const reference = (referenceRules as Readonly<Record<string, ReferenceRule>>)[rule.row.name]!;
  const parameters = initialize(model, seed).map((tensor) => Float64Array.from(tensor));
  const states = parameters.map((tensor) => referenceState(reference, tensor.length, rule.hyper));
  const plan = {
    samples: data.samples,
    rows,
    stepsPerEpoch: Math.ceil(data.samples / rows),
    sampling: 'shuffle' as const,
  };
  return Array.from({ length: steps }, (_, step) => {
    const { indices, valid } = batchOf(plan, seed, step);
    const picked = [...indices.subarray(0, valid)];
    const x = picked.flatMap((sample) => seen(data, sample));
    const { targets } = data;
    const width = model.output;
    const y = picked.flatMap((sample) =>
      targets.kind === 'classes'
        ? [targets.labels[sample]!]
        : [...targets.values.subarray(sample * width, (sample + 1) * width)],
    );
    const { loss, gradients } = network.lossAndGradients(parameters, x, y, valid);
    for (const [i, gradient] of gradients.entries())
      reference.update(parameters[i]!, gradient, states[i]!, step + 1, rule.hyper);
    return loss;
  });
}

const furthest = (actual: readonly number[], expected: readonly number[]) =>
  Math.max(...actual.map((value, i) => Math.abs(value / expected[i]! - 1)));

describe('a step of the lecture’s net', () => {
  it('is two dispatches on a CPU adapter with subgroups of 8', async () => {
    const { dispatches, passes, parameters } = (await trainer()).describe();
    expect(parameters).toBe(109_810);
    // With 4 lanes so large a net is faster layer by layer.
    if (traitsOf(await testDevice()).subgroup === 4) return expect(dispatches).toBe(18);
    expect(dispatches).toBe(2);
    expect(passes.map(({ label }) => label)).toEqual(['downhill:train/rows', 'downhill:train/weight-gradients+update']);
  });

  it('creates nothing after the first but one command encoder per submit', async () => {
    const device = await testDevice();
    const one = await trainer();
    await collect(one, { steps: 1 });
    const { counts, restore } = countCreations(device);
    let submits = 0;
    const submit = device.queue.submit.bind(device.queue);
    Object.defineProperty(device.queue, 'submit', {
      configurable: true,
      value: (buffers: GPUCommandBuffer[]) => {
        submits++;
        submit(buffers);
      },
    });
    try {
      await collect(one, { steps: 100 });
    } finally {
      restore();
      delete (device.queue as unknown as Record<string, unknown>).submit;
    }
    expect(counts).toEqual({ createCommandEncoder: submits });
    expect(submits).toBeLessThan(100);
  });

  it('compiles every pipeline once, whatever the number of trainers', async () => {
    const device = await testDevice();
    const options = { model: mlp({ sizes: [784, 17, 17, 17, 10], activation: 'silu' }), rule: adam() } as const;
    const first = countCreations(device);
    await trainer(options);
    first.restore();
    const again = countCreations(device);
    await trainer(options);
    again.restore();
    // Sizes are no constants: forward ×3 (first, hidden, last), input gradient, weight gradient ×2 (first, others), and at
    // most loss, advance, update and account; a net of other widths and another batch needs none of its own.
    expect(first.counts.createComputePipelineAsync).toBeGreaterThan(0); // those of relu were made by tests before
    expect(first.counts.createComputePipelineAsync).toBeLessThanOrEqual(10);
    const other = countCreations(device);
    await trainer({ ...options, model: mlp({ sizes: [784, 20, 19, 10], activation: 'silu' }), batchSize: 31 });
    other.restore();
    expect(other.counts.createComputePipelineAsync).toBeUndefined();
    expect(again.counts.createComputePipelineAsync).toBeUndefined();
    expect(again.counts.createShaderModule).toBeUndefined();
  });
});

describe('agreement with float64', () => {
  // Smooth activations only: a relu net leaves any tolerance as soon as one pre-activation crosses 0 (reliability note 1.7).
  it.each<[Activation, Rule]>([
    ['tanh', sgd({ lr: 0.05, momentum: 0.9 })],
    ['sigmoid', sgd({ lr: 0.1 })],
    ['gelu', sgd({ lr: 0.05 })],
    ['silu', sgd({ lr: 0.05 })],
    ['tanh', adam({ lr: 1e-3 })],
  ])('50 steps with %s agree to 1e-5', async (activation, rule) => {
    const init = activation === 'sigmoid' || activation === 'tanh' ? 'xavier-normal' : 'he-normal';
    const model = mlp({ sizes: LECTURE, activation, init });
    const actual = losses(await collect(await trainer({ model, rule, seed: 7 }), { steps: 50 }));
    expect(furthest(actual, referenceLosses(model, rule, someDigits(), 64, 7, 50))).toBeLessThan(1e-5);
  });

  it('holds for mean squared error, odd widths and a short last batch', async () => {
    const model = mlp({ sizes: [5, 7, 1, 3], activation: 'silu', loss: 'mse' });
    const data = arrays({ x: randomFloats(23 * 5, 51), y: randomFloats(23 * 3, 52), features: 5 });
    const rule = adam({ lr: 0.01 });
    const actual = losses(await collect(await trainer({ model, rule, data, batchSize: 10 }), { steps: 9 }));
    expect(furthest(actual, referenceLosses(model, rule, data, 10, 0, 9))).toBeLessThan(1e-5);
  });

  it('holds for batch 1 and width 1', async () => {
    const model = mlp({ sizes: [1, 1, 2], activation: 'tanh' });
    const data = noise(6, 1, 2);
    const rule = sgd({ lr: 0.3 });
    const actual = losses(await collect(await trainer({ model, rule, data, batchSize: 1 }), { steps: 12 }));
    expect(furthest(actual, referenceLosses(model, rule, data, 1, 0, 12))).toBeLessThan(1e-5);
  });

  it('shows a diverged network as NaN, and counts nothing as right', async () => {
    const data = noise(40, 9, 4);
    const one = await trainer({ model: mlp({ sizes: [9, 6, 4] }), data, rule: sgd({ lr: 1e38 }) });
    const values = losses(await collect(one, { steps: 6 }));
    expect(Number.isFinite(values.at(-1))).toBe(false);
    const { loss, accuracy } = await one.evaluate(data);
    expect(Number.isFinite(loss)).toBe(false);
    expect(accuracy).toBe(0);
  });

  it('evaluates what the reference evaluates', async () => {
    const data = noise(700, 9, 4);
    const model = mlp({ sizes: [9, 6, 4], activation: 'tanh' });
    const one = await trainer({ model, data, rule: adam({ lr: 0.01 }) });
    await collect(one, { steps: 5 });
    const { loss, accuracy, step } = await one.evaluate(data);
    const parameters = Object.values(await one.readParameters());
    const labels = data.targets.kind === 'classes' ? data.targets.labels : [];
    const network = referenceMlp(model);
    const expected = network.lossAndGradients(parameters, data.x, labels, 700);
    expect(step).toBe(5);
    expect(loss / expected.loss).toBeCloseTo(1, 5);
    expect(accuracy).toBe(network.accuracy(expected.outputs, labels, 700));
  });
});

describe('bits', () => {
  const model = mlp({ sizes: [784, 30, 20, 10] });

  it('are the same in two runs with one seed, and others with another', async () => {
    const run = async (seed: number) =>
      losses(await collect(await trainer({ model, rule: adam(), seed }), { steps: 40 }));
    const [a, b, c] = [await run(3), await run(3), await run(4)];
    expect(a).toEqual(b);
    expect(a).not.toEqual(c);
  });

  it('do not depend on how many steps go into a submit', async () => {
    const one = await trainer({ model, rule: adam(), submitMs: 1e-6 });
    const many = await trainer({ model, rule: adam(), submitMs: 1e6 });
    expect(losses(await collect(one, { steps: 40 }))).toEqual(losses(await collect(many, { steps: 40 })));
  });

  it('of two replicas are those of two separate runs', async () => {
    const replicas = [
      { seed: 11, rule: adam({ lr: 1e-3 }) as Rule },
      { seed: 12, rule: adam({ lr: 3e-3, weightDecay: 0.01 }) as Rule },
    ];
    const run = async (list: typeof replicas) => {
      const made = await replicasOf(await testDevice(), { model, data: someDigits(), rows: 48, replicas: list });
      const values = (await made.run(45)).map(({ loss }) => loss);
      const parameters = await Promise.all(list.map((_, replica) => made.program.readParameters(replica)));
      made.destroy();
      return { values, parameters };
    };
    const both = await run(replicas);
    for (const [i, replica] of replicas.entries()) {
      const alone = await run([replica]);
      expect(both.values.filter((_, at) => at % 2 === i)).toEqual(alone.values);
      expect(both.parameters[i]).toEqual(alone.parameters[0]);
    }
  });

  it('of an arena split where a limit asks stay within rounding of the whole one, one update per arena', async () => {
    const smooth = mlp({ sizes: [784, 30, 20, 10], activation: 'tanh' });
    const run = async (maxArenaBytes?: number) => {
      const made = await replicasOf(await testDevice(), {
        model: smooth,
        data: someDigits(),
        rows: 32,
        replicas: [
          { seed: 5, rule: adam() as Rule },
          { seed: 6, rule: adam() as Rule },
        ],
        ...(maxArenaBytes && { maxArenaBytes }),
      });
      const values = (await made.run(30)).map(({ loss }) => loss);
      const tensor = (await made.program.readParameters(1))['0.weight']!;
      const updates = made.program.describe().passes.filter(({ label }) => label.includes('update')).length;
      made.destroy();
      return { values, tensor, updates };
    };
    const whole = await run();
    // 784 x 30 weights of two replicas are 188 KB: pieces of 256 rows.
    const split = await run(65_536);
    expect(whole.updates).toBe(1);
    expect(split.updates).toBeGreaterThan(3);
    expect(furthest(split.values, whole.values)).toBeLessThan(1e-5);
    expect(split.tensor.length).toBe(784 * 30);
  });
});

describe('run', () => {
  it('delivers every loss once and in order, over several calls and sampling ways', async () => {
    for (const sampling of ['shuffle', 'replacement', 'full'] as const) {
      const one = await trainer({ model: mlp({ sizes: [9, 4] }), data: noise(50, 9, 4), sampling, submitMs: 3 });
      const reports = [
        ...(await collect(one, { steps: 300 })),
        ...(await collect(one, { epochs: 2 })),
        ...(await collect(one, { steps: 700 })),
      ];
      const total = 1000 + 2 * one.stepsPerEpoch;
      expect(reports.map(({ step }) => step)).toEqual(Array.from({ length: total }, (_, i) => i + 1));
      expect(reports.map(({ epoch }) => epoch)).toEqual(
        Array.from({ length: total }, (_, i) => Math.floor(i / one.stepsPerEpoch)),
      );
      expect(reports.every(({ loss, lr }) => Number.isFinite(loss) && lr === 0.05)).toBe(true);
      expect(one.step).toBe(total);
    }
  });

  it('counts a short last batch, or drops it', async () => {
    const data = noise(23, 3, 2);
    const model = mlp({ sizes: [3, 2] });
    expect((await trainer({ model, data, batchSize: 10 })).stepsPerEpoch).toBe(3);
    expect((await trainer({ model, data, batchSize: 10, dropLast: true })).stepsPerEpoch).toBe(2);
    expect((await trainer({ model, data, sampling: 'full' })).stepsPerEpoch).toBe(1);
  });

  it('sends at most two more submits when the consumer stops pulling, and goes on when it pulls again', async () => {
    const one = await trainer({ model: mlp({ sizes: [9, 4] }), data: noise(50, 9, 4), submitMs: 1e-6 });
    const run = one.run({ steps: 100 });
    await run.next();
    const atPull = one.step;
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(one.step).toBe(atPull);
    // With one step per submit: the one delivered and two more.
    expect(one.step).toBe(3);
    const rest: number[] = [];
    for await (const { step } of run) rest.push(step);
    expect(rest).toEqual(Array.from({ length: 99 }, (_, i) => i + 2));
  });

  it('never runs ahead of a slow consumer by more than two submits', async () => {
    const one = await trainer({ model: mlp({ sizes: [9, 4] }), data: noise(50, 9, 4), submitMs: 1e-6 });
    for await (const { step } of one.run({ steps: 40 })) {
      await new Promise((resolve) => setTimeout(resolve, 5));
      // One step per submit: the one in hand, and two that were not delivered yet.
      expect(one.step).toBeLessThanOrEqual(step + 2);
    }
  });

  it('rejects with RUN-DESTROYED when the trainer is destroyed under it', async () => {
    const one = await trainer({ model: mlp({ sizes: [9, 4] }), data: noise(50, 9, 4), submitMs: 1 });
    await expect(async () => {
      for await (const { step } of one.run({ steps: 1e6 })) if (step === 7) one.destroy();
    }).rejects.toMatchObject({ code: 'RUN-DESTROYED' });
  });

  it('ends cleanly on break, and another run goes on from there', async () => {
    const one = await trainer({ model: mlp({ sizes: [9, 4] }), data: noise(50, 9, 4), submitMs: 1 });
    for await (const { step } of one.run({ steps: 1000 })) if (step === 5) break;
    const reached = one.step;
    expect(reached).toBeLessThan(1000);
    const [next] = await collect(one, { steps: 1 });
    expect(next!.step).toBe(reached + 1);
  });

  it('stops on abort with the signal’s reason after delivering what was submitted', async () => {
    const one = await trainer({ model: mlp({ sizes: [9, 4] }), data: noise(50, 9, 4), submitMs: 1 });
    const abort = new AbortController();
    const steps: number[] = [];
    await expect(async () => {
      for await (const { step } of one.run({ steps: 1e6, signal: abort.signal })) {
        steps.push(step);
        if (step === 10) abort.abort();
      }
    }).rejects.toThrow(expect.objectContaining({ name: 'AbortError' }));
    expect(steps).toEqual(Array.from({ length: one.step }, (_, i) => i + 1));
    expect((await one.evaluate(noise(50, 9, 4))).step).toBe(one.step);
  });

  it('refuses a second run while one is pulled', async () => {
    const one = await trainer({ model: mlp({ sizes: [9, 4] }), data: noise(50, 9, 4) });
    const first = collect(one, { steps: 5 });
    await expect(collect(one, { steps: 1 })).rejects.toMatchObject({ code: 'RUN-BUSY' });
    expect(await first).toHaveLength(5);
    expect(await collect(one, { steps: 1 })).toHaveLength(1);
  });

  it('lets a run take the place of one that was dropped, and tells who pulls that one again', async () => {
    const options = { model: mlp({ sizes: [9, 4] }), data: noise(50, 9, 4) };
    const [one, other] = [await trainer(options), await trainer(options)];
    const expected = await collect(other, { steps: 9 });
    // The way to do one step that anybody tries first.
    for (let step = 0; step < 3; step++) expect((await one.run({ steps: 1 }).next()).value).toEqual(expected[step]);
    const left = one.run({ steps: 3 });
    expect((await left.next()).value).toEqual(expected[3]);
    // Also one that it has to wait for: its submits are under way.
    const until = async (end: number) => collect(one, { steps: end - one.step });
    const next = await until(9);
    expect(next).toEqual(expected.slice(9 - next.length));
    await expect(left.next()).rejects.toMatchObject({
      code: 'RUN-BUSY',
      message: expect.stringMatching(/took the place/),
    });
    const file = await one.checkpoint();
    const third = one.run({ steps: 2 });
    await third.next();
    await one.restore(file);
    await expect(third.next()).rejects.toMatchObject({ code: 'RUN-BUSY' });
    expect(one.step).toBe(9);
    const loop = async () => {
      for await (const { step } of one.run({ steps: 3 })) if (step === 10) await collect(one, { steps: 1 });
    };
    await expect(loop()).rejects.toMatchObject({ code: 'RUN-BUSY' });
    expect(await collect(one, { steps: 1 })).toHaveLength(1);
  });

  it('learns: the loss of the lecture’s net falls by half within 60 steps', async () => {
    const values = losses(await collect(await trainer({ rule: adam() }), { steps: 60 }));
    const mean = (list: number[]) => list.reduce((a, b) => a + b) / list.length;
    expect(mean(values.slice(-5))).toBeLessThan(0.5 * mean(values.slice(0, 5)));
  });
});

describe('groups, frozen tensors, accumulation, set', () => {
  const model = mlp({ sizes: [9, 7, 4], activation: 'tanh', init: 'xavier-normal' });
  const data = noise(50, 9, 4);

  it('take the group’s hyper-parameters for its tensors: decay leaves biases alone', async () => {
    // Momentum-free SGD, decoupled decay, no gradient to speak of: what is left is the decay.
    const rule = sgd({ lr: 1e-6, weightDecay: 1e4, decoupledWeightDecay: true });
    const options = { model: mlp({ sizes: [9, 7, 4], init: 'pytorch' }), data, rule, seed: 3 };
    const one = await trainer({ ...options, groups: [{ tensors: '*.bias', weightDecay: 0 }] });
    const before = await one.readParameters();
    await collect(one, { steps: 1 });
    const after = await one.readParameters();
    for (const [name, values] of Object.entries(after)) {
      const factor = name.endsWith('bias') ? 1 : 0.99;
      expect(
        furthest(
          [...values],
          [...before[name]!].map((value) => factor * value),
        ),
      ).toBeLessThan(2e-4);
    }
  });

  it('leave frozen tensors as they are, and train the rest as if alone', async () => {
    const one = await trainer({
      model,
      data,
      rule: adam(),
      groups: [{ tensors: ['0.weight', '0.bias'], frozen: true }],
    });
    await collect(one, { steps: 20 });
    const after = await one.readParameters();
    const start = initialize(model, 0);
    expect([after['0.weight'], after['0.bias']]).toEqual([start[0], start[1]]);
    expect(after['2.weight']).not.toEqual(start[2]);
    expect(Object.keys((await one.state()).tensors)).toEqual(['2.weight', '2.bias']);
  });

  it('refuse what fits no tensor, fits two groups, or leaves nothing to train', async () => {
    const refused = (groups: unknown) => trainer({ model, data, groups: groups as never });
    await expect(refused([{ tensors: '1.*' }])).rejects.toMatchObject({ code: 'OPTION-RANGE' });
    await expect(refused([{ tensors: '*.bias' }, { tensors: '0.*' }])).rejects.toMatchObject({ code: 'OPTION-RANGE' });
    await expect(refused([{ tensors: '*', frozen: true }])).rejects.toMatchObject({ code: 'OPTION-RANGE' });
    await expect(refused([{ tensors: '*.bias', lrr: 1 }])).rejects.toMatchObject({ code: 'HYPER-UNKNOWN' });
    await expect(refused([{ tensors: 3 }])).rejects.toMatchObject({ code: 'OPTION-TYPE' });
    await expect(refused('*.bias')).rejects.toMatchObject({ code: 'OPTION-TYPE' });
  });

  it('accumulates: four steps of 8 in the data’s order are one of 32', async () => {
    const rule = sgd({ lr: 0.1, momentum: 0.9 });
    const small = noise(32, 9, 4);
    const options = { model, data: small, rule, sampling: 'sequential' } as const;
    const four = await trainer({ ...options, batchSize: 8, accumulate: { steps: 4, reduce: 'mean' } });
    const one = await trainer({ ...options, batchSize: 32 });
    await collect(four, { steps: 40 });
    await collect(one, { steps: 10 });
    const [a, b] = [await four.readParameters(), await one.readParameters()];
    // The order of the sums differs: a few units in the last place, grown over ten updates.
    for (const [name, values] of Object.entries(a)) expect(furthest([...values], [...b[name]!])).toBeLessThan(2e-4);
    expect(await four.state()).toMatchObject({ step: 40, count: 10, micro: 0 });
  });

  it('set holds for the steps after it, of all groups or of some, and reports tell the rate that was used', async () => {
    const one = await trainer({ model, data, rule: sgd({ lr: 0.1 }), groups: [{ tensors: '2.*', lr: 0.01 }], seed: 5 });
    const first = await collect(one, { steps: 3 });
    one.set({ lr: scale(0.5) });
    const second = await collect(one, { steps: 3 });
    expect([...first, ...second].map(({ lr }) => lr)).toEqual([0.1, 0.1, 0.1, 0.05, 0.05, 0.05]);
    one.set({ lr: 0 }, ['2.weight', '2.bias']);
    const before = await one.readParameters();
    await collect(one, { steps: 1 });
    const after = await one.readParameters();
    expect(after['2.weight']).toEqual(before['2.weight']);
    expect(after['0.weight']).not.toEqual(before['0.weight']);
    expect(() => one.set({ lr: -1 })).toThrow(expect.objectContaining({ code: 'HYPER-RANGE' }));
    expect(() => one.set({ lr: 1 }, ['nobody'])).toThrow(expect.objectContaining({ code: 'OPTION-RANGE' }));
  });

  it('many replicas in groups have the bits of single runs; one record too many is refused', async () => {
    const tiny = mlp({ sizes: [3, 2] });
    const points = noise(8, 3, 2);
    const make = async (count: number) =>
      replicasOf(await testDevice(), {
        model: tiny,
        data: points,
        rows: 4,
        replicas: Array.from({ length: count }, (_, i) => ({ seed: i, rule: adam({ lr: 1e-3 * (1 + i) }) as Rule })),
        groups: [{ tensors: '*.bias', weightDecay: 0.1 }],
      });
    for (const count of [64, 512]) {
      const all = await make(count);
      const results = await all.run(6);
      for (const i of [0, 1, count - 1]) {
        const alone = await trainer({
          model: tiny,
          data: points,
          batchSize: 4,
          seed: i,
          rule: adam({ lr: 1e-3 * (1 + i) }),
          groups: [{ tensors: '*.bias', weightDecay: 0.1 }],
        });
        expect(results.filter((_, at) => at % count === i).map(({ loss }) => loss)).toEqual(
          losses(await collect(alone, { steps: 6 })),
        );
        expect(await all.program.readParameters(i)).toEqual(await alone.readParameters());
      }
      all.destroy();
    }
    await expect(make(513)).rejects.toMatchObject({ code: 'OPTION-RANGE', fix: expect.any(String) });
  });
});

describe('features scaled one by one', () => {
  it('train and predict as the same values scaled beforehand, bit for bit', async () => {
    const width = 5;
    const raw = Float32Array.from(
      randomFloats(60 * width, 3),
      (value, i) => value * 10 ** ((i % width) - 2) + (i % width),
    );
    const y = Float32Array.from({ length: 60 }, (_, i) => 100 + 30 * raw[width * i]! - raw[width * i + 2]!);
    const table = standardizeTargets(standardize(arrays({ x: raw, y, features: width })));
    const { targets } = table;
    const before = arrays({
      x: Float32Array.from(seen(table)),
      y: Float32Array.from(y, (value) => value * at(targets, 'scale') + at(targets, 'shift')),
      features: width,
    });
    const options = { model: mlp({ sizes: [width, 8, 1], loss: 'mse' }), batchSize: 16, seed: 5 };
    const [a, b] = [await trainer({ ...options, data: table }), await trainer({ ...options, data: before })];
    expect(losses(await collect(a, { steps: 12 }))).toEqual(losses(await collect(b, { steps: 12 })));
    expect((await a.evaluate(table)).loss).toBe((await b.evaluate(before)).loss);
    // Raw values go in, and come out: as float32 of the division in float64.
    const outputs = await b.predict(before);
    const expected = outputs.map((value) => (value - at(targets, 'shift')) / at(targets, 'scale'));
    expect(await a.predict(raw)).toEqual(expected);
    // Targets in other units, or scaling that is none, are refused.
    const unscaled = standardize(arrays({ x: raw, y, features: width }));
    await expect(a.evaluate(unscaled)).rejects.toMatchObject({ code: 'DATA-MISMATCH' });
    await expect(a.predict({ ...table, scale: [1, 2] })).rejects.toMatchObject({ code: 'DATA-MISMATCH' });
  });

  it('is of bytes, too', async () => {
    const x = Uint8Array.from({ length: 30 * 3 }, (_, i) => (i * 37) % 251);
    const bytes = standardize(arrays({ x, y: [...x.subarray(0, 30)].map((v) => v % 2), classes: 2 }), {
      by: 'feature',
    });
    const floats = { ...bytes, x: Float32Array.from(seen(bytes)), scale: 1, shift: 0 };
    const model = mlp({ sizes: [3, 4, 2] });
    const [a, b] = [await trainer({ model, data: bytes }), await trainer({ model, data: floats })];
    expect(losses(await collect(a, { steps: 4 }))).toEqual(losses(await collect(b, { steps: 4 })));
  });
});

describe('predict', () => {
  it('gives probabilities, of the float64 reference, for raw values and for samples', async () => {
    const model = mlp({ sizes: [9, 7, 4], activation: 'tanh' });
    const data = noise(1100, 9, 4); // three chunks
    const one = await trainer({ model, data, rule: adam(), batchSize: 50 });
    await collect(one, { steps: 5 });
    const found = await one.predict(data);
    expect(found).toHaveLength(4 * 1100);
    const parameters = Object.values(await one.readParameters()).map((tensor) => Float64Array.from(tensor));
    const logits = referenceMlp(model).forward(parameters, data.x, 1100).outputs;
    for (let sample = 0; sample < 1100; sample += 99) {
      const own = [...logits.subarray(4 * sample, 4 * sample + 4)];
      const powers = own.map((z) => Math.exp(z - Math.max(...own)));
      const sum = powers.reduce((a, b) => a + b);
      expect(
        furthest(
          [...found.subarray(4 * sample, 4 * sample + 4)],
          powers.map((p) => p / sum),
        ),
      ).toBeLessThan(1e-5);
    }
    expect(await one.predict((data.x as Float32Array).subarray(0, 18))).toEqual(found.subarray(0, 8));
    await expect(one.predict(new Float32Array(10))).rejects.toMatchObject({ code: 'DATA-MISMATCH' });
    await expect(one.predict(noise(5, 8, 4))).rejects.toMatchObject({ code: 'SHAPE-MISMATCH' });
    await expect(one.predict('x' as never)).rejects.toMatchObject({ code: 'OPTION-TYPE' });
  });

  it('evaluation uses the one copy of a data set on the GPU', async () => {
    const data = noise(300, 9, 4);
    const one = await trainer({ model: mlp({ sizes: [9, 4] }), data, rule: adam() });
    const device = await testDevice();
    const original = device.createBuffer.bind(device);
    const labels: string[] = [];
    Object.defineProperty(device, 'createBuffer', {
      configurable: true,
      value: (descriptor: GPUBufferDescriptor) => {
        labels.push(descriptor.label ?? '');
        return original(descriptor);
      },
    });
    await one.evaluate(data);
    await one.evaluate(noise(20, 9, 4));
    delete (device as unknown as Record<string, unknown>).createBuffer;
    expect(labels.filter((label) => /\/(data|targets)$/.test(label))).toHaveLength(2); // those of the other set
  });
});

describe('parameters', () => {
  it('are PyTorch’s tensors, dense, where their ranges say', async () => {
    const one = await trainer({ model: mlp({ sizes: [9, 5, 4] }), data: noise(50, 9, 4), seed: 2 });
    const ranges = one.parameters();
    expect(Object.keys(ranges)).toEqual(['0.weight', '0.bias', '2.weight', '2.bias']);
    expect(ranges['0.weight']).toMatchObject({ size: 180, shape: [9, 5], offset: 0 });
    expect(ranges['2.bias']).toMatchObject({ size: 16, shape: [4] });
    const values = await one.readParameters();
    expect(Object.values(values)).toEqual(initialize(mlp({ sizes: [9, 5, 4] }), 2));
  });
});

describe('batch', () => {
  it.each(['shuffle', 'replacement', 'sequential', 'full'] as const)(
    'says what a step looks at: %s',
    async (sampling) => {
      const data = noise(50, 8, 3);
      const settings = { model: mlp({ sizes: [8, 5, 3] }), data, sampling, seed: 5 };
      const rule = sgd({ lr: 0 }); // the weights stay, so the loss of a batch is that of its samples at any time
      const one = await trainer({ ...settings, rule, ...(sampling !== 'full' && { batchSize: 16 }) });
      const reports = await collect(one, { steps: 5 });
      for (const { step, epoch, loss } of reports) {
        const batch = one.batch(step - 1);
        expect(batch.epoch).toBe(epoch);
        const { loss: own } = await one.evaluate(subset(data, batch.samples));
        expect(Math.abs(own - loss)).toBeLessThan(1e-6); // the same losses of rows, summed in another order
      }
      expect(() => one.batch(-1)).toThrow(expect.objectContaining({ code: 'OPTION-RANGE' }));
    },
  );
});
