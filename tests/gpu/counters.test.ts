import { afterAll, beforeAll, expect, it } from 'vitest';
import {
  adam,
  adamax,
  adamw,
  createOptimizer,
  createTrainer,
  decodeSafetensors,
  dropout,
  encodeSafetensors,
  linear,
  nadam,
  type Optimizer,
  type Rule,
  radam,
  rmsprop,
  type SafeTensor,
  sequential,
  sgd,
} from '../../src/index.js';
import { CLOCK_BYTES, clockOffset } from '../../src/kernels/advance.js';
import { readFloats, testDevice } from '../support/gpu.js';
import { collect, noise } from '../support/train.js';

/*
 * Steps and updates far on, where a counter might lose its last digits (2^24, in float32), change its sign (2^31) or begin again
 * (2^32): reached by loading a state that says so.
 */

let device: GPUDevice;
const made: { destroy(): void }[] = [];
beforeAll(async () => {
  device = await testDevice();
});
afterAll(() => {
  for (const each of made) each.destroy();
});

const GRADIENT = [0.5, -0.25, 2, 0];

/** An optimizer of four parameters that are 1, whose state says that so many updates were done. */
async function started(rule: Rule, count: number, step = count) {
  const make = (values: readonly number[]) => {
    const one = device.createBuffer({ size: 256, usage: 0x80 | 0x04 | 0x08 });
    made.push(one);
    device.queue.writeBuffer(one, 0, Float32Array.from(values));
    return one;
  };
  const param = make([1, 1, 1, 1]);
  const optimizer = await createOptimizer(device, rule, [{ name: 'w', shape: [4], param, grad: make(GRADIENT) }]);
  made.push(optimizer);
  optimizer.load({ ...(await optimizer.state()), step, count });
  const read = async () => [...(await readFloats(device, { buffer: param, offset: 0, size: 16 }))];
  return { optimizer, read };
}

function steps(optimizer: Optimizer, times: number): void {
  const encoder = device.createCommandEncoder();
  for (let i = 0; i < times; i++) optimizer.step(encoder);
  device.queue.submit([encoder.finish()]);
}

it.each([2 ** 24, 2 ** 31, 2 ** 32 - 4])('Adam goes on from around update %d as the formula has it', async (middle) => {
  const first = middle - 2;
  const { optimizer, read } = await started(adam({ lr: 0.1 }) as unknown as Rule, first);
  steps(optimizer, 4);
  expect(await optimizer.read()).toMatchObject({ step: first + 4, count: first + 4, skipped: 0 });
  // By then 1 - beta^t is 1, so that nothing is corrected.
  const expected = GRADIENT.map((g) => {
    let [p, m, v] = [1, 0, 0];
    for (let i = 0; i < 4; i++) {
      m = 0.9 * m + 0.1 * g;
      v = 0.999 * v + 0.001 * g * g;
      p -= (0.1 * m) / (Math.sqrt(v) + 1e-8);
    }
    return p;
  });
  for (const [i, p] of (await read()).entries()) expect(p).toBeCloseTo(expected[i]!, 5);
});

it.each([
  ['adamw', adamw({ lr: 0.1 })],
  ['adamax', adamax({ lr: 0.1 })],
  ['nadam', nadam({ lr: 0.1 })],
  ['radam', radam({ lr: 0.1 })],
  ['rmsprop', rmsprop({ lr: 0.1 })],
  ['sgd, a schedule', sgd({ lr: (count) => 1 / (1 + count), momentum: 0.9 })],
])('%s is finite there, and moves against the gradient', async (_, rule) => {
  for (const middle of [2 ** 24, 2 ** 31, 2 ** 32 - 4]) {
    const { optimizer, read } = await started(rule as unknown as Rule, middle - 2);
    steps(optimizer, 4);
    const [a, b, c, d] = await read();
    expect([a! <= 1, b! >= 1, c! <= 1, Number.isFinite(d)]).toEqual([true, true, true, true]);
    expect((await optimizer.read()).count).toBe(middle + 2);
  }
});

