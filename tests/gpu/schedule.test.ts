import { afterEach, describe, expect, it } from 'vitest';
import { batchOf } from '../../src/data/batching.js';
import { initialize } from '../../src/nn/init.js';
import { mlp } from '../../src/nn/mlp.js';
import { hyperAt, type Rule } from '../../src/optim/rule.js';
import { adam, adamw, nadam, sgd } from '../../src/optim/rules.gen.js';
import { cosine, join, linear, plateau, warmup } from '../../src/optim/schedules.js';
import { type ReferenceRule, referenceMlp, referenceRules, referenceState } from '../../src/reference/index.js';
import { createTrainer } from '../../src/train/trainer.js';
import type { Trainer, TrainerOptions } from '../../src/train/types.js';
import { seen } from '../support/data.js';
import { testDevice } from '../support/gpu.js';
import { collect, losses, noise, replicasOf } from '../support/train.js';

const model = mlp({ sizes: [9, 7, 4], activation: 'tanh', init: 'xavier-normal' });
const data = noise(50, 9, 4);
const ROWS = 16;
const made: { destroy(): void }[] = [];

async function trainer(rule: Rule, options: Partial<TrainerOptions> = {}): Promise<Trainer> {
  const one = await createTrainer(await testDevice(), { model, rule, data, batchSize: ROWS, seed: 7, ...options });
  made.push(one);
  return one;
}

afterEach(() => {
  for (const one of made.splice(0)) one.destroy();
});

/** The same training in float64, its hyper-parameters those of `ruleAt` for each update. */
function reference(ruleAt: (count: number) => Rule, steps: number) {
  const network = referenceMlp(model);
  const oracle = (referenceRules as Readonly<Record<string, ReferenceRule>>)[ruleAt(0).row.name]!;
  const parameters = initialize(model, 7).map((tensor) => Float64Array.from(tensor));
  const states = parameters.map((tensor) => referenceState(oracle, tensor.length, hyperAt(ruleAt(0), 0)));
  const plan = { samples: 50, rows: ROWS, stepsPerEpoch: Math.ceil(50 / ROWS), sampling: 'shuffle' as const };
  const { targets } = data;
  if (targets.kind !== 'classes') throw new Error('classes expected');
  return Array.from({ length: steps }, (_, count) => {
    const { indices, valid } = batchOf(plan, 7, count);
    const picked = [...indices.subarray(0, valid)];
    const x = picked.flatMap((i) => seen(data, i));
    const y = picked.map((i) => targets.labels[i]!);
    const { loss, gradients } = network.lossAndGradients(parameters, x, y, valid);
    const values = hyperAt(ruleAt(count), count);
    for (const [i, gradient] of gradients.entries())
      oracle.update(parameters[i]!, gradient, states[i]!, count + 1, values);
    return loss;
  });
}

const furthest = (actual: readonly number[], expected: readonly number[]) =>
  Math.max(...actual.map((value, i) => Math.abs(value / expected[i]! - 1)));

describe('scheduled hyper-parameters', () => {
  const lr = warmup(cosine(0.1, { steps: 250 }), { steps: 50 });
  it.each<[string, Rule]>([
    ['sgd, rate and momentum', sgd({ lr, momentum: linear(0.5, { to: 0.95, steps: 300 }), weightDecay: 1e-3 })],
    [
      'adamw, rate, decay and first beta',
      adamw({
        lr: warmup(cosine(0.01, { steps: 250 }), { steps: 50 }),
        weightDecay: cosine(0.1, { steps: 300 }),
        betas: [join([0.8, 0.9], [100]), 0.999],
      }),
    ],
  ])('%s agree with float64 over 300 steps, more than a block of rows', async (_, rule) => {
    const reports = await collect(await trainer(rule), { steps: 300 });
    expect(
      furthest(
        losses(reports),
        reference(() => rule, 300),
      ),
    ).toBeLessThan(2e-5);
    const schedule = rule.hyper.lr as (count: number) => number;
    expect(reports.map((report) => report.lr)).toEqual(reports.map(({ step }) => schedule(step - 1)));
  });

  it('would not agree one update late', async () => {
    const late = (count: number) => lr(Math.max(count - 1, 0));
    const actual = losses(await collect(await trainer(sgd({ lr, momentum: 0.9 })), { steps: 100 }));
    expect(
      furthest(
        actual,
        reference(() => sgd({ lr, momentum: 0.9 }), 100),
      ),
    ).toBeLessThan(2e-5);
    expect(
      furthest(
        actual,
        reference(() => sgd({ lr: late, momentum: 0.9 }), 100),
      ),
    ).toBeGreaterThan(1e-3);
  });

  it('change nothing where they are constant: the same bits', async () => {
    const plain = losses(await collect(await trainer(adam({ lr: 0.01 })), { steps: 40 }));
    const scheduled = await trainer(adam({ lr: () => 0.01, betas: [() => 0.9, () => 0.999] }));
    expect(losses(await collect(scheduled, { steps: 40 }))).toEqual(plain);
  });
});

