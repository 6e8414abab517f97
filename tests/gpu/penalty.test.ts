import { afterEach, describe, expect, it } from 'vitest';
import { batchOf } from '../../src/data/batching.js';
import { initialize } from '../../src/nn/init.js';
import { linear, tanh } from '../../src/nn/layers.js';
import { sequential, tensorsOf } from '../../src/nn/model.js';
import { sgd } from '../../src/optim/rules.gen.js';
import { referenceNetwork, referencePenalty, worst } from '../../src/reference/index.js';
import { readTensors } from '../../src/space/vectors.js';
import { createTrainer } from '../../src/train/trainer.js';
import type { PenaltyOptions, TrainerOptions } from '../../src/train/types.js';
import { testDevice } from '../support/gpu.js';
import { collect, noise, replicasOf } from '../support/train.js';

/* Penalties in the loss against float64: the loss of every step, and every element of the gradient. */

const [SAMPLES, FEATURES, ROWS] = [37, 130, 16];
// The first matrix has more elements than one workgroup sums.
const model = sequential({ input: FEATURES, layers: [linear(140), tanh(), linear(3)] });
const data = noise(SAMPLES, FEATURES, 3);
const { labels } = data.targets as { labels: Uint8Array };
const rule = sgd({ lr: 0.05 });
const L1L2 = { l1: 2e-4, l2: 3e-3 };

const made: { destroy(): void }[] = [];
afterEach(() => {
  for (const each of made.splice(0)) each.destroy();
});

async function run(seeds: readonly number[], steps: number, penalty?: PenaltyOptions, maxArenaBytes?: number) {
  const gpu = await testDevice();
  const replicas = await replicasOf(gpu, {
    ...{ model, data, rows: ROWS, replicas: seeds.map((seed) => ({ seed, rule })) },
    ...(penalty && { penalty }),
    ...(maxArenaBytes && { maxArenaBytes }),
  });
  made.push(replicas);
  const results = await replicas.run(steps);
  const { space, updater, params } = replicas.program;
  const of = async (replica: number) => {
    const [gradients, parameters] = await readTensors(gpu, 'test', space, [updater.gradient, params], replica);
    const losses = results.filter((_, i) => i % seeds.length === replica).map(({ loss }) => loss);
    return { losses, gradients: [...gradients!.values()], parameters: [...parameters!.values()] };
  };
  const each = await Promise.all(seeds.map((_, replica) => of(replica)));
  return { each, passes: replicas.program.passes.map(({ label }) => label) };
}

/** Steps in float64: losses, and the gradients and penalties of the last one. */
function reference(seed: number, steps: number, penalised: (name: string) => boolean) {
  const network = referenceNetwork(model);
  const parameters = initialize(model, seed).map((tensor) => Float64Array.from(tensor));
  const names = tensorsOf(model).map(({ name }) => name);
  const losses: number[] = [];
  let gradients: Float64Array[] = [];
  for (let step = 0; step < steps; step++) {
    const plan = {
      samples: SAMPLES,
      rows: ROWS,
      stepsPerEpoch: Math.ceil(SAMPLES / ROWS),
      sampling: 'shuffle',
    } as const;
    const { indices, valid } = batchOf(plan, seed, step);
    const picked = [...indices.subarray(0, valid)];
    const x = picked.flatMap((sample) => [...data.x.subarray(sample * FEATURES, (sample + 1) * FEATURES)]);
    const y = picked.map((sample) => labels[sample]!);
    const pass = network.lossAndGradients(parameters, x, y, valid);
    const own = parameters.map((tensor, i) => (penalised(names[i]!) ? tensor : []));
    const penalty = referencePenalty(own, L1L2);
    losses.push(pass.loss + penalty.value);
    gradients = pass.gradients.map((gradient, i) => gradient.map((g, j) => g + (penalty.gradients[i]![j] ?? 0)));
    for (const [i, gradient] of gradients.entries())
      for (const [j, g] of gradient.entries()) parameters[i]![j]! -= 0.05 * g;
  }
  return { losses, gradients };
}

