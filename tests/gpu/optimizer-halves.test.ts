import { afterEach, describe, expect, it } from 'vitest';
import type { TensorOptions } from '../../src/optim/adopt.js';
import { createOptimizer } from '../../src/optim/optimizer.js';
import type { OptimizerOptions } from '../../src/optim/optimizer-options.js';
import { type Rule, resolveRule } from '../../src/optim/rule.js';
import { rules } from '../../src/optim/rules.gen.js';
import { lookahead } from '../../src/optim/wrappers.js';
import {
  Path,
  type ReferenceRule,
  type ReferenceTensor,
  referenceRules,
  referenceState,
  referenceStep,
  worst,
} from '../../src/reference/index.js';
import { randomFloats, readFloats, testDevice } from '../support/gpu.js';
import { halfOf, halfValue, roundedToHalves } from '../support/halves.js';

/*
 * Parameters and gradients that their owner has as halves: the float32 master against the float64 reference, the halves against
 * the master, and every byte around them.
 */

const references: Readonly<Record<string, ReferenceRule>> = referenceRules;
const { adam, lamb, scheduleFreeSgd, sgd } = rules;
const USAGE = 0x80 | 0x04 | 0x08; // STORAGE | COPY_SRC | COPY_DST
const CANARY = 0x1234;
const AT = [1, 2, 3, 10, 25];

const made: { destroy(): void }[] = [];
afterEach(() => {
  for (const each of made.splice(0)) each.destroy();
});

type Dtype = 'f16' | 'f32';
interface Tensor {
  readonly shape: readonly number[];
  readonly param?: Dtype;
  readonly grad?: Dtype;
  readonly options?: Partial<TensorOptions>;
  /** Of parameters and gradients, in elements: rows lie apart. */
  readonly stride?: number;
}
/** Lengths that are odd, one behind the other, so that neighbours share words; more than a workgroup copies; some in float32. */
const TENSORS: readonly Tensor[] = [
  { shape: [5] },
  { shape: [1] },
  { shape: [7], grad: 'f32' },
  { shape: [33, 21] },
  { shape: [4111] },
  { shape: [9], param: 'f32' },
  { shape: [], grad: 'f32' },
  { shape: [6, 3], stride: 5 },
  { shape: [3] },
];
const elementsOf = ({ shape }: Tensor) => shape.reduce((product, size) => product * size, 1);

/** Numbers in a buffer of their own, close together but for rows at a stride, from an odd place on. */
async function makeMemory(tensors: readonly Tensor[], side: 'param' | 'grad', dtype: Dtype) {
  const device = await testDevice();
  let at = 3;
  const places = tensors.map((tensor) => {
    if ((tensor[side] ?? 'f16') !== dtype) return undefined;
    const width = tensor.stride ? elementsOf(tensor) / tensor.shape[0]! : elementsOf(tensor);
    const index = Array.from(
      { length: elementsOf(tensor) },
      (_, i) => at + Math.floor(i / width) * (tensor.stride ?? 0) + (i % width),
    );
    at += tensor.stride ? tensor.stride * tensor.shape[0]! : width;
    return index;
  });
  const bytes = dtype === 'f16' ? 2 : 4;
  const size = Math.ceil((bytes * (at + 3)) / 4) * 4;
  const buffer = device.createBuffer({ size, usage: USAGE });
  made.push(buffer);
  const array = () =>
    dtype === 'f16' ? new Uint16Array(size / 2).fill(CANARY) : new Float32Array(size / 4).fill(CANARY);
  return {
    buffer,
    place: (i: number) => {
      const { stride } = tensors[i]!;
      return { buffer, offset: bytes * places[i]![0]!, dtype, ...(stride && { stride: bytes * stride }) };
    },
    write: (values: readonly Float32Array[]) => {
      const all = array();
      for (const [i, index] of places.entries())
        index?.forEach((to, k) => {
          all[to] = dtype === 'f16' ? halfOf(values[i]![k]!) : values[i]![k]!;
        });
      device.queue.writeBuffer(buffer, 0, all);
    },
    /** What tensors have, by tensor; what lies around them must be as it was. */
    read: async () => {
      const floats = await readFloats(device, { buffer, offset: 0, size });
      const all = dtype === 'f16' ? new Uint16Array(floats.buffer) : floats;
      const own = places.map((index) => index?.map((from) => all[from]!));
      for (const from of places.flatMap((index) => index ?? [])) all[from] = CANARY;
      expect(all.every((value) => value === CANARY)).toBe(true);
      return own;
    },
  };
}

