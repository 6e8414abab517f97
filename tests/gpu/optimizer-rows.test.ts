import { afterEach, describe, expect, it } from 'vitest';
import type { TensorOptions } from '../../src/optim/adopt.js';
import { createOptimizer } from '../../src/optim/optimizer.js';
import type { OptimizerOptions } from '../../src/optim/optimizer-options.js';
import type { Optimizer } from '../../src/optim/optimizer-types.js';
import { type Rule, resolveRule } from '../../src/optim/rule.js';
import { rules } from '../../src/optim/rules.gen.js';
import { cautious, centralize, gradientNoise, lookahead } from '../../src/optim/wrappers.js';
import { likeDevice, randomFloats, readFloats, testDevice } from '../support/gpu.js';
import { ruleNames } from '../support/rule-cases.js';

/*
 * Tensors that are taken by rows: fields of records at strides, rates, masks. Everything is compared, bit for bit, with the same
 * numbers in tensors that lie close together, each in a buffer of its own.
 */

const { adam, adan, adamw, lamb, scheduleFreeSgd, sgd } = rules;
const USAGE = 0x80 | 0x04 | 0x08; // STORAGE | COPY_SRC | COPY_DST
const CANARY = 12345.5;
const made: { destroy(): void }[] = [];
afterEach(() => {
  for (const each of made.splice(0)) each.destroy();
});

const bits = (values: Float32Array) => [...new Uint32Array(values.slice().buffer)];

/** Fields of a record by their widths; at the floats where they begin, the record's length last. */
interface Layout {
  readonly rows: number;
  readonly widths: readonly number[];
  readonly param: readonly number[];
  readonly grad: readonly number[];
  /** Gradients in the buffer of the parameters. */
  readonly oneBuffer?: boolean;
  /** Options of each. */
  readonly options?: (i: number) => Partial<TensorOptions>;
  readonly unit?: number;
}

/** Position, scale, rotation, opacity and colour, in records of 20 floats with a gap after the first, gradients in some of 16. */
const SPLATS: Layout = {
  rows: 37,
  widths: [3, 3, 4, 1, 5],
  param: [0, 4, 8, 12, 13, 20],
  grad: [1, 13, 4, 0, 8, 17],
};
const PARAMS_AND_GRADS: Layout = {
  rows: 21,
  widths: [3, 4],
  param: [0, 8, 16],
  grad: [3, 12, 16],
  oneBuffer: true,
};

const groups = (i: number): Partial<TensorOptions> => ({ group: { lr: [0.01, 0.02, 0.04, 0.08, 0.1][i]! } });

async function makeBuffer(floats: number): Promise<GPUBuffer> {
  const device = await testDevice();
  const one = device.createBuffer({ size: 4 * floats, usage: USAGE });
  made.push(one);
  device.queue.writeBuffer(one, 0, new Float32Array(floats).fill(CANARY));
  return one;
}

/** The floats of row `row`, field `i` in a record buffer, for each that is asked for. */
function forEachFloat(
  { rows, widths }: Layout,
  starts: readonly number[],
  each: (at: number, field: number, element: number) => void,
): void {
  for (const [field, width] of widths.entries()) {
    for (let e = 0; e < rows * width; e++)
      each(Math.floor(e / width) * starts.at(-1)! + starts[field]! + (e % width), field, e);
  }
}

