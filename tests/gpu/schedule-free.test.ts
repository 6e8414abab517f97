import { afterEach, describe, expect, it } from 'vitest';
import { mlp } from '../../src/nn/mlp.js';
import { ema } from '../../src/optim/averages.js';
import { createOptimizer } from '../../src/optim/optimizer.js';
import { type Rule, resolveRule } from '../../src/optim/rule.js';
import { rules, sgd } from '../../src/optim/rules.gen.js';
import { Path, type ReferenceRule, referenceRules, referenceState, worst } from '../../src/reference/index.js';
import { evaluated } from '../../src/reference/schedule-free.js';
import { readTensors } from '../../src/space/vectors.js';
import { createTrainer } from '../../src/train/trainer.js';
import type { Trainer, TrainerOptions } from '../../src/train/types.js';
import { randomFloats, readFloats, testDevice } from '../support/gpu.js';
import { collect, losses, noise, replicasOf } from '../support/train.js';

/*
 * What is evaluated of schedule-free rules, x = y + (1 - 1/beta)·(z - y), on the caller's memory and in a trainer. The rules
 * themselves, y and its state, are in the matrix of update.test.ts.
 */

const NAMES = ['scheduleFreeSgd', 'scheduleFreeAdamw'] as const;
const beta = {
  scheduleFreeSgd: (b: number) => ({ momentum: b }),
  scheduleFreeAdamw: (b: number) => ({ betas: [b, 0.999] }),
};
const close: { destroy(): void }[] = [];
afterEach(() => {
  for (const each of close.splice(0)) each.destroy();
});
const at = (code: string, words = '') =>
  expect.objectContaining({ name: 'DownhillError', code, message: expect.stringContaining(words) });

const STEPS = [1, 2, 3, 10, 25];
/** Not where bindings may start; the second has a group of its own, the third is frozen. */
const LENGTHS = [7, 300, 5, 20_000];
const LEAD = 3;
const CANARY = 12345.5;

/** An optimizer on buffers of a caller, whose tensors follow one another. */
async function foreign(name: (typeof NAMES)[number], settings: Record<string, unknown>) {
  const gpu = await testDevice();
  const total = LEAD + LENGTHS.reduce((sum, length) => sum + length, 0) + 5;
  const buffer = () => {
    const made = gpu.createBuffer({ size: 4 * total, usage: 0x80 | 0x04 | 0x08 });
    close.push(made);
    gpu.queue.writeBuffer(made, 0, new Float32Array(total).fill(CANARY));
    return made;
  };
  const [param, grad] = [buffer(), buffer()];
  let offset = LEAD;
  const tensors = LENGTHS.map((length, i) => {
    const own = { name: `t${i}`, shape: [length], begin: offset, param: { buffer: param, offset: 4 * offset } };
    offset += length;
    const group = i === 1 ? { lr: 0.01, ...beta[name](0.5) } : {};
    return { ...own, grad: { buffer: grad, offset: own.param.offset }, frozen: i === 2, group };
  });
  const start = randomFloats(total - LEAD - 5, 5);
  gpu.queue.writeBuffer(param, 4 * LEAD, start);
  const rule = resolveRule(rules, name, settings);
  const optimizer = await createOptimizer(
    gpu,
    rule,
    tensors.map(({ begin: _, ...tensor }) => tensor as never),
  );
  close.push(optimizer);
  const submit = (record: (encoder: GPUCommandEncoder) => void) => {
    const encoder = gpu.createCommandEncoder();
    record(encoder);
    gpu.queue.submit([encoder.finish()]);
  };
  const gradient = (step: number) => randomFloats(start.length, 100 + step);
  return {
    ...{ gpu, optimizer, tensors, start, submit, gradient, rule },
    step(step: number) {
      gpu.queue.writeBuffer(grad, 4 * LEAD, gradient(step));
      submit((encoder) => optimizer.step(encoder));
    },
    all: () => readFloats(gpu, { buffer: param, offset: 0, size: 4 * total }),
  };
}

const bits = (values: Float32Array) => new Uint32Array(values.slice().buffer);