/** An optimizer on halves of a caller's. */
async function makeCase(rule: Rule, options: OptimizerOptions = {}, tensors = TENSORS) {
  const device = await testDevice();
  const memories = {
    param: { f16: await makeMemory(tensors, 'param', 'f16'), f32: await makeMemory(tensors, 'param', 'f32') },
    grad: { f16: await makeMemory(tensors, 'grad', 'f16'), f32: await makeMemory(tensors, 'grad', 'f32') },
  };
  const given = tensors.map(
    ({ shape, param = 'f16', grad = 'f16', options: own }, i): TensorOptions => ({
      ...{ name: `t${i}`, shape, ...own },
      param: memories.param[param].place(i),
      grad: memories.grad[grad].place(i),
    }),
  );
  const optimizer = await createOptimizer(device, rule, given, options);
  made.push(optimizer);
  const write = (side: 'param' | 'grad', values: readonly Float32Array[]) => {
    memories[side].f16.write(values);
    memories[side].f32.write(values);
  };
  write('param', startOf(tensors));
  return {
    ...{ device, optimizer, given, memories, write },
    step: (gradients: readonly Float32Array[]) => {
      write('grad', gradients);
      const encoder = device.createCommandEncoder();
      optimizer.step(encoder);
      device.queue.submit([encoder.finish()]);
    },
    record: (record: (encoder: GPUCommandEncoder) => void) => {
      const encoder = device.createCommandEncoder();
      record(encoder);
      device.queue.submit([encoder.finish()]);
    },
    /** Master or float32 parameters, by tensor, once the halves were seen to be the master's nearest. */
    values: async () => {
      const [halves, floats, state] = [
        await memories.param.f16.read(),
        await memories.param.f32.read(),
        await optimizer.state(),
      ];
      return tensors.map((_, i) => {
        const own = floats[i];
        if (own) return Float32Array.from(own);
        const master = state.tensors[`t${i}`]!.master!;
        expect(halves[i]).toEqual([...master].map(halfOf));
        return master;
      });
    },
    halves: () => memories.param.f16.read(),
  };
}

/** What halves can say, and float32 where a tensor is that. */
const dataOf = (tensors: readonly Tensor[], side: 'param' | 'grad', seed: number) =>
  tensors.map((tensor, i) => {
    const floats = randomFloats(elementsOf(tensor), seed + 100 * i);
    return (tensor[side] ?? 'f16') === 'f16' ? roundedToHalves(floats) : floats;
  });
const startOf = (tensors: readonly Tensor[] = TENSORS) => dataOf(tensors, 'param', 7);
const gradientsOf = (step: number, tensors: readonly Tensor[] = TENSORS) => dataOf(tensors, 'grad', 1000 + step);

describe('the master agrees with the reference, and the halves are its nearest', () => {
  it.each<[string, Record<string, unknown>]>([
    ['sgd', { lr: 0.01, momentum: 0.9 }],
    ['adam', { lr: 0.01 }],
    ['lion', { lr: 0.001 }],
    ['lamb', { lr: 0.01 }],
  ])('%s', async (name, options) => {
    const rule = resolveRule(rules, name, options);
    const own = await makeCase(rule);
    const reference = references[name]!;
    const start = startOf();
    const tensors = TENSORS.map(
      ({ shape }, i): ReferenceTensor => ({
        ...{ shape, param: Float64Array.from(start[i]!), grad: new Float64Array(start[i]!.length) },
        state: referenceState(reference, shape, rule.hyper),
      }),
    );
    const paths = start.map((values) => new Path(values));
    for (let t = 1; t <= Math.max(...AT); t++) {
      const gradients = gradientsOf(t);
      own.step(gradients);
      for (const [i, { grad }] of tensors.entries()) grad.set(gradients[i]!);
      referenceStep(reference, tensors, t, rule.hyper);
      for (const [i, path] of paths.entries()) path.advance(tensors[i]!.param);
      if (!AT.includes(t)) continue;
      for (const [i, values] of (await own.values()).entries()) {
        const found = worst(values, tensors[i]!.param, (k) => paths[i]!.limit(k, t, 1, 16));
        expect(found.ratio, JSON.stringify({ t, i, ...found })).toBeLessThanOrEqual(1);
      }
    }
  });
});