/** The same numbers in records and close together. */
async function makeTwins(layout: Layout, lead = 3) {
  const device = await testDevice();
  const { rows, widths, param, grad, oneBuffer, options = groups, unit } = layout;
  const params = await makeBuffer(lead + rows * param.at(-1)!);
  const grads = oneBuffer ? params : await makeBuffer(lead + rows * grad.at(-1)!);
  const place = (buffer: GPUBuffer, starts: readonly number[], i: number) => ({
    ...{ buffer, offset: 4 * (lead + starts[i]!), stride: 4 * starts.at(-1)! },
  });
  const fields = widths.map(
    (width, i): TensorOptions => ({
      ...{ name: `f${i}`, shape: [rows, width], ...options(i) },
      ...{ param: place(params, param, i), grad: place(grads, grad, i) },
    }),
  );
  const dense = await Promise.all(
    widths.map(async (width, i): Promise<TensorOptions & { param: GPUBuffer; grad: GPUBuffer }> => {
      const { rates: _, active: __, ...plain } = options(i);
      const [own, slope] = [await makeBuffer(rows * width), await makeBuffer(rows * width)];
      return { name: `f${i}`, shape: [rows, width], ...plain, param: own, grad: slope };
    }),
  );
  const size = { params: params.size / 4, grads: grads.size / 4 };
  /** Numbers of a seed, in both forms. */
  const write = (side: 'param' | 'grad', seed: number) => {
    const values = widths.map((width, i) => {
      const floats = randomFloats(rows * width, 100 * seed + i);
      if (side === 'param' || unit === undefined) return floats;
      return new Float32Array(Int32Array.from(floats, (value) => Math.round(value / unit)).buffer);
    });
    for (const [i, { [side]: to }] of dense.entries()) device.queue.writeBuffer(to, 0, values[i]!);
    const [to, starts] = side === 'param' ? [params, param] : [grads, grad];
    for (const [i, width] of widths.entries()) {
      for (let row = 0; row < rows; row++) {
        const at = 4 * (lead + row * starts.at(-1)! + starts[i]!);
        device.queue.writeBuffer(to, at, values[i]!.subarray(row * width, (row + 1) * width));
      }
    }
  };
  write('param', 1);
  const read = async (side: 'param' | 'grad') => {
    const [from, starts] = side === 'param' ? [params, param] : [grads, grad];
    const all = await readFloats(device, { buffer: from, offset: 0, size: from.size });
    const out = widths.map((width) => new Float32Array(rows * width));
    forEachFloat(layout, starts, (at, field, e) => {
      out[field]![e] = all[lead + at]!;
    });
    return out;
  };
  return {
    ...{ device, fields, dense, write, read, params, grads },
    readDense: (side: 'param' | 'grad') =>
      Promise.all(dense.map(({ [side]: from }) => readFloats(device, { buffer: from, offset: 0, size: from.size }))),
    /** Floats that are nobody's. */
    redZones: async () => {
      const found: number[] = [];
      for (const buffer of new Set([params, grads])) {
        const all = await readFloats(device, { buffer, offset: 0, size: buffer.size });
        const taken = new Set<number>();
        if (buffer === params) forEachFloat(layout, param, (at) => taken.add(lead + at));
        if (buffer === grads) forEachFloat(layout, grad, (at) => taken.add(lead + at));
        for (const [at, value] of all.entries()) if (!taken.has(at)) found.push(value);
      }
      expect(found.length).toBeGreaterThan(0);
      return found;
    },
    size,
  };
}

async function make(device: GPUDevice, rule: Rule, tensors: readonly TensorOptions[], options?: OptimizerOptions) {
  const one = await createOptimizer(device, rule, tensors, options);
  made.push(one);
  return one;
}

function step(device: GPUDevice, ...optimizers: Optimizer[]): void {
  const encoder = device.createCommandEncoder();
  for (const each of optimizers) each.step(encoder);
  device.queue.submit([encoder.finish()]);
}

/** Trains both for some steps; what the dense ones have is what the records must have. */
async function compare(layout: Layout, rule: Rule, options: OptimizerOptions = {}, steps = 3) {
  const twins = await makeTwins(layout);
  const own = layout.unit === undefined ? options : { ...options, gradients: { fixed: layout.unit } };
  const records = await make(twins.device, rule, twins.fields, own);
  const dense = await make(twins.device, rule, twins.dense, own);
  for (let i = 0; i < steps; i++) {
    twins.write('grad', 10 + i);
    step(twins.device, records, dense);
  }
  expect((await twins.read('param')).map(bits)).toEqual((await twins.readDense('param')).map(bits));
  expect((await twins.read('grad')).map(bits)).toEqual((await twins.readDense('grad')).map(bits));
  expect((await twins.redZones()).every((value) => value === CANARY)).toBe(true);
  expect(await records.state()).toEqual(await dense.state());
  return { twins, records, dense };
}

