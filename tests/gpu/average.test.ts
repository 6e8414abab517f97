import { afterEach, describe, expect, it } from 'vitest';
import { arrays } from '../../src/data/arrays.js';
import { range, readRanges } from '../../src/gpu/buffers.js';
import { clockBytes } from '../../src/kernels/advance.js';
import { average, averageForms } from '../../src/kernels/average.js';
import { lower } from '../../src/kernels/lower.js';
import { mlp } from '../../src/nn/mlp.js';
import { type Average, ema, swa } from '../../src/optim/averages.js';
import { adam, sgd } from '../../src/optim/rules.gen.js';
import { type ReferenceAverage, ROUNDING, referenceAverages } from '../../src/reference/index.js';
import type { Vector } from '../../src/space/space.js';
import type { Stateful } from '../../src/space/stateful.js';
import { readTensors } from '../../src/space/vectors.js';
import type { Program } from '../../src/train/program.js';
import { createTrainer } from '../../src/train/trainer.js';
import type { Trainer, TrainerOptions } from '../../src/train/types.js';
import { buffersFor, dispatch, readFloats, testDevice } from '../support/gpu.js';
import { collect, noise, replicasOf } from '../support/train.js';

/*
 * The average of the GPU against the float64 one of the weights that the GPU had after each update. An update of the
 * average rounds three times, twice relative to a difference and once to the average itself, and what it rounded wrong
 * earlier shrinks: within 3 roundings of the largest weight per update taken in.
 */

const model = mlp({ sizes: [5, 7, 3] });
const data = noise(37, 5, 3);
const close: { destroy(): void }[] = [];
afterEach(() => {
  for (const each of close.splice(0)) each.destroy();
});

/** Both kinds of weights of a replica, each in one array, and the updates so far. */
async function weightsOf(program: Program, replica: number) {
  const { device, space, params, average } = program;
  const both = await readTensors(device, 'test', space, [params, average!.vector], replica);
  const [current, averaged] = both.map((tensors) => [...tensors.values()].flatMap((values) => [...values]));
  return { current: current!, averaged: averaged! };
}

async function replicas(average: Average, more: Partial<Parameters<typeof replicasOf>[1]> = {}) {
  const made = await replicasOf(await testDevice(), {
    ...{ model, data, rows: 8, average },
    replicas: [
      { seed: 1, rule: adam({ lr: 0.05 }) },
      { seed: 2, rule: adam({ lr: 0.01 }) },
    ],
    ...more,
  });
  close.push(made);
  return made;
}

const vectorsOf = (part: Stateful) => part.vectors?.().map(({ vector }) => vector) ?? [];

async function copyVectors(gpu: GPUDevice, from: readonly Vector[], to: readonly Vector[]): Promise<void> {
  for (const [i, { ranges }] of from.entries()) {
    const bytes = await readRanges(gpu, 'test', ranges);
    for (const [k, { buffer, offset }] of to[i]!.ranges.entries()) gpu.queue.writeBuffer(buffer, offset, bytes[k]!);
  }
}

const reference = ({ row }: Average): ReferenceAverage => referenceAverages[row.name as 'ema'];

/** Trains, and compares after every step. @param applied says whether a step (from 1) was an update */
async function compare(
  average: Average,
  steps: number,
  more: Partial<Parameters<typeof replicasOf>[1]> = {},
  applied: (step: number) => boolean = () => true,
) {
  const { program, run } = await replicas(average, more);
  const { space } = program;
  const states = await Promise.all(
    Array.from({ length: space.replicas }, async (_, i) => Float64Array.from((await weightsOf(program, i)).current)),
  );
  let count = 0;
  let largest = 0;
  for (let step = 1; step <= steps; step++) {
    await run(step);
    if (applied(step)) count++;
    for (const [replica, state] of states.entries()) {
      const { current, averaged } = await weightsOf(program, replica);
      largest = Math.max(largest, ...current.map(Math.abs));
      if (applied(step)) reference(average).update(state, current, count, average.settings);
      const expected = reference(average).value(state, count, average.settings);
      const furthest = Math.max(...averaged.map((value, i) => Math.abs(value - expected[i]!)));
      expect(furthest, `step ${step}, replica ${replica}`).toBeLessThanOrEqual(3 * (count + 1) * ROUNDING * largest);
    }
  }
  return { program, count };
}