it('moves where halves alone would stand still', async () => {
  // A step of 1e-5 is a hundredth of what halves near 1 can tell.
  const tensors = [{ shape: [9] }];
  const own = await makeCase(sgd({ lr: 1e-5 }) as Rule, {}, tensors);
  const ones = [new Float32Array(9).fill(1)];
  own.write('param', ones);
  const alone = halfValue(halfOf(1 - 1e-5));
  expect(alone).toBe(1);
  let seen = 1;
  for (let step = 1; step <= 200; step++) {
    own.step(ones);
    if (step === 1) {
      const [master] = await own.values();
      expect(master![0]).toBe(Math.fround(1 - Math.fround(1e-5)));
      expect(halfValue((await own.halves())[0]![0]!)).toBe(1);
    }
    seen -= 1e-5;
  }
  const [master] = await own.values();
  for (const value of master!) expect(Math.abs(value - seen)).toBeLessThan(200 * 2 ** -24);
  // 0.998 to the nearest: four steps of 2^-11 down.
  expect(halfValue((await own.halves())[0]![0]!)).toBe(1 - 4 * 2 ** -11);
});

it('goes to infinity where halves end, and comes back from the master', async () => {
  const tensors = [{ shape: [3], grad: 'f32' as const }];
  const own = await makeCase(sgd({ lr: 1 }) as Rule, {}, tensors);
  own.write('param', [Float32Array.of(65504, -65504, 1)]);
  own.step([Float32Array.of(-10_000, 10_000, 0)]);
  expect((await own.halves())[0]).toEqual([0x7c00, 0xfc00, halfOf(1)]);
  expect([...(await own.values())[0]!]).toEqual([75504, -75504, 1]);
  own.step([Float32Array.of(20_000, -20_000, 0)]);
  expect((await own.halves())[0]!.map(halfValue)).toEqual([55488, -55488, 1]);
});

it('takes up what the caller writes', async () => {
  const tensors = [{ shape: [5] }];
  const own = await makeCase(sgd({ lr: 1e-5 }) as Rule, {}, tensors);
  own.step([new Float32Array(5).fill(1)]);
  const [before] = await own.values();
  const halves = (await own.halves())[0]!.map(halfValue);
  halves[2] = 0.75;
  own.write('param', [Float32Array.from(halves)]);
  own.step([new Float32Array(5)]);
  const [after] = await own.values();
  expect([...after!]).toEqual([...before!].map((value, i) => (i === 2 ? 0.75 : value)));
});

