import { afterEach, describe, expect, it } from 'vitest';
import { changeShaders } from '../../harness/torture/gpu/faults.js';
import { requestDevice } from '../../src/node/index.js';
import type { ForeignRange, TensorOptions } from '../../src/optim/adopt.js';
import { createOptimizer } from '../../src/optim/optimizer.js';
import type { OptimizerOptions } from '../../src/optim/optimizer-options.js';
import { rules } from '../../src/optim/rules.gen.js';
import { randomFloats, readFloats, testDevice } from '../support/gpu.js';
import { countCreations } from '../support/train.js';

/* Gradients that are somewhere else in every step, as in frameworks that pool their memory. */

const { adamw } = rules;
const USAGE = 0x80 | 0x04 | 0x08; // STORAGE | COPY_SRC | COPY_DST
/** Tensors one behind another, the third frozen, without a boundary that any vec4 would like. */
const LENGTHS = [300, 7, 64, 129, 5000, 10];
const TOTAL = LENGTHS.reduce((sum, length) => sum + length);
const STARTS = LENGTHS.map((_, i) => LENGTHS.slice(0, i).reduce((sum, length) => sum + length, 3));
const rule = adamw({ lr: 0.01, weightDecay: 0.1 });

const made: { destroy(): void }[] = [];
afterEach(() => {
  for (const each of made.splice(0)) each.destroy();
});

async function buffer(size: number, usage = USAGE): Promise<GPUBuffer> {
  const one = (await testDevice()).createBuffer({ size, usage });
  made.push(one);
  return one;
}

const bits = (values: Float32Array) => [...new Uint32Array(values.slice().buffer)];
const slopes = (step: number, unit?: number) =>
  LENGTHS.map((length, i) => {
    const values = randomFloats(length, 100 * step + i);
    return unit === undefined ? values : Int32Array.from(values, (value) => Math.round(value / unit));
  });

/** Where each tensor's gradient lies in the floats of which buffer. */
type Layout = readonly { readonly buffer: number; readonly at: number }[];
const PACKED: Layout = STARTS.map((at) => ({ buffer: 0, at }));
const SHIFTED: Layout = STARTS.map((at) => ({ buffer: 0, at: at + 2 }));
const APART: Layout = LENGTHS.map((_, i) => ({ buffer: i, at: 0 }));
const REVERSED: Layout = LENGTHS.map((length, i) => ({ buffer: 0, at: TOTAL + 3 - STARTS[i]! - length + 3 }));
const TWO: Layout = STARTS.map((at, i) => ({ buffer: Number(i > 3), at: i > 3 ? at + 1 : at }));

const groups = (i: number): Partial<TensorOptions> => {
  if (i === 2) return { frozen: true };
  return i % 2 ? { group: { lr: 0.1 } } : {};
};

async function makeFoster(options?: OptimizerOptions) {
  const device = await testDevice();
  const params = await buffer(4 * TOTAL + 64);
  const first = await buffer(4 * TOTAL + 64);
  device.queue.writeBuffer(params, 0, randomFloats(TOTAL + 16, 1));
  const tensors = LENGTHS.map((length, i): TensorOptions => {
    const offset = 4 * STARTS[i]!;
    return {
      ...{ name: `t${i}`, shape: [length], ...groups(i) },
      ...{ param: { buffer: params, offset }, grad: { buffer: first, offset } },
    };
  });
  const optimizer = await createOptimizer(device, rule, tensors, options);
  made.push(optimizer);
  return { device, params, first, optimizer };
}

/** Writes gradients into buffers as a layout says. */
async function place(layout: Layout, values: readonly ArrayBufferView<ArrayBuffer>[], into?: GPUBuffer[]) {
  const { queue } = await testDevice();
  const buffers = into ?? (await Promise.all(APART.map(() => buffer(4 * TOTAL + 64))));
  const grads: Record<string, ForeignRange> = {};
  for (const [i, { buffer: at, at: start }] of layout.entries()) {
    queue.writeBuffer(buffers[at]!, 4 * start, values[i]!);
    grads[`t${i}`] = start === 0 ? buffers[at]! : { buffer: buffers[at]!, offset: 4 * start };
  }
  return { grads, buffers };
}