describe.each(ruleNames)('%s', (name) => {
  it('gives fields of records the bits of tensors that lie close together, and touches nothing between', async () => {
    const rule = resolveRule(rules, name);
    const { records } = await compare(SPLATS, rule);
    const { dispatches } = records.describe();
    // The clock, and all fields; others are copied to where they go over whole vectors.
    if (rule.row.passes || rule.row.evaluation || rule.row.curvature) expect(dispatches).toBeGreaterThan(4);
    else expect(dispatches).toBe(2);
  });
});

describe('fields of records', () => {
  it.each<[string, OptimizerOptions, Partial<Layout>]>([
    ['with optional state', {}, {}],
    ['whose gradients are cleared', { zeroGrad: true }, {}],
    ['whose gradients are integers', { zeroGrad: true }, { unit: 2 ** -12 }],
    ['clipped by value', { clip: { value: 0.25 } }, {}],
    ['in sums of micro-steps', { accumulate: { steps: 2 }, zeroGrad: true }, {}],
    ['in sums of integers, clipped', { accumulate: { steps: 2 }, clip: { value: 0.5 } }, { unit: 2 ** -12 }],
    ['one of them frozen', {}, { options: (i) => (i === 1 ? { frozen: true } : {}) }],
  ])('%s', async (_, options, layout) => {
    for (const base of [SPLATS, PARAMS_AND_GRADS])
      await compare({ ...base, ...layout }, adamw({ lr: 0.01, amsgrad: true, weightDecay: 0.1 }), options);
  });

  it.each(['globalNorm', 'tensorNorm'] as const)('are clipped by their %s', async (kind) => {
    const { records, dense } = await compare(SPLATS, sgd({ lr: 0.1 }), { clip: { [kind]: 0.5 }, skipNonFinite: true });
    expect(await records.read()).toEqual(await dense.read());
    expect(records.describe().dispatches).toBe(3);
  });

  it('have units of their own', async () => {
    const unit = (i: number) => 2 ** -(8 + i);
    const twins = await makeTwins({ ...SPLATS, options: (i) => ({ gradients: { fixed: unit(i) } }) });
    const integers = twins.dense.map(({ shape }, i) => {
      const length = (shape as number[]).reduce((a, b) => a * b);
      return Int32Array.from({ length }, (_, e) => ((e * 7919 + i) % 401) - 200);
    });
    for (const [i, { grad }] of twins.dense.entries()) {
      twins.device.queue.writeBuffer(grad, 0, integers[i]!);
      const { buffer, offset, stride } = twins.fields[i]!.grad as { buffer: GPUBuffer; offset: number; stride: number };
      const width = SPLATS.widths[i]!;
      for (let row = 0; row < SPLATS.rows; row++)
        twins.device.queue.writeBuffer(
          buffer,
          offset + row * stride,
          integers[i]!.subarray(row * width, (row + 1) * width),
        );
    }
    const before = await twins.readDense('param');
    // Of tensors that lie close together, too.
    const both = [
      await make(twins.device, sgd({ lr: 1 }), twins.fields),
      await make(twins.device, sgd({ lr: 1 }), twins.dense),
    ];
    step(twins.device, ...both);
    const expected = before.map((values, i) =>
      bits(values.map((value, e) => Math.fround(value - Math.fround(integers[i]![e]! * unit(i))))),
    );
    expect((await twins.read('param')).map(bits)).toEqual(expected);
    expect((await twins.readDense('param')).map(bits)).toEqual(expected);
  });

  it('are two dispatches for 1,000 padded records of five at five rates, three with a norm', async () => {
    const twins = await makeTwins({ ...SPLATS, rows: 1000 });
    const plain = (await make(twins.device, adam(), twins.fields)).describe();
    expect(plain.dispatches).toBe(2);
    expect(plain.bytesPerStep).toBe(28 * 16_000);
    expect((await make(twins.device, adam(), twins.fields, { clip: { globalNorm: 1 } })).describe().dispatches).toBe(3);
  });

  it('are as many tensors as fields, however many records there are: 150,000 of them', async () => {
    const device = await testDevice();
    const rows = 150_000;
    const params = await makeBuffer(rows * 4);
    const grads = await makeBuffer(rows * 4);
    const at = (buffer: GPUBuffer, offset: number) => ({ buffer, offset, stride: 16 });
    const optimizer = await make(device, sgd({ lr: 1 }), [
      { name: 'xyz', shape: [rows, 3], param: at(params, 0), grad: at(grads, 0) },
    ]);
    step(device, optimizer);
    const all = await readFloats(device, { buffer: params, offset: 0, size: params.size });
    expect(all.every((value, i) => value === (i % 4 === 3 ? CANARY : 0))).toBe(true);
    const { dispatches, stateBytes } = optimizer.describe();
    expect(dispatches).toBe(2);
    // The ring and records alone.
    expect(stateBytes).toBeLessThan(5e6);
  });

  it('are cut between rows where a binding does not hold them', async () => {
    const twins = await makeTwins(SPLATS);
    const small = likeDevice(twins.device, { limits: { maxStorageBufferBindingSize: 1024 } });
    const clip: OptimizerOptions = { skipNonFinite: true };
    const rows = (i: number) => ({ rates: { rows: randomFloats(SPLATS.rows, i).map(Math.abs) } });
    const fields = twins.fields.map((field, i) => ({ ...field, ...rows(i) }));
    const whole = await make(twins.device, adam(), fields, clip);
    twins.write('grad', 3);
    step(twins.device, whole);
    const expected = (await twins.read('param')).map(bits);
    twins.write('param', 1);
    const cut = await make(small, adam(), fields, clip);
    expect(cut.describe().passes.filter(({ label }) => label.includes('update')).length).toBeGreaterThan(2);
    step(twins.device, cut);
    expect((await twins.read('param')).map(bits)).toEqual(expected);
    expect((await cut.read()).gradNorm! / (await whole.read()).gradNorm!).toBeCloseTo(1, 6);
    expect((await cut.state()).tensors.f2!.exp_avg!.length).toBe(37 * 4);
  });

  it.each([
    ['adam', adam()],
    ['lamb', lamb()],
  ])('take their gradients from elsewhere in a step, at other strides and in several buffers: %s', async (_, rule) => {
    const twins = await makeTwins(SPLATS);
    const { device, dense, fields } = twins;
    for (const options of [{}, { clip: { tensorNorm: 0.5 } }, { accumulate: { steps: 2 } }]) {
      const records = await make(device, rule, fields, options);
      const plain = await make(device, rule, dense, options);
      twins.write('param', 1);
      twins.write('grad', 1);
      const grads = Object.fromEntries(dense.map(({ name, grad }) => [name, grad as GPUBuffer]));
      for (const given of [{ grads }, undefined, { grads: { f1: grads.f1!, f3: grads.f3! } }]) {
        const encoder = device.createCommandEncoder();
        records.step(encoder, given);
        plain.step(encoder);
        device.queue.submit([encoder.finish()]);
      }
      expect((await twins.read('param')).map(bits)).toEqual((await twins.readDense('param')).map(bits));
      expect(await records.state()).toEqual(await plain.state());
    }
  });

  it('go on from a state of tensors that lie close together', async () => {
    const { twins, records, dense } = await compare(SPLATS, adan());
    const next = await make(twins.device, adan(), twins.fields);
    next.load(await dense.state());
    twins.write('grad', 5);
    step(twins.device, next, dense);
    expect((await twins.read('param')).map(bits)).toEqual((await twins.readDense('param')).map(bits));
    expect(records).toBeDefined();
  });
});