describe('an average of the weights', () => {
  it.each([
    ['ema', ema({ decay: 0.9 })],
    ['ema that is corrected', ema({ decay: 0.9, debias: true })],
    ['ema with its default', ema()],
    ['swa', swa()],
    ['swa from an update on, at times', swa({ start: 5, every: 3 })],
  ])('%s agrees with float64 over 20 steps, in two replicas', async (_, average) => {
    await compare(average, 20);
  });

  it('starts at the first weights, and before an update at the initial ones', async () => {
    const { program, run } = await replicas(ema({ decay: 0.9 }));
    const initial = await weightsOf(program, 1);
    expect(initial.averaged).toEqual(initial.current);
    await run(1);
    const first = await weightsOf(program, 1);
    expect(first.averaged).toEqual(first.current);
    expect(first.averaged).not.toEqual(initial.averaged);
    await run(2);
    expect((await weightsOf(program, 1)).averaged).not.toEqual((await weightsOf(program, 1)).current);
  });

  it('leaves out steps that were left out', async () => {
    // In order, 4 rows a batch: the batches of steps 3 and 8, 13 … hold an infinity.
    const x = Float32Array.from({ length: 100 }, (_, i) => (i === 42 ? Number.POSITIVE_INFINITY : Math.sin(i)));
    const bad = arrays({ x, y: Uint8Array.from({ length: 20 }, (_, i) => i % 3), classes: 3, features: 5 });
    const more = { data: bad, rows: 4, sampling: 'sequential' as const, optimizer: { skipNonFinite: true } };
    const { count } = await compare(swa(), 9, more, (step) => step % 5 !== 3);
    expect(count).toBe(7);
  });

  it('takes in every update of several steps once', async () => {
    const more = { optimizer: { accumulate: { steps: 3 } } };
    const { count } = await compare(ema({ decay: 0.8 }), 9, more, (step) => step % 3 === 0);
    expect(count).toBe(3);
  });

  it('spans several arenas, with the same bits', async () => {
    // Whole steps take no arena in parts: layer by layer, both.
    const layers = { choice: { 'forward-0': 'dense+activation/tile' } };
    const [one, split] = [await replicas(swa(), layers), await replicas(swa(), { ...layers, maxArenaBytes: 1024 })];
    expect(split.program.average!.ops.length).toBeGreaterThan(1);
    await one.run(6);
    await split.run(6);
    expect(await weightsOf(split.program, 1)).toEqual(await weightsOf(one.program, 1));
  });

  it('is a part that remembers: what it held goes on bit for bit', async () => {
    const gpu = await testDevice();
    const average = swa({ start: 3, every: 2 });
    const [first, second] = [await replicas(average), await replicas(average, { optimizer: { label: 'other' } })];
    await first.run(6);
    for (const part of first.program.parts) {
      const other = second.program.parts.find(({ key }) => key === part.key)!;
      const bytes = await readRanges(gpu, 'test', part.ranges());
      const copies = new Map(part.ranges().map(({ name }, i) => [name, bytes[i]!]));
      for (const { name, buffer, offset } of other.ranges()) gpu.queue.writeBuffer(buffer, offset, copies.get(name)!);
      await copyVectors(gpu, vectorsOf(part), vectorsOf(other));
      other.load(JSON.parse(JSON.stringify(part.host(copies))), copies);
    }
    await copyVectors(gpu, [first.program.params], [second.program.params]);
    await first.run(11);
    await second.run(11);
    for (const replica of [0, 1])
      expect(await weightsOf(second.program, replica)).toEqual(await weightsOf(first.program, replica));
  });

  it('corrects its start at counts that no test can train to', async () => {
    const gpu = await testDevice();
    const buffers = buffersFor(gpu, 'average');
    close.push(buffers);
    const decay = 0.9999;
    const { reach, ...weights } = ema({ debias: true }).row.weights({ decay, debias: true });
    const counts = [2, 3, 1000, 65_535, 131_071, 2 ** 32 - 1];
    // A replica each: of parameters that are 1 the average goes from 0 to the weight it takes them in with.
    const vector = (name: string, value: number) =>
      range(buffers.upload(name, new Float32Array(64 * counts.length).fill(value)));
    const clock = range(buffers.upload('clock', new Uint8Array(clockBytes(counts.map((count) => ({ count }))))));
    const operands = { clock, param: vector('param', 1), average: vector('average', 0) };
    const powers = range(buffers.upload('reach', reach!));
    const op = average('test/average', { ...weights, elements: 64 }, { ...operands, reach: powers }, counts.length);
    await dispatch(gpu, lower([op], averageForms, gpu).passes);
    const values = await readFloats(gpu, operands.average);
    for (const [i, count] of counts.entries()) {
      // Two roundings for each bit of the count, one for its weight, and WGSL's division (2.5 ulp).
      const off = values[64 * i + 9]! / ((1 - decay) / (1 - decay ** count)) - 1;
      expect(Math.abs(off), `count ${count}`).toBeLessThan((2 * 32 + 1 + 5) * ROUNDING);
    }
  });
});