/** Trains with the gradients of each step in one of the layouts in turn. */
async function train(layouts: readonly Layout[], options?: OptimizerOptions, steps = 4) {
  const foster = await makeFoster(options);
  const { device, optimizer } = foster;
  const unit = (options?.gradients as { fixed: number } | undefined)?.fixed;
  const used: GPUBuffer[][] = [];
  for (let step = 0; step < steps; step++) {
    const { grads, buffers } = await place(layouts[step % layouts.length]!, slopes(step, unit));
    used.push(buffers);
    const encoder = device.createCommandEncoder();
    optimizer.step(encoder, { grads });
    device.queue.submit([encoder.finish()]);
  }
  const params = await readFloats(device, { buffer: foster.params, offset: 0, size: foster.params.size });
  return { ...foster, values: bits(params), state: await optimizer.state(), report: await optimizer.read(), used };
}

describe('step with gradients of its own', () => {
  it.each<OptimizerOptions>([
    {},
    { clip: { globalNorm: 0.5 }, skipNonFinite: true },
    { accumulate: { steps: 2 }, clip: { tensorNorm: 0.5 }, zeroGrad: true },
    { gradients: { fixed: 2 ** -12 }, zeroGrad: true },
  ])('gives the same bits wherever they lie: %o', async (options) => {
    const plain = await train([PACKED], options);
    for (const layouts of [[SHIFTED], [APART], [REVERSED], [TWO], [APART, PACKED, TWO, SHIFTED]]) {
      const { values, state, report } = await train(layouts, options);
      expect(values).toEqual(plain.values);
      expect(state).toEqual(plain.state);
      expect(report).toEqual(plain.report);
    }
  });

  it('clears them where they lie, and nothing else', async () => {
    const { used } = await train([APART], { zeroGrad: true }, 1);
    for (const [i, length] of LENGTHS.entries()) {
      const values = await readFloats(await testDevice(), { buffer: used[0]![i]!, offset: 0, size: 4 * length });
      // What is frozen may or may not be.
      if (i !== 2) expect(values.every((value) => value === 0)).toBe(true);
    }
    const { used: shifted } = await train([SHIFTED], { zeroGrad: true, gradients: { fixed: 1 } }, 1);
    const all = await readFloats(await testDevice(), { buffer: shifted[0]![0]!, offset: 0, size: 4 * TOTAL + 64 });
    expect([...all.subarray(0, 5)]).toEqual([0, 0, 0, 0, 0]);
  });

  it('takes some of them from elsewhere, the others where they were first', async () => {
    const plain = await train([PACKED], {}, 1);
    const { device, optimizer, params, first } = await makeFoster();
    await place(PACKED, slopes(0), [first]);
    const { grads } = await place(APART, slopes(0));
    device.queue.writeBuffer(first, 4 * STARTS[4]!, new Float32Array(LENGTHS[4]!));
    const encoder = device.createCommandEncoder();
    optimizer.step(encoder, { grads: { t4: grads.t4! } });
    device.queue.submit([encoder.finish()]);
    expect(bits(await readFloats(device, { buffer: params, offset: 0, size: params.size }))).toEqual(plain.values);
  });

  it('makes bind groups for buffers it has not seen, tables for offsets, and else nothing', async () => {
    const { device, optimizer } = await makeFoster({ clip: { globalNorm: 1 } });
    const pools: Awaited<ReturnType<typeof place>>[] = [];
    for (let i = 0; i < 80; i++) pools.push(await place(PACKED, slopes(i), [await buffer(4 * TOTAL + 64)]));
    const encoder = device.createCommandEncoder();
    const pass = encoder.beginComputePass();
    const record = (from: number, to: number) => {
      const { counts, restore } = countCreations(device);
      for (const { grads } of pools.slice(from, to)) optimizer.step(pass, { grads });
      restore();
      return counts;
    };
    record(0, 1);
    const bytes = optimizer.describe().stateBytes;
    // Of the norm and of the vec4s and the rest of the update.
    expect(record(1, 4)).toEqual({ createBindGroup: 9 });
    for (let i = 0; i < 10; i++) expect(record(0, 4)).toEqual({});
    expect(record(4, 80)).toEqual({ createBindGroup: 3 * 76 });
    // The 64 used last are kept, and those before them made again.
    expect(record(16, 80)).toEqual({});
    expect(record(0, 16)).toEqual({ createBindGroup: 48 });
    expect(optimizer.describe().stateBytes).toBe(bytes);
    pass.end();
    device.queue.submit([encoder.finish()]);
    expect(await optimizer.read()).toMatchObject({ step: 1 + 3 + 40 + 76 + 64 + 16 });
  });

  it('keeps tables of 16 layouts, however many come', async () => {
    const { device, optimizer } = await makeFoster();
    const one = await buffer(8 * TOTAL);
    let most = 0;
    for (let shift = 0; shift < 60; shift++) {
      const encoder = device.createCommandEncoder();
      const grads = Object.fromEntries(
        STARTS.map((at, i) => [`t${i}`, { buffer: one, offset: 4 * (at + 64 * shift) }]),
      );
      optimizer.step(encoder, { grads });
      device.queue.submit([encoder.finish()]);
      const { stateBytes } = optimizer.describe();
      if (shift === 15) most = stateBytes;
      if (shift > 15) expect(stateBytes).toBe(most);
    }
    expect(await optimizer.read()).toMatchObject({ count: 60 });
  });
});