describe('a penalty in the loss', () => {
  it('is that of float64, of two replicas, with a short last batch', async () => {
    const { each, passes } = await run([3, 8], 4, L1L2);
    expect(passes.filter((label) => label.includes('penalty'))).toHaveLength(2);
    for (const [i, seed] of [3, 8].entries()) {
      const expected = reference(seed, 4, (name) => name.endsWith('weight'));
      // Sums of 18,620 numbers of one sign, 256 to a lane: below 512 roundings.
      for (const [step, loss] of each[i]!.losses.entries())
        expect(Math.abs(loss - expected.losses[step]!)).toBeLessThanOrEqual(512 * 2 ** -24 * expected.losses[step]!);
      for (const [k, gradient] of expected.gradients.entries()) {
        const largest = gradient.reduce((a, b) => Math.max(a, Math.abs(b)), 0);
        expect(worst(each[i]!.gradients[k]!, gradient, () => 1e-5 * largest).ratio).toBeLessThanOrEqual(1);
      }
    }
  });

  it('gives the bits of one run in two replicas, and takes arenas in parts', async () => {
    const { each } = await run([3, 8], 4, L1L2);
    const [alone] = (await run([8], 4, L1L2)).each;
    expect(alone).toEqual(each[1]);
    const split = await run([8], 4, L1L2, 65_536);
    expect(split.passes.filter((label) => label.includes('penalty')).length).toBeGreaterThan(2);
    expect(split.each[0]!.losses[0]).toBeCloseTo(alone!.losses[0]!, 5);
    expect(split.each[0]!.parameters.length).toBe(alone!.parameters.length);
  });

  it('takes the tensors named, and has no slope at 0', async () => {
    const { each } = await run([5], 2, { ...L1L2, tensors: ['*.bias', '2.weight'] });
    const expected = reference(5, 2, (name) => name !== '0.weight');
    // The biases are 0 at first: l1 would push them otherwise.
    for (const [k, gradient] of expected.gradients.entries()) {
      const largest = gradient.reduce((a, b) => Math.max(a, Math.abs(b)), 0);
      expect(worst(each[0]!.gradients[k]!, gradient, () => 1e-5 * largest).ratio).toBeLessThanOrEqual(1);
    }
  });

  it('costs nothing when it is off, and is no part of an evaluation', async () => {
    const gpu = await testDevice();
    const make = async (penalty?: PenaltyOptions, plan: TrainerOptions['plan'] = 'auto') => {
      const trainer = await createTrainer(gpu, {
        model,
        rule,
        data,
        seed: 1,
        batchSize: ROWS,
        plan,
        ...(penalty && { penalty }),
      });
      made.push(trainer);
      return trainer;
    };
    const [plain, off, on] = [await make(), await make({ l1: 0 }), await make({ l2: 0.1 })];
    expect(off.describe()).toEqual(plain.describe());
    // The update sees the gradient with the penalty's: it has a dispatch of its own, which it may not have without.
    const alone = { update: on.describe().choice.update! };
    const apart = await make(undefined, alone);
    expect(on.describe().dispatches).toBe(apart.describe().dispatches + 2);
    expect((await on.evaluate(data)).loss).toBe((await plain.evaluate(data)).loss);
    const [[first], [penalised]] = [await collect(plain, { steps: 1 }), await collect(on, { steps: 1 })];
    expect(penalised!.loss).toBeGreaterThan(first!.loss + 1);
  });

  it.each<[string, unknown, string]>([
    ['an unknown option', { l3: 1 }, 'OPTION-UNKNOWN'],
    ['a negative strength', { l2: -1 }, 'OPTION-RANGE'],
    ['a strength that is no number', { l1: '1' }, 'OPTION-TYPE'],
    ['tensors that are not there', { l1: 1, tensors: '3.*' }, 'OPTION-RANGE'],
    ['a number', 0.1, 'OPTION-TYPE'],
  ])('refuses %s', async (_, penalty, code) => {
    const options = { model, rule, data, penalty } as Parameters<typeof createTrainer>[1];
    await expect(createTrainer(await testDevice(), options)).rejects.toThrow(expect.objectContaining({ code }));
  });
});