describe('fields of records on arenas of ours', () => {
  const rule = lamb({ lr: 0.01 });

  it.each<[string, OptimizerOptions, Partial<Layout>]>([
    ['whose gradients are cleared', { zeroGrad: true }, {}],
    ['in sums of integers, clipped', { accumulate: { steps: 2 }, clip: { value: 0.5 } }, { unit: 2 ** -12 }],
    ['clipped by tensor, one of them frozen', { clip: { tensorNorm: 0.5 } }, { options: (i) => ({ frozen: i === 1 }) }],
    // Floats as integers: any bits will do.
    ['with units of their own', {}, { options: (i) => ({ gradients: i === 1 ? 'f32' : { fixed: 2 ** (-40 - i) } }) }],
  ])('give the bits of dense ones %s', async (_, options, layout) => {
    for (const base of [SPLATS, PARAMS_AND_GRADS]) await compare({ ...base, ...layout }, rule, options);
  });

  it.each<[string, Layout]>([
    ['rows', SPLATS],
    ['a row', { rows: 1, widths: [200, 5], param: [0, 201, 210], grad: [1, 202, 208] }],
  ])('are copied in pieces where a binding does not hold them: %s', async (_, layout) => {
    const twins = await makeTwins(layout);
    const small = likeDevice(twins.device, { limits: { maxStorageBufferBindingSize: 1024 } });
    const results: number[][][] = [];
    for (const device of [twins.device, small]) {
      twins.write('param', 1);
      twins.write('grad', 3);
      const optimizer = await make(device, rule, twins.fields);
      const copies = optimizer.describe().passes.filter(({ label }) => label.includes('/fetch-gradients'));
      if (device === small) expect(copies.length).toBeGreaterThan(1);
      step(twins.device, optimizer);
      results.push((await twins.read('param')).map(bits));
    }
    expect(results[1]).toEqual(results[0]);
    expect((await twins.redZones()).every((value) => value === CANARY)).toBe(true);
  });

  it('go with wrappers', async () => {
    const wrappers = [centralize(), gradientNoise(), cautious(), lookahead({ k: 2 })];
    // Cleared: dense gradients are changed in place before.
    await compare(SPLATS, adam({ lr: 0.01 }), { wrappers, zeroGrad: true });
  });

  it('are evaluated and trained on', async () => {
    const { twins, records, dense } = await compare(SPLATS, scheduleFreeSgd({ lr: 0.1 }));
    const before = (await twins.read('param')).map(bits);
    const turn = (to: 'eval' | 'train') => {
      const encoder = twins.device.createCommandEncoder();
      for (const each of [records, dense]) each[to](encoder);
      twins.device.queue.submit([encoder.finish()]);
    };
    turn('eval');
    const evaluated = (await twins.read('param')).map(bits);
    expect(evaluated).toEqual((await twins.readDense('param')).map(bits));
    expect(evaluated).not.toEqual(before);
    turn('train');
    expect((await twins.read('param')).map(bits)).toEqual(before);
    expect((await twins.redZones()).every((value) => value === CANARY)).toBe(true);
  });
});

