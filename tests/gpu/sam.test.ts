import { afterEach, describe, expect, it } from 'vitest';
import { batchOf } from '../../src/data/batching.js';
import { initialize } from '../../src/nn/init.js';
import { linear, tanh } from '../../src/nn/layers.js';
import { sequential } from '../../src/nn/model.js';
import { ema } from '../../src/optim/averages.js';
import { createOptimizer } from '../../src/optim/optimizer.js';
import type { Rule } from '../../src/optim/rule.js';
import { sgd } from '../../src/optim/rules.gen.js';
import { lookahead, sam } from '../../src/optim/wrappers.js';
import { referenceNetwork, worst } from '../../src/reference/index.js';
import { readTensors } from '../../src/space/vectors.js';
import { createTrainer } from '../../src/train/trainer.js';
import type { Trainer, TrainerOptions } from '../../src/train/types.js';
import { testDevice } from '../support/gpu.js';
import { collect, losses, noise, replicasOf } from '../support/train.js';

/* SAM against float64: parameters after 1, 2, 3, 10 and 25 steps, the loss of every step; and what it leaves as it was. */

const [SAMPLES, FEATURES, ROWS] = [37, 130, 16];
// The first matrix has more elements than one workgroup takes.
const model = sequential({ input: FEATURES, layers: [linear(140), tanh(), linear(3)] });
const data = noise(SAMPLES, FEATURES, 3);
const { labels } = data.targets as { labels: Uint8Array };
const LR = 0.05;
const rule = sgd({ lr: LR }) as unknown as Rule;
const close: { destroy(): void }[] = [];
afterEach(() => {
  for (const each of close.splice(0)) each.destroy();
});
const at = (code: string, words = '') =>
  expect.objectContaining({ name: 'DownhillError', code, message: expect.stringContaining(words) });

/** SGD with SAM in float64: parameters after, and losses of, every step. @param frozen tensors that stay */
function reference(
  seed: number,
  steps: number,
  { rho, adaptive = false }: { rho: number; adaptive?: boolean },
  frozen: number[] = [],
) {
  const network = referenceNetwork(model);
  const parameters = initialize(model, seed).map((tensor) => Float64Array.from(tensor));
  const plan = { samples: SAMPLES, rows: ROWS, stepsPerEpoch: Math.ceil(SAMPLES / ROWS), sampling: 'shuffle' } as const;
  return Array.from({ length: steps }, (_, step) => {
    const { indices, valid } = batchOf(plan, seed, step);
    const picked = [...indices.subarray(0, valid)];
    const x = picked.flatMap((sample) => [...data.x.subarray(sample * FEATURES, (sample + 1) * FEATURES)]);
    const y = picked.map((sample) => labels[sample]!);
    const first = network.lossAndGradients(parameters, x, y, valid);
    const factor = (w: number) => (adaptive ? w * w : 1);
    let squares = 0;
    for (const [i, gradient] of first.gradients.entries()) {
      if (frozen.includes(i)) continue;
      for (const [j, g] of gradient.entries()) squares += g * g * factor(parameters[i]![j]!);
    }
    const scale = rho / (Math.sqrt(squares) + 1e-12);
    const uphill = parameters.map((tensor, i) =>
      tensor.map((w, j) => w + (frozen.includes(i) ? 0 : scale * factor(w) * first.gradients[i]![j]!)),
    );
    const second = network.lossAndGradients(uphill, x, y, valid);
    for (const [i, gradient] of second.gradients.entries()) {
      if (frozen.includes(i)) continue;
      for (const [j, g] of gradient.entries()) parameters[i]![j] = parameters[i]![j]! - LR * g;
    }
    return { loss: first.loss, parameters: parameters.map((tensor) => tensor.slice()) };
  });
}

async function trainer(more: Partial<TrainerOptions> = {}): Promise<Trainer> {
  const options = { model, rule, data, batchSize: ROWS, seed: 3, wrappers: [sam({ rho: 0.1 })] };
  const one = await createTrainer(await testDevice(), { ...options, ...more });
  close.push(one);
  return one;
}