describe.each(NAMES)('%s on the caller’s buffers', (name) => {
  it('puts x into them and y back, bit for bit, and x agrees with float64', async () => {
    const settings = { weightDecay: 0.05, warmupSteps: 4, r: 1 };
    const { optimizer, tensors, start, submit, gradient, step, all, rule } = await foreign(name, settings);
    const oracle = (referenceRules as unknown as Record<string, ReferenceRule>)[name]!;
    const parts = tensors.map(({ begin, shape, group }) => {
      const [from, length] = [begin - LEAD, shape[0]!];
      const param = Float64Array.from(start.subarray(from, from + length));
      const hyper = { ...rule.hyper, ...group } as never;
      const state = referenceState(oracle, length, hyper);
      return { from, length, param, hyper, state, path: new Path(param), xPath: new Path(param) };
    });
    for (let count = 1; count <= Math.max(...STEPS); count++) {
      step(count);
      for (const [i, part] of parts.entries()) {
        if (i === 2) continue;
        const { from, length, param, hyper, state, path, xPath } = part;
        oracle.update(param, Float64Array.from(gradient(count).subarray(from, from + length)), state, count, hyper);
        path.advance(param);
        const own =
          (hyper as { momentum?: number; betas?: number[] }).momentum ?? (hyper as { betas: number[] }).betas[0]!;
        xPath.advance(param.map((y, k) => evaluated(y, state.z![k]!, own)));
      }
      if (!STEPS.includes(count)) continue;
      const before = await all();
      submit((encoder) => optimizer.eval(encoder));
      const during = await all();
      submit((encoder) => optimizer.train(encoder));
      expect(bits(await all())).toEqual(bits(before));
      for (const [i, { from, length, param, hyper, state, path, xPath }] of parts.entries()) {
        const seen = during.subarray(LEAD + from, LEAD + from + length);
        if (i === 2) {
          expect(seen).toEqual(start.subarray(from, from + length));
          continue;
        }
        const own =
          (hyper as { momentum?: number; betas?: number[] }).momentum ?? (hyper as { betas: number[] }).betas[0]!;
        const expected = param.map((y, k) => evaluated(y, state.z![k]!, own));
        // The errors of y and z as the rule has them, and those of z - y times 1/beta - 1, at most 1: three such limits.
        const limit = (k: number) => 3 * (path.limit(k, count) + xPath.limit(k, count));
        const found = worst(seen, expected, limit);
        expect(found.ratio, JSON.stringify({ count, i, ...found })).toBeLessThanOrEqual(1);
      }
      // What is no tensor's stays.
      for (const k of [0, 1, 2, ...[5, 4, 3, 2, 1].map((back) => during.length - back)]) expect(during[k]).toBe(CANARY);
    }
  });

  it('before the first update x is the parameter; twice is as once; steps are refused in between', async () => {
    const { optimizer, submit, step, all } = await foreign(name, {});
    const before = await all();
    submit((encoder) => optimizer.train(encoder));
    submit((encoder) => optimizer.eval(encoder));
    expect(bits(await all())).toEqual(bits(before));
    submit((encoder) => {
      const pass = encoder.beginComputePass();
      optimizer.train(pass);
      pass.end();
    });
    step(1);
    step(2);
    const trained = await all();
    const state = await optimizer.state();
    submit((encoder) => {
      optimizer.eval(encoder);
      optimizer.eval(encoder);
      expect(() => optimizer.step(encoder)).toThrow(at('RUN-BUSY', 'step'));
    });
    expect(() => optimizer.load(state)).toThrow(at('RUN-BUSY', 'load'));
    expect(await optimizer.state()).toEqual(state);
    const x = await all();
    expect(bits(x)).not.toEqual(bits(trained));
    submit((encoder) => optimizer.train(encoder));
    submit((encoder) => optimizer.train(encoder));
    expect(bits(await all())).toEqual(bits(trained));
    expect(() => optimizer.eval({} as never)).toThrow(at('OPTION-TYPE', 'eval'));
  });

  it('goes by the hyper-parameters as they are set', async () => {
    const [one, other] = [await foreign(name, beta[name](0.9)), await foreign(name, beta[name](0.8))];
    for (const each of [one, other]) each.optimizer.set({ lr: 0.01, ...beta[name](0.8) } as never);
    for (const each of [one, other]) for (const step of [1, 2, 3]) each.step(step);
    for (const each of [one, other]) each.submit((encoder) => each.optimizer.eval(encoder));
    expect(bits(await one.all())).toEqual(bits(await other.all()));
  });
});

it('refuses a beta that is no number above 0', () => {
  expect(() => resolveRule(rules, 'scheduleFreeSgd', { momentum: () => 0.9 })).toThrow(at('HYPER-TYPE', 'momentum'));
  expect(() => resolveRule(rules, 'scheduleFreeSgd', { momentum: 0 })).toThrow(at('HYPER-RANGE', 'momentum'));
  expect(() => resolveRule(rules, 'scheduleFreeAdamw', { betas: [0, 0.9] })).toThrow(at('HYPER-RANGE', 'betas[0]'));
});