describe('a schedule without a good value at count 37', () => {
  const breaking = (then: () => number) => (count: number) => (count < 37 ? 0.05 : then());
  it.each<[string, () => number, string]>([
    ['NaN', () => Number.NaN, 'HYPER-RANGE'],
    ['out of range', () => -1, 'HYPER-RANGE'],
    ['no number', () => 'fast' as unknown as number, 'HYPER-TYPE'],
    ['an exception', () => JSON.parse('{'), 'HYPER-RANGE'],
  ])('%s: updates 0 to 36 happen and are reported, then run throws', async (_, then, code) => {
    const error = expect.objectContaining({ code, message: expect.stringContaining('lr at update 37') });
    const one = await trainer(sgd({ lr: breaking(then), momentum: 0.9 }), { submitMs: 500 });
    const seen: number[] = [];
    await expect(async () => {
      for await (const { loss } of one.run({ steps: 100 })) seen.push(loss);
    }).rejects.toEqual(error);

    const good = await trainer(sgd({ lr: 0.05, momentum: 0.9 }));
    expect(seen).toEqual(losses(await collect(good, { steps: 37 })));
    expect(one.step).toBe(37);
    expect(await one.readParameters()).toEqual(await good.readParameters());
    expect((await one.evaluate(data)).step).toBe(37);
    await expect(collect(one, { steps: 1 })).rejects.toEqual(error);
    expect(one.step).toBe(37);
  });

  it('at count 300 too, in the second block', async () => {
    const one = await trainer(sgd({ lr: (count) => (count < 300 ? 0.01 : Number.NaN) }));
    await expect(collect(one, { steps: 1000 })).rejects.toEqual(expect.objectContaining({ code: 'HYPER-RANGE' }));
    expect(one.step).toBe(300);
  });

  it('harms nobody who ends before it, and is asked again by the next run', async () => {
    let mended = false;
    const one = await trainer(sgd({ lr: breaking(() => (mended ? 0.05 : Number.NaN)) }));
    expect(await collect(one, { steps: 37 })).toHaveLength(37);
    await expect(collect(one, { steps: 1 })).rejects.toEqual(expect.objectContaining({ code: 'HYPER-RANGE' }));
    mended = true;
    expect((await collect(one, { steps: 5 })).map(({ step }) => step)).toEqual([38, 39, 40, 41, 42]);
  });

  it('at count 0 nothing is submitted', async () => {
    const one = await trainer(sgd({ lr: () => Number.NaN }));
    await expect(collect(one, { steps: 5 })).rejects.toEqual(
      expect.objectContaining({ message: expect.stringContaining('update 0') }),
    );
    expect(one.step).toBe(0);
  });
});

describe('plateau', () => {
  it('holds from the next submit on, though rows were written ahead', async () => {
    const lr = plateau(0.1, { factor: 0.25, patience: 0 });
    const one = await trainer(sgd({ lr, momentum: 0.9 }));
    const first = await collect(one, { steps: 20 });
    lr.report(1);
    lr.report(1);
    const second = await collect(one, { steps: 20 });
    expect([...first, ...second].map((report) => report.lr)).toEqual([
      ...Array(20).fill(0.1),
      ...Array(20).fill(0.025),
    ]);
    const ruleAt = (count: number) => sgd({ lr: count < 20 ? 0.1 : 0.025, momentum: 0.9 });
    expect(furthest(losses([...first, ...second]), reference(ruleAt, 40))).toBeLessThan(1e-5);
  });

  it('reports of every step the rate it used, also when the change comes in the middle of a run', async () => {
    const lr = plateau(0.1, { factor: 0.5, patience: 0 });
    const one = await trainer(sgd({ lr: warmup(lr, { steps: 5 }) }), { submitMs: 1 });
    const used: number[] = [];
    const seen: number[] = [];
    for await (const { step, loss, lr: now } of one.run({ steps: 600 })) {
      used.push(now);
      seen.push(loss);
      if (step === 20) {
        lr.report(1);
        lr.report(1);
      }
    }
    const change = used.findIndex((rate, i) => i > 5 && rate === 0.05);
    expect(change).toBeGreaterThanOrEqual(20);
    expect(change).toBeLessThan(600);
    expect(used.slice(5)).toEqual([...Array(change - 5).fill(0.1), ...Array(600 - change).fill(0.05)]);
    // The losses are those of just these rates.
    expect(
      furthest(
        seen,
        reference((count) => sgd({ lr: used[count]! }), 600),
      ),
    ).toBeLessThan(5e-5);
  });

  it('rewrites rows of a rule whose rows depend on those before, of both replicas', async () => {
    const beta = plateau(0.9, { factor: 0.5, patience: 0 });
    const rule = nadam({ lr: 0.01, betas: [beta, 0.999] });
    const replicas = [
      { seed: 7, rule: rule as Rule },
      { seed: 7, rule: nadam({ lr: 0.01 }) as Rule },
    ];
    const both = await replicasOf(await testDevice(), { model, data, rows: ROWS, replicas });
    made.push(both);
    const all: number[] = [];
    const run = async (end: number) => {
      all.push(...(await both.run(end)).map(({ loss }) => loss));
    };
    await run(2); // later the product of the betas would be too small to tell
    beta.report(1);
    beta.report(1);
    await run(30);
    // What a schedule that knows it beforehand gives, bit for bit.
    const known = nadam({ lr: 0.01, betas: [(count) => (count < 2 ? 0.9 : 0.45), 0.999] });
    const plain = nadam({ lr: 0.01 });
    const replica = (n: number) => all.filter((_, i) => i % 2 === n);
    expect(replica(0)).toEqual(losses(await collect(await trainer(known), { steps: 30 })));
    expect(replica(1)).toEqual(losses(await collect(await trainer(plain), { steps: 30 })));
  });
});