describe('rates', () => {
  // What is a factor of what in the others: tests/unit/row-options.test.ts.
  it.each(['sgd', 'adam', 'lion', 'adan'])('are factors of the learning rate: %s', async (name) => {
    // Powers of two: exact in float32, so the bits are those of the tensor with that rate.
    const period = Float32Array.of(0.5, 1, 2, 4);
    const rows = Float32Array.from({ length: 37 }, (_, i) => 2 ** ((i % 5) - 2));
    const starts = { widths: [4, 4, 3, 1], param: [0, 4, 8, 12, 20], grad: [1, 5, 9, 12, 17] };
    const twins = await makeTwins({ ...SPLATS, ...starts, options: () => ({}) });
    const factors: NonNullable<TensorOptions['rates']>[] = [
      { period },
      { rows },
      { rows },
      { rows, period: period.slice(0, 1) },
    ];
    const lr = 2 ** -6;
    // Adan's decay is no multiple of its rate.
    const decay = { weightDecay: name === 'adan' ? 0 : 0.125 };
    const rule = resolveRule(rules, name, { lr, ...decay });
    const fields = twins.fields.map((field, i) => ({ ...field, rates: factors[i]! }));
    const optimizer = await make(twins.device, rule, fields);
    const results: number[][][] = [];
    const train = async (one: Optimizer) => {
      twins.write('param', 1);
      for (let i = 0; i < 2; i++) {
        twins.write('grad', 10 + i);
        step(twins.device, one);
      }
      return (await twins.read('param')).map(bits);
    };
    const rated = await train(optimizer);
    const used = [0.125, 0.25, 0.5, 1, 2, 4];
    for (const factor of used) {
      const plain = await make(twins.device, resolveRule(rules, name, { lr: lr * factor, ...decay }), twins.fields);
      results.push(await train(plain));
    }
    for (const [i, field] of rated.entries()) {
      const width = [4, 4, 3, 1][i]!;
      for (const [e, word] of field.entries()) {
        const { rows: byRow, period: byColumn } = factors[i]!;
        const factor = (byRow?.[Math.floor(e / width)] ?? 1) * (byColumn?.[(e % width) % byColumn.length] ?? 1);
        expect([i, e, word]).toEqual([i, e, results[used.indexOf(factor)]![i]![e]]);
      }
    }
  });

  it('of 1 change no bit', async () => {
    await compare(
      { ...SPLATS, options: () => ({ rates: { rows: new Float32Array(37).fill(1), period: Float32Array.of(1) } }) },
      adamw({ lr: 0.01 }),
    );
  });

  it('hold for tensors that lie close together, too, and follow what set says', async () => {
    const device = await testDevice();
    const param = await makeBuffer(8);
    const grad = await makeBuffer(8);
    device.queue.writeBuffer(param, 0, new Float32Array(8));
    device.queue.writeBuffer(grad, 0, new Float32Array(8).fill(1));
    const rates = { period: Float32Array.of(1, 0, 0.5, 2) };
    const optimizer = await make(device, sgd({ lr: 1 }), [{ name: 'sh', shape: [2, 4], param, grad, rates }]);
    optimizer.set({ lr: 0.5 });
    step(device, optimizer);
    const values = await readFloats(device, { buffer: param, offset: 0, size: 32 });
    expect([...values]).toEqual([-0.5, 0, -0.25, -1, -0.5, 0, -0.25, -1]);
  });
});

