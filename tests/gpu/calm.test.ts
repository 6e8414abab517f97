import { stat } from 'node:fs/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { describeAdapter } from '../../src/gpu/device.js';
import { adam, createTrainer, mlp } from '../../src/index.js';
import { calmCounts } from '../../src/node/calm.js';
import { requestDevice, requestGpu } from '../../src/node/index.js';
import { collect, losses, someDigits } from '../support/train.js';

let [calm, plain]: GPUDevice[] = [];
beforeAll(async () => {
  [calm, plain] = [await requestDevice({ calm: true }), await requestDevice({ calm: false })];
});
afterAll(() => {
  calm!.destroy();
  plain!.destroy();
});

/** Some milliseconds of work for a CPU adapter, and what it trained to. */
async function train(device: GPUDevice): Promise<number[]> {
  const trainer = await createTrainer(device, {
    ...{ model: mlp({ sizes: [784, 64, 10] }), rule: adam(), data: someDigits(), label: 'calm' },
    submitMs: 500,
  });
  const reports = await collect(trainer, { steps: 60 });
  trainer.destroy();
  return losses(reports);
}

/** What `work` gives, and how often the thread napped meanwhile. */
async function napsOf<T>(work: () => Promise<T>): Promise<[T, number]> {
  const before = calmCounts.naps;
  return [await work(), calmCounts.naps - before];
}

it('naps while it waits for a device that is calm, for no other, and the numbers are the same', async () => {
  const [expected, none] = await napsOf(() => train(plain!));
  const [actual, naps] = await napsOf(() => train(calm!));
  expect(actual).toEqual(expected);
  expect(none).toBe(0);
  if (describeAdapter(calm!).cpu) expect(naps).toBeGreaterThan(5); // 60 steps of at least 0.2 ms; a GPU may be done sooner
});

it('is what a CPU adapter gets from requestDevice and requestGpu, and a GPU does not', async () => {
  const { gpu } = await requestGpu();
  const adapter = (await gpu.requestAdapter())!;
  for (const device of [await requestDevice(), await adapter.requestDevice()]) {
    const isCalm = Object.getPrototypeOf(device) !== GPUDevice.prototype;
    expect(isCalm).toBe(describeAdapter(device).cpu);
    device.destroy();
  }
});

it('naps no wait that is over within 0.3 ms', async () => {
  const waits: (readonly [number, number])[] = [];
  for (let i = 0; i < 200; i++) {
    const start = performance.now();
    const [, naps] = await napsOf(async () => {
      calm!.queue.submit([calm!.createCommandEncoder().finish()]);
      await calm!.queue.onSubmittedWorkDone();
    });
    waits.push([performance.now() - start, naps]);
  }
  expect(waits.filter(([ms, naps]) => ms < 0.3 && naps > 0)).toEqual([]);
});

it('lets timers, files and other loops go on, and starts to spin anew with what comes in', async () => {
  let [training, timers, turns, files] = [true, 0, 0, 0];
  const interval = setInterval(() => timers++, 2);
  const immediates = () => {
    turns++;
    if (training) setImmediate(immediates);
  };
  immediates();
  const reading = (async () => {
    for (; training; files++) await stat(import.meta.filename);
  })();
  const start = performance.now();
  await train(calm!);
  const ms = performance.now() - start;
  training = false;
  clearInterval(interval);
  await reading;
  // A turn of the loop takes a nap at most. The factors leave room for another process on the same cores.
  expect(timers).toBeGreaterThan(ms / 2 / 20);
  expect(turns).toBeGreaterThan(ms / 10);
  expect(files).toBeGreaterThan(ms / 10);
});

it('naps no more once nothing is pending', async () => {
  await train(calm!);
  await calm!.queue.onSubmittedWorkDone();
  const [, naps] = await napsOf(() => new Promise((resolve) => setTimeout(resolve, 20)));
  expect(naps).toBe(0);
});

it('leaves objects what they were: instances of their class, with their own methods and errors', async () => {
  const device = calm!;
  const buffer = device.createBuffer({ size: 16, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST });
  const module = device.createShaderModule({ code: '@compute @workgroup_size(1) fn main() {}' });
  expect([device, device.queue, buffer, module].map((each) => each.constructor)).toEqual([
    GPUDevice,
    GPUQueue,
    GPUBuffer,
    GPUShaderModule,
  ]);
  expect(buffer).toBeInstanceOf(GPUBuffer);
  expect(device.queue).toBe(device.queue);
  expect(Object.getOwnPropertyNames(device)).toEqual(Object.getOwnPropertyNames(plain));
  expect(Object.keys(buffer)).toEqual(
    Object.keys(plain!.createBuffer({ size: 16, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST })),
  );
  expect((await module.getCompilationInfo()).messages).toEqual([]);
  await expect(buffer.mapAsync(GPUMapMode.READ, 1)).rejects.toThrow();
  await buffer.mapAsync(GPUMapMode.READ);
  expect(buffer.mapState).toBe('mapped');
  buffer.destroy();
  // Who wraps a method is asked, and whoever takes that away has the calm one again.
  const original = device.popErrorScope;
  device.popErrorScope = async () => ({ message: 'mine' });
  expect(await device.popErrorScope()).toEqual({ message: 'mine' });
  delete (device as Partial<GPUDevice>).popErrorScope;
  expect(device.popErrorScope).toBe(original);
});

it('checks the option', async () => {
  await expect(requestDevice({ calm: 'yes' as never })).rejects.toMatchObject({ code: 'OPTION-TYPE' });
});