describe('as float32 parameters', () => {
  it('goes on from a saved state, bit for bit', async () => {
    const rule = adam({ lr: 0.003 }) as Rule;
    const whole = await makeCase(rule);
    for (let step = 1; step <= 6; step++) whole.step(gradientsOf(step));
    const first = await makeCase(rule);
    for (let step = 1; step <= 3; step++) first.step(gradientsOf(step));
    const saved = structuredClone(await first.optimizer.state());
    const second = await makeCase(rule);
    // Parameters are the caller's to save, as they are.
    second.write('param', await first.values());
    second.optimizer.load(saved);
    for (let step = 4; step <= 6; step++) second.step(gradientsOf(step));
    expect(await second.values()).toEqual(await whole.values());
    expect(await second.optimizer.state()).toEqual(await whole.optimizer.state());
    const plain = structuredClone(saved) as { tensors: Record<string, Record<string, Float32Array>> };
    delete plain.tensors.t0!.master;
    expect(() => second.optimizer.load(plain as typeof saved)).toThrow(/master/);
  });

  it('keeps every bit of a step that is left out, and clears gradients', async () => {
    const own = await makeCase(adam({ lr: 0.01 }) as Rule, { skipNonFinite: true, zeroGrad: true });
    own.step(gradientsOf(1));
    const before = await own.optimizer.state();
    const halves = await own.halves();
    const gradients = gradientsOf(2);
    gradients[0]![2] = Number.POSITIVE_INFINITY;
    own.step(gradients);
    const { tensors, count } = await own.optimizer.state();
    expect({ tensors, count }).toEqual({ tensors: before.tensors, count: 1 });
    expect(await own.halves()).toEqual(halves);
    const left = [await own.memories.grad.f16.read(), await own.memories.grad.f32.read()].flat(2);
    expect(left.every((value) => value === undefined || value === 0)).toBe(true);
  });

  /** All tensors with float32 in their place, the same numbers in them. */
  const plain = TENSORS.map((tensor): Tensor => ({ ...tensor, param: 'f32', grad: 'f32' }));
  const groups = (tensors: readonly Tensor[]) =>
    tensors.map((tensor, i) => ({
      ...tensor,
      options: i === 3 ? { group: { lr: 0.02 } } : i === 1 ? { frozen: true } : {},
    }));

  it.each<[string, Rule, OptimizerOptions]>([
    [
      'groups, clipping and wrappers',
      adam({ lr: 0.01 }) as Rule,
      { clip: { globalNorm: 1 }, wrappers: [lookahead({ k: 2 })] },
    ],
    ['norms by tensor', sgd({ lr: 0.01, momentum: 0.9 }) as Rule, { clip: { tensorNorm: 0.5, value: 0.1 } }],
    ['micro-steps', adam({ lr: 0.01 }) as Rule, { accumulate: { steps: 2 } }],
    ['several passes', lamb({ lr: 0.01 }) as Rule, { gradScale: 0.5 }],
  ])('moves as float32 parameters do: %s', async (_, rule, options) => {
    const [own, other] = [await makeCase(rule, options, groups(TENSORS)), await makeCase(rule, options, groups(plain))];
    other.write('param', startOf());
    for (let step = 1; step <= 4; step++) {
      own.step(gradientsOf(step));
      other.step(gradientsOf(step));
    }
    const frozen = 1;
    const all = await own.optimizer.state();
    const floats = await other.memories.param.f32.read();
    expect(all.tensors[`t${frozen}`]).toBeUndefined();
    for (const [i, { param = 'f16' }] of TENSORS.entries()) {
      if (i === frozen || param !== 'f16') continue;
      const master = [...all.tensors[`t${i}`]!.master!];
      // Norms may be summed in another order.
      for (const [k, value] of master.entries()) expect(Math.abs(value - floats[i]![k]!)).toBeLessThan(4e-6);
    }
    expect((await own.halves())[frozen]).toEqual([...startOf()[frozen]!].map(halfOf));
  });

  it('takes the gradients of a step from elsewhere', async () => {
    const rule = adam({ lr: 0.01 }) as Rule;
    const [own, other] = [await makeCase(rule), await makeCase(rule)];
    const pool = await makeMemory([{ shape: [40] }, ...TENSORS], 'grad', 'f16');
    for (let step = 1; step <= 3; step++) {
      own.step(gradientsOf(step));
      other.write('grad', gradientsOf(step));
      pool.write([new Float32Array(40), ...gradientsOf(step)]);
      const names = TENSORS.flatMap(({ grad }, i) => (grad === 'f32' ? [] : [i]));
      const grads = Object.fromEntries(names.map((i) => [`t${i}`, pool.place(i + 1)]));
      other.memories.grad.f16.write(TENSORS.map((tensor) => new Float32Array(elementsOf(tensor))));
      other.record((encoder) => other.optimizer.step(encoder, { grads }));
    }
    expect(await other.values()).toEqual(await own.values());
  });

  it('is what is evaluated, and trained again, bit for bit', async () => {
    const own = await makeCase(scheduleFreeSgd({ lr: 0.01 }) as Rule);
    for (let step = 1; step <= 3; step++) own.step(gradientsOf(step));
    const [before, halves] = [await own.optimizer.state(), await own.halves()];
    own.record((encoder) => own.optimizer.eval(encoder));
    expect(await own.halves()).not.toEqual(halves);
    own.record((encoder) => own.optimizer.train(encoder));
    expect(await own.halves()).toEqual(halves);
    expect(await own.optimizer.state()).toEqual(before);
  });

  it('may have its state in fewer bytes', async () => {
    const own = await makeCase(adam({ lr: 0.01 }) as Rule, { state: '8bit' });
    for (let step = 1; step <= 3; step++) own.step(gradientsOf(step));
    await own.values();
    expect(own.optimizer.describe().state).toEqual({ master: 'f32', exp_avg: '8bit', exp_avg_sq: '8bit' });
  });
});