describe('a trainer with an average', () => {
  const options = (): TrainerOptions => ({ model, rule: sgd({ lr: 0.5 }), data, batchSize: 8, seed: 3 });
  async function trainer(more: Partial<TrainerOptions> = {}): Promise<Trainer> {
    const one = await createTrainer(await testDevice(), { ...options(), ...more });
    close.push(one);
    return one;
  }

  it('trains to the same bits as without, and costs nothing without', async () => {
    const [plain, averaged] = [await trainer(), await trainer({ average: ema({ decay: 0.9 }) })];
    expect(await collect(averaged, { steps: 12 })).toEqual(await collect(plain, { steps: 12 }));
    expect(await averaged.readParameters({ weights: 'current' })).toEqual(await plain.readParameters());
    const [a, b] = [plain.describe(), averaged.describe()];
    // A whole step ends with the update then: the account comes behind the average.
    const whole = a.choice['forward-0']!.startsWith('step/');
    expect(a.choice.account === undefined).toBe(whole);
    expect(b.choice).toEqual({ ...a.choice, average: expect.any(String), account: 'account/workgroup' });
    expect(b.dispatches).toBe(a.dispatches + (whole ? 2 : 1));
    expect(b.bytes.state - a.bytes.state).toBe(a.bytes.parameters);
  });

  it('evaluates and predicts with the average, unless told otherwise', async () => {
    const one = await trainer({ average: swa() });
    await collect(one, { steps: 12 });
    const [average, current] = [await one.readParameters(), await one.readParameters({ weights: 'current' })];
    expect(average).not.toEqual(current);
    expect(await one.readParameters({ weights: 'average' })).toEqual(average);
    // Another trainer whose weights are the average.
    const { queue } = await testDevice();
    const other = await trainer();
    for (const [name, { buffer, offset }] of Object.entries(other.parameters()))
      queue.writeBuffer(buffer, offset, new Float32Array(average[name]!));
    const { loss, accuracy } = await other.evaluate(data);
    expect(await one.evaluate(data)).toEqual({ step: 12, loss, accuracy });
    expect(await one.predict(data)).toEqual(await other.predict(data));
    const now = await one.evaluate(data, { weights: 'current' });
    expect(now.loss).not.toBe(loss);
    expect(await one.predict(data, { weights: 'current' })).not.toEqual(await other.predict(data));
  });

  it('refuses what is no average, and to ask for one that is not there', async () => {
    const at = (code: string) => expect.objectContaining({ name: 'DownhillError', code });
    expect(() => ema({ decay: 1 })).toThrow(at('OPTION-RANGE'));
    expect(() => ema({ decay: (() => 1) as never })).toThrow(at('OPTION-TYPE'));
    expect(() => ema({ beta: 0.9 } as never)).toThrow(at('OPTION-UNKNOWN'));
    expect(() => swa({ every: 0 })).toThrow(at('OPTION-RANGE'));
    expect(() => swa({ start: 1.5 })).toThrow(at('OPTION-RANGE'));
    await expect(trainer({ average: ema as never })).rejects.toThrow(at('OPTION-TYPE'));
    await expect(trainer({ average: null as never })).rejects.toThrow(at('OPTION-TYPE'));
    const one = await trainer();
    await expect(one.evaluate(data, { weights: 'average' })).rejects.toThrow(at('OPTION-RANGE'));
    await expect(one.predict(data, { weights: 'mean' as never })).rejects.toThrow(at('OPTION-RANGE'));
    await expect(one.evaluate(data, { weight: 'current' } as never)).rejects.toThrow(at('OPTION-UNKNOWN'));
  });
});
