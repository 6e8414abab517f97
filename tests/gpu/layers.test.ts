import { afterEach, describe, expect, it } from 'vitest';
import { arrays } from '../../src/data/arrays.js';
import { batchOf } from '../../src/data/batching.js';
import type { Dataset } from '../../src/data/index.js';
import { initialize } from '../../src/nn/init.js';
import { batchNorm, dropout, layerNorm, linear, tanh } from '../../src/nn/layers.js';
import { type Model, sequential } from '../../src/nn/model.js';
import type { Rule } from '../../src/optim/rule.js';
import { adam } from '../../src/optim/rules.gen.js';
import { referenceNetwork, referenceRules, referenceState } from '../../src/reference/index.js';
import { createTrainer } from '../../src/train/trainer.js';
import type { Trainer, TrainerOptions } from '../../src/train/types.js';
import { testDevice } from '../support/gpu.js';
import { collect, losses, noise, replicasOf } from '../support/train.js';

/* Models with norms and dropout in a trainer: against float64, and to the bit against themselves. */

const made: Trainer[] = [];
async function trainer(options: Omit<TrainerOptions, 'rule'> & { readonly rule?: Rule }) {
  const one = await createTrainer(await testDevice(), { rule: adam({ lr: 0.01 }), submitMs: 500, ...options });
  made.push(one);
  return one;
}
afterEach(() => {
  for (const one of made.splice(0)) one.destroy();
});

const data = noise(52, 9, 4);
const ROWS = 10; // the last batch has 2 rows
const MODEL = sequential({
  input: 9,
  // A bias in front of a batch norm has no gradient but rounding, which Adam makes steps of.
  layers: [
    linear(12, { bias: false }),
    batchNorm(),
    tanh(),
    dropout({ p: 0.25 }),
    linear(7),
    layerNorm(),
    tanh(),
    linear(4),
  ],
  init: 'xavier-normal',
});

/** The same training in float64: same initial weights (as float32), batches and masks. */
function referenceTraining(model: Model, seed: number, steps: number, { x, targets }: Dataset = data) {
  const network = referenceNetwork(model);
  const [rule, { hyper }] = [referenceRules.adam, adam({ lr: 0.01 })];
  const parameters = initialize(model, seed).map((tensor) => Float64Array.from(tensor));
  const states = parameters.map((tensor) => referenceState(rule, tensor.length, hyper as never));
  const buffers = network.buffers();
  const plan = { samples: 52, rows: ROWS, stepsPerEpoch: 6, sampling: 'shuffle' as const };
  const values = Array.from({ length: steps }, (_, step) => {
    const { indices, valid } = batchOf(plan, seed, step);
    const picked = [...indices.subarray(0, valid)];
    const samples = picked.flatMap((sample) => [...x.subarray(sample * 9, (sample + 1) * 9)]);
    const labels = picked.map((sample) => (targets as { labels: Uint8Array }).labels[sample]!);
    const { loss, gradients } = network.lossAndGradients(parameters, samples, labels, valid, { seed, step, buffers });
    for (const [i, gradient] of gradients.entries())
      rule.update(parameters[i]!, gradient, states[i]!, step + 1, hyper as never);
    return loss;
  });
  return { network, values, parameters, buffers };
}

const furthest = (actual: ArrayLike<number>, expected: ArrayLike<number>) =>
  Math.max(...Array.from(expected, (value, i) => Math.abs(actual[i]! - value) / Math.max(1, Math.abs(value))));

it('50 steps with batch norm, layer norm and dropout agree with float64 to 1e-5, short batches too', async () => {
  const one = await trainer({ model: MODEL, data, batchSize: ROWS, seed: 3 });
  const actual = losses(await collect(one, { steps: 50 }));
  const { network, values, parameters, buffers } = referenceTraining(MODEL, 3, 50);
  expect(furthest(actual, values)).toBeLessThan(1e-5);
  // Evaluation drops nothing and takes the running statistics.
  const { labels } = data.targets as { labels: Uint8Array };
  const own = Object.values(await one.readParameters());
  for (const [i, tensor] of own.entries()) expect(furthest(tensor, parameters[i]!)).toBeLessThan(1e-4);
  const evaluation = await one.evaluate(data);
  const expected = network.lossAndGradients(own, data.x, labels, 52, { mode: 'evaluate', buffers });
  expect(Math.abs(evaluation.loss / expected.loss - 1)).toBeLessThan(1e-4);
});