it('says what it keeps', async () => {
  const own = await makeCase(adam() as Rule, {}, [{ shape: [64, 10] }]);
  const { state, stateBytes, dispatches } = own.optimizer.describe();
  expect(state).toEqual({ master: 'f32', exp_avg: 'f32', exp_avg_sq: 'f32' });
  // Master, gradient, two moments.
  expect(stateBytes).toBeGreaterThanOrEqual(4 * 4 * 640);
  // Two copies in, the clock, the update, one copy out.
  expect(dispatches).toBe(5);
});

describe('refuses', () => {
  const one = async (tensor: Partial<TensorOptions> & { size?: number }, options: OptimizerOptions = {}) => {
    const device = await testDevice();
    const buffers = [0, 1].map(() => device.createBuffer({ size: tensor.size ?? 64, usage: USAGE }));
    made.push(...buffers);
    const { size: _, ...own } = tensor;
    const place = (i: number, given: object = {}) => ({ buffer: buffers[i]!, dtype: 'f16' as const, ...given });
    return createOptimizer(
      device,
      sgd({ lr: 0.1 }) as Rule,
      [{ name: 'w', shape: [5], ...own, param: place(0, own.param), grad: place(1, own.grad) } as TensorOptions],
      options,
    ).then((optimizer) => {
      made.push(optimizer);
      return optimizer;
    });
  };
  const range = (given: object) => given as TensorOptions['param'];

  it.each<[string, string, Parameters<typeof one>[0], OptimizerOptions?]>([
    ['another dtype', 'OPTION-RANGE', { param: range({ dtype: 'f64' }) }],
    ['half a half', 'BUFFER-RANGE', { param: range({ offset: 3 }) }],
    ['a size of half a half', 'BUFFER-RANGE', { param: range({ size: 11 }) }],
    ['a float at a place of halves', 'BUFFER-RANGE', { grad: range({ dtype: 'f32', offset: 2 }) }],
    ['a buffer whose last word is not whole', 'BUFFER-RANGE', { size: 10 }],
    ['a stride shorter than a row', 'BUFFER-RANGE', { shape: [2, 3], param: range({ stride: 4 }) }],
    ['integers', 'OPTION-RANGE', {}, { gradients: { fixed: 0.5 } }],
    ['rows that may be left alone', 'OPTION-RANGE', { reserve: 6 }],
  ])('%s', async (_, code, tensor, options) => {
    await expect(one(tensor, options)).rejects.toMatchObject({ code, fix: expect.stringMatching(/\S/) });
  });

  it('bytes of two, and gradients of a step that are something else', async () => {
    const device = await testDevice();
    const buffer = device.createBuffer({ size: 64, usage: USAGE });
    made.push(buffer);
    const tensor = (name: string, offset: number) => ({
      ...{ name, shape: [5] },
      ...{
        param: { buffer, offset, dtype: 'f16' as const },
        grad: { buffer, offset: offset + 32, dtype: 'f16' as const },
      },
    });
    const make = (...tensors: TensorOptions[]) => createOptimizer(device, sgd({ lr: 0.1 }) as Rule, tensors);
    await expect(make(tensor('a', 0), tensor('b', 8))).rejects.toMatchObject({ code: 'BUFFER-OVERLAP' });
    const own = await make(tensor('a', 0), tensor('b', 10));
    made.push(own);
    const other = device.createBuffer({ size: 64, usage: USAGE });
    made.push(other);
    const encoder = device.createCommandEncoder();
    const floats = { a: { buffer: other, dtype: 'f32' as const } };
    expect(() => own.step(encoder, { grads: floats })).toThrow(expect.objectContaining({ code: 'OPTION-RANGE' }));
    // Without a word they are what they were.
    own.step(encoder, { grads: { a: { buffer: other, offset: 54 } } });
    device.queue.submit([encoder.finish()]);
    await own.read();
  });
});