it('a step that 32 bits cannot count is refused, and nothing was recorded', async () => {
  const last = 2 ** 32 - 1;
  const { optimizer, read } = await started(sgd({ lr: 0.1 }) as unknown as Rule, last - 1);
  const encoder = device.createCommandEncoder();
  optimizer.step(encoder);
  const error = expect.objectContaining({ code: 'OPTION-RANGE', message: expect.stringContaining(String(last)) });
  expect(() => optimizer.step(encoder)).toThrow(error);
  device.queue.submit([encoder.finish()]);
  expect(await optimizer.read()).toMatchObject({ step: last, count: last });
  expect((await read())[0]).toBeCloseTo(0.95, 6);
  // As the message says.
  optimizer.load({ ...(await optimizer.state()), step: 0, count: 0 });
  steps(optimizer, 1);
  expect(await optimizer.read()).toMatchObject({ step: 1, count: 1 });
  // Attempts that left out their update count, too.
  const other = await started(sgd({ lr: 0.1 }) as unknown as Rule, 5, last);
  expect(() => steps(other.optimizer, 1)).toThrow(error);
});

/** A trainer's file as it would be after so many steps: an epoch has 3. */
function later(file: Uint8Array, step: number): Uint8Array {
  const { tensors, metadata } = decodeSafetensors(file);
  const words = (name: string, change: (words: Uint32Array) => void): [string, SafeTensor] => {
    const bytes = tensors.get(name)!.bytes.slice();
    change(new Uint32Array(bytes.buffer));
    return [name, { ...tensors.get(name)!, bytes }];
  };
  const valid = (step % 3) * 8 + 8 > 20 ? 4 : 8;
  const texts = Object.fromEntries(metadata);
  return encodeSafetensors(
    new Map([
      ...tensors,
      words('data.stream', (stream) => stream.set([step, valid, Math.floor(step / 3)])),
      words('optimizer.clock', (clock) => {
        expect(clock.byteLength).toBe(CLOCK_BYTES);
        clock[clockOffset('step') / 4] = step;
        clock[clockOffset('count') / 4] = step;
      }),
    ]),
    { ...texts, downhill: JSON.stringify({ ...JSON.parse(texts.downhill!), step }) },
  );
}

it('a trainer goes on from around step 2^24 and up to 2^31 - 1, its last', async () => {
  const trainer = await createTrainer(device, {
    model: sequential({ input: 6, layers: [linear(5), dropout({ p: 0.3 }), linear(3)] }),
    rule: adam({ lr: 0.01 }),
    data: noise(20, 6, 3),
    batchSize: 8,
  });
  made.push(trainer);
  await collect(trainer, { steps: 2 });
  const file = await trainer.checkpoint();
  for (const first of [2 ** 24 - 2, 2 ** 31 - 5]) {
    await trainer.restore(later(file, first));
    const reports = await collect(trainer, { steps: 4 });
    expect(reports.map(({ step }) => step)).toEqual([1, 2, 3, 4].map((i) => first + i));
    expect(reports.every(({ loss }) => loss > 0 && loss < 10)).toBe(true);
    expect(reports.at(-1)!.epoch).toBe(Math.floor((first + 3) / 3));
    for (const values of Object.values(await trainer.readParameters()))
      expect(values.every(Number.isFinite)).toBe(true);
  }
  const full = expect.objectContaining({ code: 'OPTION-RANGE' });
  expect(trainer.step).toBe(2 ** 31 - 1);
  expect(() => trainer.run({ steps: 1 })).toThrow(full);
  await expect(trainer.restore(later(file, 2 ** 31))).rejects.toMatchObject({ code: 'CHECKPOINT-MISMATCH' });
  expect(trainer.step).toBe(2 ** 31 - 1);
});