describe('step refuses gradients, and records nothing:', () => {
  const error = (code: string, words: string) =>
    expect.objectContaining({ name: 'DownhillError', code, message: expect.stringContaining(words) });

  it.each<[string, string, string, (to: { params: GPUBuffer; size: number }) => Promise<unknown>]>([
    ['no object', 'OPTION-TYPE', 'by the names', async () => 7],
    ['null', 'OPTION-TYPE', 'null', async () => null],
    ['a list', 'OPTION-TYPE', 'by the names', async ({ size }) => [await buffer(size)]],
    ['a name nobody has', 'OPTION-UNKNOWN', '"w"', async ({ size }) => ({ w: await buffer(size) })],
    ['no buffer', 'OPTION-TYPE', 'Tensor "t1": grad', async () => ({ t1: new Float32Array(7) })],
    ['null as buffer', 'OPTION-TYPE', 'Tensor "t1": grad', async () => ({ t1: null })],
    ['one too short', 'BUFFER-RANGE', 'Tensor "t0": grad needs 1200', async () => ({ t0: await buffer(1196) })],
    [
      'an offset of 2',
      'BUFFER-RANGE',
      'the offset 2',
      async ({ size }) => ({ t1: { buffer: await buffer(size), offset: 2 } }),
    ],
    [
      'an unknown key',
      'OPTION-UNKNOWN',
      '"byteOffset"',
      async ({ size }) => ({ t1: { buffer: await buffer(size), byteOffset: 8 } }),
    ],
    [
      'one without STORAGE',
      'BUFFER-USAGE',
      'Tensor "t1": grad',
      async ({ size }) => ({ t1: await buffer(size, 0x0c) }),
    ],
    ['the parameters', 'BUFFER-OVERLAP', 'grad of "t1"', async ({ params }) => ({ t1: params })],
    [
      'one for two tensors',
      'BUFFER-OVERLAP',
      '"t1"',
      async ({ size }) => {
        const one = await buffer(size);
        return { t0: one, t1: one };
      },
    ],
  ])('%s', async (_, code, words, grads) => {
    const { device, optimizer, params } = await makeFoster();
    const encoder = device.createCommandEncoder();
    const given = await grads({ params, size: params.size });
    for (let i = 0; i < 2; i++)
      expect(() => optimizer.step(encoder, { grads: given as Record<string, GPUBuffer> })).toThrow(error(code, words));
    device.queue.submit([encoder.finish()]);
    expect(await optimizer.read()).toMatchObject({ step: 0 });
  });

  it('an option nobody has', async () => {
    const { device, optimizer } = await makeFoster();
    const encoder = device.createCommandEncoder();
    expect(() => optimizer.step(encoder, { gradients: {} } as never)).toThrow(error('OPTION-UNKNOWN', 'grads'));
  });

  it('a buffer of another device: the next step says so, and steps without it go on', async () => {
    const { device, optimizer } = await makeFoster();
    const other = await requestDevice();
    const foreign = other.createBuffer({ size: 4 * TOTAL + 64, usage: USAGE });
    device.pushErrorScope('validation');
    const encoder = device.createCommandEncoder();
    optimizer.step(encoder, { grads: { t1: foreign } });
    device.queue.submit([encoder.finish()]);
    // The caller's own: the submit was dropped.
    expect(await device.popErrorScope()).not.toBeNull();
    expect(() => optimizer.step(encoder)).toThrow(error('BUFFER-INVALID', 'cannot be used'));
    const next = device.createCommandEncoder();
    optimizer.step(next, { grads: { t1: await buffer(64) } });
    device.queue.submit([next.finish()]);
    expect(await optimizer.read()).toMatchObject({ step: 1 });
    other.destroy();
  });

  it('a buffer of another device in a new layout: another step of that layout, recorded at once, is good', async () => {
    const { device, optimizer } = await makeFoster();
    const other = await requestDevice();
    const foreign = other.createBuffer({ size: 4 * TOTAL + 64, usage: USAGE });
    device.pushErrorScope('validation');
    optimizer.step(device.createCommandEncoder(), { grads: { t1: { buffer: foreign, offset: 12 } } });
    const good = device.createCommandEncoder();
    optimizer.step(good, { grads: { t1: { buffer: await buffer(64), offset: 12 } } });
    expect(await device.popErrorScope()).toBeNull();
    await device.queue.onSubmittedWorkDone();
    device.queue.submit([good.finish()]);
    expect(() => optimizer.step(device.createCommandEncoder())).toThrow(error('BUFFER-INVALID', 'cannot be used'));
    expect(await optimizer.read()).toMatchObject({ step: 1 });
    other.destroy();
  });

  it('a kernel that does not compile: the next step says so, and the one after it compiles it again', async () => {
    const device = await requestDevice();
    const [param, first, second] = [0, 1, 2].map(() => device.createBuffer({ size: 1024, usage: USAGE })) as [
      GPUBuffer,
      GPUBuffer,
      GPUBuffer,
    ];
    const tensors = [{ name: 'w', shape: [64], param, grad: first }];
    const optimizer = await createOptimizer(device, rule, tensors);
    const undo = changeShaders(device, (_, code) => `${code}\nfn broken() -> u32 { return 1.5; }`);
    const given = { grads: { w: { buffer: second, offset: 4 } } };
    optimizer.step(device.createCommandEncoder(), given);
    undo();
    await device.queue.onSubmittedWorkDone();
    expect(() => optimizer.step(device.createCommandEncoder(), given)).toThrow(
      error('SHADER-COMPILE', 'the shader optim/'),
    );
    const encoder = device.createCommandEncoder();
    optimizer.step(encoder, given);
    device.queue.submit([encoder.finish()]);
    expect(await optimizer.read()).toMatchObject({ step: 1 });
    device.destroy();
  });

  it('a buffer of another device where the layout is known: steps that were recorded before it are good', async () => {
    const { device, optimizer } = await makeFoster();
    const other = await requestDevice();
    const foreign = other.createBuffer({ size: 4 * TOTAL + 64, usage: USAGE });
    const before = device.createCommandEncoder();
    optimizer.step(before, { grads: { t1: await buffer(64) } });
    device.pushErrorScope('validation');
    optimizer.step(device.createCommandEncoder(), { grads: { t1: foreign } });
    expect(await device.popErrorScope()).toBeNull(); // it is ours to say
    await device.queue.onSubmittedWorkDone();
    device.queue.submit([before.finish()]);
    expect(() => optimizer.step(device.createCommandEncoder())).toThrow(error('BUFFER-INVALID', 'cannot be used'));
    expect(await optimizer.read()).toMatchObject({ step: 1 });
    other.destroy();
  });
});