describe('SAM', () => {
  it.each([
    ['plain', { rho: 0.1 }, []],
    ['adaptive', { rho: 1, adaptive: true }, []],
    ['with a frozen tensor', { rho: 0.5 }, [1]],
  ] as const)('agrees with float64: %s', async (_, settings, frozen) => {
    const groups = frozen.map((i) => ({ tensors: ['0.weight', '0.bias'][i]!, frozen: true }));
    const one = await trainer({ wrappers: [sam(settings)], groups });
    const expected = reference(3, 25, settings, [...frozen]);
    let step = 0;
    for (const to of [1, 2, 3, 10, 25]) {
      for (const { loss } of await collect(one, { steps: to - step })) {
        // As the gradients of tests/gpu/penalty.test.ts: 1e-5 of the largest, and the network's own rounding.
        expect(Math.abs(loss / expected[step]!.loss - 1), `loss ${step}`).toBeLessThan(1e-5);
        step++;
      }
      const seen = await one.readParameters();
      for (const [i, [name, values]] of Object.entries(seen).entries()) {
        const own = expected[to - 1]!.parameters[i]!;
        const largest = own.reduce((a, b) => Math.max(a, Math.abs(b)), 0);
        const found = worst(values, own, () => 1e-5 * largest);
        expect(found.ratio, JSON.stringify({ to, name, ...found })).toBeLessThanOrEqual(1);
      }
    }
  });

  it('leaves no trace in the parameters: a rate of 0 changes no bit, of any layout', async () => {
    const still = sgd({ lr: 0 }) as unknown as Rule;
    const one = await trainer({ rule: still });
    const before = await one.readParameters();
    await collect(one, { steps: 5 });
    expect(await one.readParameters()).toEqual(before);
  });

  it('takes the gradient twice, and is off without: the forms are those without it', async () => {
    const [one, plain] = [await trainer(), await trainer({ wrappers: [] })];
    const names = one.describe().passes.map(({ label }) => label.split('/')[1]!);
    const first = names.slice(0, names.indexOf('keep-loss'));
    expect(first.length).toBeGreaterThan(0);
    expect(names.slice(names.indexOf('sam-perturb') + 1, names.indexOf('sam-back'))).toEqual(first);
    const order = ['sam-norm', 'sam-perturb', 'sam-back', 'advance'].map((name) => names.indexOf(name));
    expect([...order].sort((a, b) => a - b)).toEqual(order);
    expect(losses(await collect(one, { steps: 1 }))[0]! / losses(await collect(plain, { steps: 1 }))[0]!).toBeCloseTo(
      1,
      5,
    );
    expect(await one.readParameters()).not.toEqual(await plain.readParameters());
  });

  it('goes with other wrappers, averages and micro-steps, and on from a checkpoint bit for bit', async () => {
    const more = { wrappers: [sam(), lookahead({ k: 2 })], average: ema({ decay: 0.9 }), accumulate: { steps: 2 } };
    const [one, other] = [await trainer(more), await trainer(more)];
    await collect(one, { steps: 5 });
    await other.restore(await one.checkpoint());
    expect(await collect(other, { steps: 5 })).toEqual(await collect(one, { steps: 5 }));
    expect(await other.readParameters()).toEqual(await one.readParameters());
    const rest = await trainer({ ...more, wrappers: [sam({ rho: 0.06 }), lookahead({ k: 2 })] });
    await expect(rest.restore(await one.checkpoint())).rejects.toThrow(at('CHECKPOINT-MISMATCH'));
  });

  it('gives replicas the bits of single networks, and arenas that are split the numbers of whole ones', async () => {
    const gpu = await testDevice();
    const members = [3, 8].map((seed) => ({ seed, rule }));
    const run = async (replicas: typeof members, more: object = {}) => {
      const optimizer = { wrappers: [sam({ rho: 0.1 })] };
      const {
        program,
        run: go,
        ...made
      } = await replicasOf(gpu, { model, data, rows: ROWS, replicas, optimizer, ...more });
      close.push(made);
      const results = await go(4);
      const each = replicas.map((_, i) => readTensors(gpu, 'test', program.space, [program.params], i));
      return { results, tensors: (await Promise.all(each)).map(([tensors]) => tensors!) };
    };
    const together = await run(members);
    for (const [i, member] of members.entries()) {
      const alone = await run([member]);
      expect(together.tensors[i]).toEqual(alone.tensors[0]);
      expect(together.results.filter((_, k) => k % 2 === i)).toEqual(alone.results);
    }
    const split = await run(members, { maxArenaBytes: 80_000 });
    for (const [i, tensors] of split.tensors.entries()) {
      for (const [name, values] of tensors) {
        const expected = Float64Array.from(together.tensors[i]!.get(name)!);
        expect(worst(values, expected, () => 1e-5).ratio, name).toBeLessThanOrEqual(1);
      }
    }
  });

  it('is refused by who has no gradient to ask for again, and where its numbers are none', async () => {
    const gpu = await testDevice();
    const [param, grad] = [0, 1].map(() => gpu.createBuffer({ size: 16, usage: 0x80 })) as [GPUBuffer, GPUBuffer];
    close.push(param, grad);
    const tensors = [{ name: 'w', shape: [4], param, grad }];
    await expect(createOptimizer(gpu, sgd(), tensors, { wrappers: [sam()] })).rejects.toThrow(
      at('OPTION-RANGE', 'sam'),
    );
    expect(() => sam({ rho: 0 })).toThrow(at('OPTION-RANGE', 'rho'));
    expect(() => sam({ adaptive: 1 as never })).toThrow(at('OPTION-TYPE', 'adaptive'));
  });
});