it('of other rules there is nothing to put anywhere', async () => {
  const gpu = await testDevice();
  const buffer = gpu.createBuffer({ size: 16, usage: 0x80 | 0x04 | 0x08 });
  const grad = gpu.createBuffer({ size: 16, usage: 0x80 });
  const optimizer = await createOptimizer(gpu, sgd({ lr: 1 }), [{ name: 'w', shape: [4], param: buffer, grad }]);
  close.push(buffer, grad, optimizer);
  const encoder = gpu.createCommandEncoder();
  optimizer.eval(encoder);
  optimizer.step(encoder);
  optimizer.train(encoder);
});

describe.each(NAMES)('a trainer with %s', (name) => {
  const model = mlp({ sizes: [5, 7, 3] });
  const data = noise(37, 5, 3);
  const rule = () => resolveRule(rules, name, { lr: 0.05, warmupSteps: 3, weightDecay: 0.01 });
  async function trainer(more: Partial<TrainerOptions> = {}): Promise<Trainer> {
    const options = { model, rule: rule() as Rule, data, batchSize: 8, seed: 3, ...more };
    const one = await createTrainer(await testDevice(), options);
    close.push(one);
    return one;
  }

  it('evaluates, validates, predicts and saves x, and trains y', async () => {
    const one = await trainer({ validation: { data, every: { batches: 6 }, keepBest: true } });
    const initial = await one.readParameters({ weights: 'current' });
    expect(await one.readParameters()).toEqual(initial);
    const reports = await collect(one, { steps: 12 });
    const [x, y] = [await one.readParameters(), await one.readParameters({ weights: 'current' })];
    const { tensors } = await one.state();
    for (const [tensor, values] of Object.entries(y)) {
      const z = tensors[tensor]!.z!;
      const expected = Float64Array.from(values, (each, k) => evaluated(each, z[k]!, 0.9));
      // Two roundings of a ninth of z - y, and one of x.
      const limit = (k: number) => 2 ** -24 * (3 * Math.abs(values[k]!) + Math.abs(z[k]!));
      expect(worst(x[tensor]!, expected, limit).ratio).toBeLessThanOrEqual(1);
    }
    expect(x).not.toEqual(y);
    // Another trainer whose weights are x.
    const other = await trainer({ rule: sgd({ lr: 0.1 }) as unknown as Rule });
    await other.importWeights(await one.checkpoint({ state: false }));
    expect(await other.readParameters()).toEqual(x);
    const { loss, accuracy } = await other.evaluate(data);
    expect(await one.evaluate(data)).toEqual({ step: 12, loss, accuracy });
    expect(reports.at(-1)!.validation).toMatchObject({ loss });
    expect(await one.predict(data)).toEqual(await other.predict(data));
    expect((await one.evaluate(data, { weights: 'current' })).loss).not.toBe(loss);
    // Looking at x changes nothing.
    const plain = await trainer();
    expect(losses(await collect(plain, { steps: 12 }))).toEqual(losses(reports));
    expect(await plain.readParameters({ weights: 'current' })).toEqual(y);
  });

  it('goes on from a checkpoint bit for bit, and starts x and z anew where weights are imported', async () => {
    const [one, other] = [await trainer(), await trainer()];
    await collect(one, { steps: 5 });
    await collect(other, { steps: 2 });
    await other.restore(await one.checkpoint());
    expect(await other.readParameters()).toEqual(await one.readParameters());
    expect(await collect(other, { steps: 5 })).toEqual(await collect(one, { steps: 5 }));
    expect(await other.readParameters()).toEqual(await one.readParameters());
    const given = await trainer({ seed: 9 });
    await one.importWeights(await given.checkpoint({ state: false }));
    const weights = await given.readParameters();
    expect(await one.readParameters()).toEqual(weights);
    const { tensors } = await one.state();
    for (const [tensor, values] of Object.entries(weights)) expect(tensors[tensor]!.z).toEqual(values);
  });

  it('gives replicas the bits of single networks', async () => {
    const gpu = await testDevice();
    const members = [3, 4].map((seed) => ({ seed, rule: rule() as Rule }));
    const run = async (replicas: typeof members) => {
      const { program, run: go, ...made } = await replicasOf(gpu, { model, data, rows: 8, replicas });
      close.push(made);
      await go(7);
      const { space, average, params, device } = program;
      return Promise.all(replicas.map((_, i) => readTensors(device, 'test', space, [params, average!.vector], i)));
    };
    const together = await run(members);
    for (const [i, member] of members.entries()) expect(together[i]).toEqual((await run([member]))[0]);
  });

  it('refuses an average beside it', async () => {
    await expect(trainer({ average: ema() })).rejects.toThrow(at('OPTION-RANGE', name));
  });
});