describe('active', () => {
  const on = (row: number) => row % 3 !== 1 && row < 30;

  async function activeBuffer(by: 'mask' | 'count', lead = 5) {
    const device = await testDevice();
    const buffer = await makeBuffer(lead + 40);
    const words =
      by === 'mask' ? Uint32Array.from({ length: 37 }, (_, row) => (on(row) ? row + 1 : 0)) : Uint32Array.of(30);
    device.queue.writeBuffer(buffer, 4 * lead, words);
    return by === 'mask' ? { buffer, offset: 4 * lead } : { count: buffer, offset: 4 * lead };
  }

  it.each<['mask' | 'count', OptimizerOptions, Partial<Layout>]>([
    ['mask', {}, {}],
    ['count', {}, {}],
    ['mask', { zeroGrad: true }, { unit: 2 ** -10 }],
    ['count', { zeroGrad: true, accumulate: { steps: 1 } }, {}],
    ['mask', {}, { options: () => ({ rates: { rows: new Float32Array(37).fill(1) } }) }],
  ])('rows alone change, by %s, with %o: the others keep every bit, also of state', async (by, options, layout) => {
    const base = { ...SPLATS, ...layout };
    const active = await activeBuffer(by);
    const takesPart = (row: number) => (by === 'mask' ? on(row) : row < 30);
    const twins = await makeTwins({ ...base, options: (i) => ({ ...base.options?.(i), active }) });
    const settings: OptimizerOptions = { ...options, ...(base.unit && { gradients: { fixed: base.unit } }) };
    const rule = adamw({ lr: 0.01, weightDecay: 0.1 });
    const records = await make(twins.device, rule, twins.fields, settings);
    const dense = await make(twins.device, rule, twins.dense, settings);
    twins.write('grad', 2);
    const start = await twins.read('param');
    const slopes = await twins.read('grad');
    step(twins.device, records, dense);
    const [after, cleared, expected] = [
      await twins.read('param'),
      await twins.read('grad'),
      await twins.readDense('param'),
    ];
    const [state, full] = [await records.state(), await dense.state()];
    for (const [i, width] of SPLATS.widths.entries()) {
      for (let e = 0; e < 37 * width; e++) {
        const part = takesPart(Math.floor(e / width));
        expect(after[i]![e]).toBe(part ? expected[i]![e] : start[i]![e]);
        if (options.zeroGrad) expect(bits(cleared[i]!)[e]).toBe(part ? 0 : bits(slopes[i]!)[e]);
        const slot = state.tensors[`f${i}`]!.exp_avg![e];
        expect(slot).toBe(part ? full.tensors[`f${i}`]!.exp_avg![e] : 0);
      }
    }
    expect((await twins.redZones()).every((value) => value === CANARY)).toBe(true);
  });

  it.each(['mask', 'count'] as const)('rows alone are in the norm: %s', async (by) => {
    const active = await activeBuffer(by);
    const twins = await makeTwins({ ...SPLATS, options: () => ({ active }) });
    const optimizer = await make(twins.device, sgd({ lr: 0.1 }), twins.fields, { skipNonFinite: true });
    twins.write('grad', 2);
    const slopes = await twins.read('grad');
    // One that takes no part may be what it likes.
    const { buffer, offset } = twins.fields[2]!.grad as { buffer: GPUBuffer; offset: number };
    twins.device.queue.writeBuffer(buffer, offset + 31 * 17 * 4, Float32Array.of(Number.NaN));
    step(twins.device, optimizer);
    let sum = 0;
    for (const [i, width] of SPLATS.widths.entries())
      for (const [e, value] of slopes[i]!.entries())
        if (by === 'mask' ? on(Math.floor(e / width)) : e < 30 * width) sum += value * value;
    const { gradNorm, skipped } = await optimizer.read();
    expect(skipped).toBe(0);
    expect(gradNorm! / Math.sqrt(sum)).toBeCloseTo(1, 6);
  });

  it('may be none, or a number beyond all', async () => {
    const count = await makeBuffer(1);
    const twins = await makeTwins({ ...SPLATS, options: () => ({ active: { count } }) });
    const optimizer = await make(twins.device, sgd({ lr: 0.1 }), twins.fields);
    const start = (await twins.read('param')).map(bits);
    twins.write('grad', 2);
    twins.device.queue.writeBuffer(count, 0, Uint32Array.of(0));
    step(twins.device, optimizer);
    expect((await twins.read('param')).map(bits)).toEqual(start);
    twins.device.queue.writeBuffer(count, 0, Uint32Array.of(2 ** 32 - 1));
    step(twins.device, optimizer);
    expect((await twins.redZones()).every((value) => value === CANARY)).toBe(true);
    const after = (await twins.read('param')).map(bits);
    for (const [i, field] of after.entries())
      for (const [e, word] of field.entries()) expect(word).not.toBe(start[i]![e]);
  });
});