it('two runs have the same bits, two replicas those of two runs, however steps are submitted', async () => {
  const run = async (seeds: readonly number[]) => {
    const replicas = seeds.map((seed) => ({ seed, rule: adam({ lr: 0.01 }) as Rule }));
    const all = await replicasOf(await testDevice(), { model: MODEL, data, rows: ROWS, replicas });
    const values = (await all.run(14)).map(({ loss }) => loss);
    const parameters = await Promise.all(seeds.map((_, i) => all.program.readParameters(i)));
    all.destroy();
    return { values, parameters };
  };
  const both = await run([5, 6]);
  expect((await run([5, 6])).values).toEqual(both.values);
  const alone = await trainer({ model: MODEL, data, batchSize: ROWS, seed: 6, submitMs: 1e-6 });
  expect(losses(await collect(alone, { steps: 14 }))).toEqual(both.values.filter((_, i) => i % 2 === 1));
  expect(await alone.readParameters()).toEqual(both.parameters[1]);
});

describe('batch norm', () => {
  it('refuses a training batch of one row before any GPU work', async () => {
    const refused = (options: Partial<TrainerOptions>) =>
      trainer({ model: MODEL, data: noise(31, 9, 4), ...options }).catch(({ code, message, fix }) => ({
        code,
        message,
        fix,
      }));
    expect(await refused({ batchSize: 1 })).toMatchObject({
      code: 'OPTION-RANGE',
      message: expect.stringContaining(
        'layers[1] (batch-norm) needs 2 rows in a training batch, but the batch size is 1',
      ),
      fix: expect.stringContaining('batchSize'),
    });
    expect(await refused({ batchSize: 10 })).toMatchObject({
      code: 'OPTION-RANGE',
      message: expect.stringContaining('the last batch of an epoch has 1: 31 samples in batches of 10'),
      fix: expect.stringContaining('dropLast: true'),
    });
    expect(await refused({ batchSize: 10, dropLast: true })).toHaveProperty('run');
    expect(await refused({ batchSize: 10, sampling: 'replacement' })).toHaveProperty('run');
    expect(await refused({ batchSize: 7 })).toHaveProperty('run');
  });

  it('keeps nothing of a batch that was left out', async () => {
    const { x, targets } = noise(30, 9, 4);
    const { labels } = targets as { labels: Uint8Array };
    const parts = (picked: readonly number[]) => ({
      ...arrays({
        x: Float32Array.from(picked.flatMap((part) => [...x.subarray(90 * part, 90 * (part + 1))])),
        y: Uint8Array.from(picked.flatMap((part) => [...labels.subarray(10 * part, 10 * (part + 1))])),
        classes: 4,
        features: 9,
      }),
    });
    const model = sequential({ input: 9, layers: [linear(5), batchNorm(), tanh(), linear(4)] });
    const options = { model, batchSize: 10, sampling: 'sequential' } as const;
    const whole = parts([0, 1, 2]);
    whole.x[95] = Number.POSITIVE_INFINITY;
    const skips = await trainer({ ...options, data: whole, skipNonFinite: true });
    const without = await trainer({ ...options, data: parts([0, 2]) });
    expect((await collect(skips, { steps: 3 })).map(({ skipped }) => skipped)).toEqual([undefined, true, undefined]);
    await collect(without, { steps: 2 });
    expect(await skips.predict(data)).toEqual(await without.predict(data));
  });

  it('evaluates and predicts a single sample', async () => {
    const one = await trainer({ model: MODEL, data, batchSize: ROWS });
    await collect(one, { steps: 3 });
    const all = await one.predict(data);
    expect(await one.predict((data.x as Float32Array).slice(0, 9))).toEqual(all.subarray(0, 4));
  });
});
