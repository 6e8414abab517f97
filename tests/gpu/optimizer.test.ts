import { afterEach, describe, expect, it } from 'vitest';
import type { TensorOptions } from '../../src/optim/adopt.js';
import { createOptimizer } from '../../src/optim/optimizer.js';
import type { OptimizerOptions } from '../../src/optim/optimizer-options.js';
import type { Optimizer } from '../../src/optim/optimizer-types.js';
import { type Rule, resolveRule } from '../../src/optim/rule.js';
import { rules } from '../../src/optim/rules.gen.js';
import { scale } from '../../src/optim/scale.js';
import { plateau } from '../../src/optim/schedules.js';
import { type ReferenceRule, referenceRules, referenceState } from '../../src/reference/index.js';
import { randomFloats, readFloats, testDevice } from '../support/gpu.js';
import { ruleNames, slotCases } from '../support/rule-cases.js';
import { countCreations } from '../support/train.js';

/*
 * createOptimizer on foreign memory. Numbers are those of the arena kernels (tests/gpu/update.test.ts compares them with
 * float64); here it is about memory, groups, control and order: bits, mostly.
 */

const { adam, adamw, muon, sgd, shampoo } = rules;
const USAGE = 0x80 | 0x04 | 0x08; // STORAGE | COPY_SRC | COPY_DST
/** Lengths whose tightly packed ranges start anywhere and end anywhere. */
const LENGTHS = [10, 1, 300, 7, 64, 129];
const CANARY = 12345.5;
const made: { destroy(): void }[] = [];
afterEach(() => {
  for (const each of made.splice(0)) each.destroy();
});

interface Layout {
  /** Floats before the first tensor, and between tensors. */
  readonly lead: number;
  readonly gap: number;
  /** Parameters and gradients in one buffer, gradients after the parameters. */
  readonly oneBuffer?: boolean;
  readonly lengths?: readonly number[];
  readonly groups?: readonly (Partial<TensorOptions> | undefined)[];
  readonly order?: readonly number[];
}

const bits = (values: Float32Array) => [...new Uint32Array(values.slice().buffer)];

/** A caller's memory: canaries everywhere, tensors in it. */
async function makeMemory({ lead, gap, oneBuffer = false, lengths = LENGTHS, groups = [], order }: Layout) {
  const device = await testDevice();
  const span = lead + lengths.reduce((sum, length) => sum + length + gap, 0);
  const size = 4 * (oneBuffer ? 2 * span : span) + 64;
  const make = () => {
    const buffer = device.createBuffer({ size, usage: USAGE });
    made.push(buffer);
    device.queue.writeBuffer(buffer, 0, new Float32Array(size / 4).fill(CANARY));
    return buffer;
  };
  const params = make();
  const grads = oneBuffer ? params : make();
  const shift = oneBuffer ? span : 0;
  let at = lead;
  const tensors = lengths.map((length, i): TensorOptions & { length: number; at: number } => {
    const own = {
      at,
      length,
      name: `t${i}`,
      // Rules that see shapes have matrices to work on.
      shape: length % 10 === 0 ? [length / 10, 10] : [length],
      param: { buffer: params, offset: 4 * at },
      grad: { buffer: grads, offset: 4 * (at + shift) },
    };
    at += length + gap;
    return { ...own, ...groups[i] };
  });
  const write = (values: (i: number) => ArrayBufferView<ArrayBuffer>, toGrads = true) => {
    for (const [i, each] of tensors.entries()) {
      device.queue.writeBuffer(toGrads ? grads : params, 4 * (each.at + (toGrads ? shift : 0)), values(i));
    }
  };
  write((i) => randomFloats(lengths[i]!, 300 + i), false);
  return {
    device,
    options: (order ?? tensors.map((_, i) => i)).map((i) => {
      const { length: _length, at: _at, ...option } = tensors[i]!;
      return option as TensorOptions;
    }),
    setGrads: (step: number) => write((i) => randomFloats(lengths[i]!, 1000 * (step + 1) + i)),
    write,
    params: async () => {
      const all = await readFloats(device, { buffer: params, offset: 0, size });
      return tensors.map((each) => all.slice(each.at, each.at + each.length));
    },
    grads: async () => {
      const all = await readFloats(device, { buffer: grads, offset: 0, size });
      return tensors.map((each) => all.slice(each.at + shift, each.at + shift + each.length));
    },
    /** Everything that belongs to no tensor. */
    redZones: async () => {
      const out: number[] = [];
      for (const buffer of new Set([params, grads])) {
        const all = await readFloats(device, { buffer, offset: 0, size });
        const taken = new Set<number>();
        for (const each of tensors) {
          for (let k = 0; k < each.length; k++) {
            if (buffer === params) taken.add(each.at + k);
            if (buffer === grads) taken.add(each.at + shift + k);
          }
        }
        all.forEach((value, k) => {
          if (!taken.has(k)) out.push(value);
        });
      }
      return out;
    },
  };
}

async function make(
  rule: Rule,
  memory: Awaited<ReturnType<typeof makeMemory>>,
  options?: OptimizerOptions,
): Promise<Optimizer> {
  const optimizer = await createOptimizer(memory.device, rule, memory.options, options);
  made.push(optimizer);
  return optimizer;
}

function submit(device: GPUDevice, record: (encoder: GPUCommandEncoder) => void): void {
  const encoder = device.createCommandEncoder();
  record(encoder);
  device.queue.submit([encoder.finish()]);
}

async function train(layout: Layout, rule: Rule, steps: number, options?: OptimizerOptions) {
  const memory = await makeMemory(layout);
  const optimizer = await make(rule, memory, options);
  for (let step = 0; step < steps; step++) {
    memory.setGrads(step);
    submit(memory.device, (encoder) => optimizer.step(encoder));
  }
  return { memory, optimizer, params: await memory.params() };
}

/** Too far apart for one span. */
const ALIGNED: Layout = { lead: 0, gap: 1028 };
const PACKED: Layout = { lead: 3, gap: 0 };

describe.each(ruleNames)('%s', (name) => {
  const rule = resolveRule(rules, name);

  it('gives the same bits aligned, packed, in one buffer, reordered and recorded into a pass; red zones stay', async () => {
    const aligned = await train(ALIGNED, rule, 3);
    for (const layout of [
      PACKED,
      { ...PACKED, oneBuffer: true },
      { lead: 1, gap: 1 },
      { lead: 2, gap: 64, oneBuffer: true },
      { ...ALIGNED, order: [3, 1, 0, 5, 4, 2] },
    ]) {
      const { memory, params } = await train(layout, rule, 3);
      expect(params.map(bits)).toEqual(aligned.params.map(bits));
      expect((await memory.redZones()).every((value) => value === CANARY)).toBe(true);
    }
    expect(aligned.params[2]).not.toEqual(randomFloats(300, 302));
  });

  it.each(slotCases(name))('goes on from a state at step 3, on other memory, bit for bit: %o', async (options) => {
    const rule = resolveRule(rules, name, options);
    const whole = await train(PACKED, rule, 7);
    const half = await train(PACKED, rule, 3);
    const state = structuredClone(await half.optimizer.state());
    const memory = await makeMemory(ALIGNED);
    memory.write((i) => half.params[i]! as Float32Array<ArrayBuffer>, false);
    const optimizer = await make(rule, memory);
    optimizer.load(state);
    for (let step = 3; step < 7; step++) {
      memory.setGrads(step);
      submit(memory.device, (encoder) => optimizer.step(encoder));
    }
    expect((await memory.params()).map(bits)).toEqual(whole.params.map(bits));
    expect(await optimizer.read()).toMatchObject({ step: 7, count: 7 });
  });

  it('changes no byte in a skipped step', async () => {
    const { memory, optimizer, params } = await train(PACKED, rule, 2, { skipNonFinite: true });
    const before = await optimizer.state();
    for (const bad of [Number.NaN, Number.POSITIVE_INFINITY, -3e19]) {
      memory.setGrads(2);
      memory.device.queue.writeBuffer(
        (memory.options[2]!.grad as { buffer: GPUBuffer }).buffer,
        (memory.options[2]!.grad as { offset: number }).offset + 40,
        Float32Array.of(bad),
      );
      submit(memory.device, (encoder) => optimizer.step(encoder));
    }
    expect((await memory.params()).map(bits)).toEqual(params.map(bits));
    const after = await optimizer.state();
    expect(after.tensors).toEqual(before.tensors);
    expect(await optimizer.read()).toMatchObject({ step: 5, count: 2, skipped: 3, stopped: false });
  });
});

describe('dispatches', () => {
  const lecture = [78_400, 100, 10_000, 100, 10_000, 100, 10_000, 100, 1000, 10];

  it('are three for the lecture’s ten tensors in one arena, four with clipping or skipping', async () => {
    const memory = await makeMemory({ lead: 0, gap: 0, lengths: lecture });
    const plain = (await make(adam(), memory)).describe();
    // The clock, the vec4s of whole chunks, and the 50 elements behind them, which no vec4 fits.
    expect(plain).toMatchObject({ dispatches: 3, bytesPerStep: 28 * 109_810 });
    expect(Object.keys(plain.choice)).toEqual(['advance', 'update-0', 'update-0-rest']);
    expect(plain.hint).toBeUndefined();
    expect((await make(adam(), memory, { clip: { globalNorm: 1 } })).describe().dispatches).toBe(4);
    expect((await make(adam(), memory, { skipNonFinite: true, clip: { tensorNorm: 1 } })).describe().dispatches).toBe(
      4,
    );
    const padded = await makeMemory({ lead: 0, gap: 64, lengths: lecture });
    expect((await make(adam(), padded)).describe()).toMatchObject({ dispatches: 3, bytesPerStep: 28 * 109_810 });
    const apart = await makeMemory({ ...ALIGNED, lengths: lecture });
    // Alone, only the three of 10,000 have enough whole chunks, and a rest, for two dispatches.
    expect((await make(adam(), apart)).describe().dispatches).toBe(1 + 10 + 3);
  });

  it.each([
    ['muon', muon() as unknown as Rule, 20],
    ['shampoo', shampoo() as unknown as Rule, 86],
  ] as const)('of %s are as many for matrices of every shape as for one', async (_, rule, dispatches) => {
    const device = await testDevice();
    const describeOf = async (shapes: readonly number[][]) => {
      const tensors = shapes.map((shape, i) => {
        const buffer = () => {
          const size = 4 * shape.reduce((product, each) => product * each, 1);
          const own = device.createBuffer({ size, usage: USAGE });
          made.push(own);
          return own;
        };
        return { name: `t${i}`, shape, param: buffer(), grad: buffer() };
      });
      const one = await createOptimizer(device, rule, tensors);
      made.push(one);
      const own = one.describe().passes.map(({ label }) => label.split('/')[1]!);
      return own.filter((pass) => !/^(fetch|return)/.test(pass));
    };
    const net = [[784, 100], [100], [100, 100], [100], [100, 100], [100], [100, 100], [100], [100, 10], [10]];
    const passes = await describeOf(net);
    expect(passes).toHaveLength(dispatches);
    expect(await describeOf([[100, 10], [10]])).toEqual(passes);
    // Without the pass of biases.
    expect(await describeOf([[64, 64]])).toHaveLength(dispatches - 1);
  });

  it.each<OptimizerOptions>([{}, { clip: { tensorNorm: 1 }, accumulate: { steps: 2 } }])(
    'need the memory that describe says, to the byte: %o',
    async (options) => {
      const memory = await makeMemory({ lead: 0, gap: 0, lengths: lecture });
      let bytes = 0;
      const original = memory.device.createBuffer.bind(memory.device);
      Object.defineProperty(memory.device, 'createBuffer', {
        configurable: true,
        value: (descriptor: GPUBufferDescriptor) => {
          if (!descriptor.label?.includes('dummy')) bytes += descriptor.size;
          return original(descriptor);
        },
      });
      const { stateBytes } = (await make(adam(), memory, options)).describe();
      delete (memory.device as unknown as Record<string, unknown>).createBuffer;
      expect(stateBytes).toBe(bytes);
      expect(stateBytes).toBeGreaterThan((options.accumulate ? 12 : 8) * 109_810);
    },
  );

  it('are two for a hundred small tensors, however they are padded; many are told of', async () => {
    const ones = new Array<number>(100).fill(1);
    const padded = (await make(sgd(), await makeMemory({ lead: 0, gap: 3, lengths: ones }))).describe();
    expect(padded.dispatches).toBe(2);
    expect(padded.hint).toBeUndefined();
    const { dispatches, hint } = (await make(sgd(), await makeMemory({ ...ALIGNED, lengths: ones }))).describe();
    expect(dispatches).toBe(101);
    expect(hint).toMatch(/101 dispatches.*next to each other/);
  });

  it('create, submit and map nothing, and upload once per 256 steps', async () => {
    const memory = await makeMemory(PACKED);
    const optimizer = await make(adam(), memory, { clip: { globalNorm: 1 } });
    submit(memory.device, (encoder) => optimizer.step(encoder));
    const { queue } = memory.device;
    const writes: number[] = [];
    const original = queue.writeBuffer.bind(queue);
    Object.defineProperty(queue, 'writeBuffer', {
      configurable: true,
      value: (...args: Parameters<typeof original>) => {
        writes.push(1);
        original(...args);
      },
    });
    const { counts, restore } = countCreations(memory.device);
    const encoder = memory.device.createCommandEncoder();
    const pass = encoder.beginComputePass();
    for (let i = 0; i < 600; i++) optimizer.step(pass);
    pass.end();
    restore();
    delete (queue as unknown as Record<string, unknown>).writeBuffer;
    memory.device.queue.submit([encoder.finish()]);
    expect(counts).toEqual({ createCommandEncoder: 1 });
    expect(writes).toHaveLength(2);
    expect(await optimizer.read()).toMatchObject({ step: 601, count: 601 });
  });

  it('may be recorded thousands of times before a submit', async () => {
    const one = await makeMemory({ lead: 0, gap: 0, lengths: [3] });
    const optimizer = await make(adam({ lr: (count) => 1e-3 / (1 + count) }), one);
    one.setGrads(0);
    const ahead = optimizer.describe().stepsAhead;
    submit(one.device, (encoder) => {
      const pass = encoder.beginComputePass();
      for (let i = 0; i < ahead; i++) optimizer.step(pass);
      pass.end();
    });
    expect(await optimizer.read()).toMatchObject({ step: ahead, count: ahead, lr: 1e-3 / (1 + ahead) });
  });
});

describe('groups', () => {
  it('in packed memory give the bits of separate optimizers, in one dispatch', async () => {
    const group = (i: number) => (i % 2 ? { group: { weightDecay: 0, lr: 0.01 } } : undefined);
    const rule = adamw({ lr: 0.1, weightDecay: 0.3 });
    const { params, optimizer } = await train({ ...PACKED, groups: LENGTHS.map((_, i) => group(i)) }, rule, 4);
    expect(optimizer.describe().dispatches).toBe(2);
    const big = await train(PACKED, rule, 4);
    const small = await train(PACKED, adamw({ lr: 0.01, weightDecay: 0 }), 4);
    for (const [i, values] of params.entries()) expect(bits(values)).toEqual(bits((i % 2 ? small : big).params[i]!));
  });

  it('leave frozen tensors as they are', async () => {
    const { params } = await train(
      { ...PACKED, groups: [undefined, { frozen: true }, undefined, { frozen: true }] },
      sgd({ lr: 0.1 }),
      2,
    );
    const free = await train(PACKED, sgd({ lr: 0.1 }), 2);
    for (const i of [1, 3]) expect(bits(params[i]!)).toEqual(bits(randomFloats(LENGTHS[i]!, 300 + i)));
    for (const i of [0, 2, 4, 5]) expect(bits(params[i]!)).toEqual(bits(free.params[i]!));
  });

  it('split a tensor in two without changing a bit', async () => {
    const whole = await makeMemory({ lead: 5, gap: 0, lengths: [700] });
    const parts = await makeMemory({ lead: 5, gap: 0, lengths: [333, 367] });
    const both = [await make(adam(), whole), await make(adam(), parts)];
    const values = randomFloats(700, 1);
    const slopes = randomFloats(700, 2);
    const half = (all: Float32Array<ArrayBuffer>) => (i: number) => (i === 0 ? all.slice(0, 333) : all.slice(333));
    whole.write(() => values, false);
    parts.write(half(values), false);
    for (const [memory, optimizer] of [
      [whole, both[0]!],
      [parts, both[1]!],
    ] as const) {
      memory.write(memory === whole ? () => slopes : half(slopes));
      submit(memory.device, (encoder) => optimizer.step(encoder));
    }
    const [[all], split] = [await whole.params(), await parts.params()];
    expect(bits(all!)).toEqual([...bits(split[0]!), ...bits(split[1]!)]);
  });
});

/** SGD at rate 1 shows the gradient as it arrived: the change of the parameter. */
async function effective(
  options: OptimizerOptions,
  gradient: (i: number) => Float32Array<ArrayBuffer>,
  layout: Layout = PACKED,
) {
  const memory = await makeMemory(layout);
  memory.write((i) => new Float32Array((layout.lengths ?? LENGTHS)[i]!), false);
  const optimizer = await make(sgd({ lr: 1 }), memory, options);
  memory.write(gradient);
  submit(memory.device, (encoder) => optimizer.step(encoder));
  return { gradients: (await memory.params()).map((values) => values.map((value) => -value)), optimizer, memory };
}

const norm = (lists: readonly Float32Array[]) =>
  Math.sqrt(lists.reduce((sum, list) => sum + list.reduce((s, v) => s + v * v, 0), 0));

describe('gradients', () => {
  const slopes = LENGTHS.map((length, i) => randomFloats(length, 500 + i).map((v) => 3 * v));

  it('are clipped by value', async () => {
    const { gradients } = await effective({ clip: { value: 0.75 } }, (i) => slopes[i]!);
    for (const [i, list] of gradients.entries())
      expect([...list]).toEqual([...slopes[i]!].map((v) => Math.min(Math.max(v, -0.75), 0.75)));
  });

  it('show NaN and infinities where nothing is clipped or skipped, and NaN even where it is clipped', async () => {
    const odd = Float32Array.of(Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 3e19, 0.5);
    const layout: Layout = { lead: 1, gap: 0, lengths: [5] };
    const plain = await effective({}, () => odd, layout);
    expect([...plain.gradients[0]!]).toEqual([...odd]);
    const clipped = await effective({ clip: { value: 2 } }, () => odd, layout);
    expect([...clipped.gradients[0]!]).toEqual([Number.NaN, 2, -2, 2, 0.5]);
  });

  it.each(['pytorch', 'optax'] as const)('are clipped by the global norm, %s’s way', async (convention) => {
    const n = norm(slopes);
    const { gradients, optimizer } = await effective({ clip: { globalNorm: 0.5, convention } }, (i) => slopes[i]!);
    const factor = convention === 'pytorch' ? 0.5 / (n + 1e-6) : 0.5 / n;
    for (const [i, list] of gradients.entries())
      for (const [k, value] of list.entries())
        expect(Math.abs(value - slopes[i]![k]! * factor)).toBeLessThan(1e-6 * 0.5);
    // The norm of 500 squares: 4 units in the last place.
    expect((await optimizer.read()).gradNorm! / n).toBeCloseTo(1, 6);
    const whole = await effective({ clip: { globalNorm: 1e6, convention } }, (i) => slopes[i]!);
    for (const [i, list] of whole.gradients.entries()) expect(bits(list)).toEqual(bits(slopes[i]!));
  });

  it.each([
    ['1e-25', 1e-25, 1],
    ['1e-34: smaller ones, with parts below 2^-126, may count as 0', 1e-34, 1],
    ['1e-12, whose squares f32 holds', 1e-12, 1],
    ['1e-25 in integers', 1e-25, 2 ** -100],
  ])('of %s have a norm, and are clipped to one', async (_, magnitude, unit) => {
    const tiny = slopes.map((list) => list.map((v) => (unit === 1 ? v * magnitude : Math.fround(Math.round(v * 1e5)))));
    const given = unit === 1 ? tiny : tiny.map((list) => new Float32Array(Int32Array.from(list).buffer));
    const n =
      norm(tiny.map((list) => list.map((v) => v * (unit === 1 ? 1 / magnitude : 1)))) * (unit === 1 ? magnitude : unit);
    const options: OptimizerOptions = {
      clip: { globalNorm: n / 4, convention: 'optax' },
      ...(unit !== 1 && { gradients: { fixed: unit } }),
    };
    const { gradients, optimizer } = await effective(options, (i) => given[i]! as Float32Array<ArrayBuffer>);
    expect((await optimizer.read()).gradNorm! / n).toBeCloseTo(1, 5);
    for (const [i, list] of gradients.entries())
      for (const [k, value] of list.entries())
        expect(Math.abs(value - (tiny[i]![k]! * unit) / 4) / n).toBeLessThan(1e-6);
  });

  it('that are small beside others do not change the norm: the plain sum’s bits', async () => {
    const layout: Layout = { lead: 0, gap: 0, lengths: [3, 2] };
    const mixed = [Float32Array.of(3, 1e-25, 4), Float32Array.of(1e-20, 0)];
    const { optimizer } = await effective({ skipNonFinite: true }, (i) => mixed[i]!, layout);
    expect((await optimizer.read()).gradNorm).toBe(5);
  });

  it('are clipped by the norm of each tensor', async () => {
    const { gradients } = await effective({ clip: { tensorNorm: 0.5 } }, (i) => slopes[i]!);
    for (const [i, list] of gradients.entries()) {
      const factor = Math.min(1, 0.5 / (norm([slopes[i]!]) + 1e-6));
      for (const [k, value] of list.entries())
        expect(Math.abs(value - slopes[i]![k]! * factor)).toBeLessThan(1e-6 * 0.5);
    }
  });

  it('are scaled, cleared, and read as fixed-point integers', async () => {
    const integers = LENGTHS.map((length, i) =>
      Int32Array.from(slopes[i]!.subarray(0, length), (v) => Math.round(v * 65_536)),
    );
    const asFloats = (i: number) => new Float32Array(integers[i]!.buffer);
    const { gradients, memory } = await effective(
      { gradients: { fixed: 2 ** -16 }, gradScale: 0.5, zeroGrad: true },
      asFloats,
    );
    for (const [i, list] of gradients.entries())
      expect([...list]).toEqual([...integers[i]!].map((v) => Math.fround((v * 2 ** -16) / 2)));
    expect((await memory.grads()).every((list) => bits(list).every((word) => word === 0))).toBe(true);
    expect((await memory.redZones()).every((value) => value === CANARY)).toBe(true);
  });

  it.each([1, 2])(
    'are cleared with padding between them, over %d micro-steps, and the padding is not',
    async (steps) => {
      const memory = await makeMemory({ lead: 1, gap: 5 });
      const optimizer = await make(sgd(), memory, { zeroGrad: true, accumulate: { steps } });
      memory.setGrads(0);
      submit(memory.device, (encoder) => optimizer.step(encoder));
      expect((await memory.grads()).every((list) => list.every((value) => value === 0))).toBe(true);
      expect((await memory.redZones()).every((value) => value === CANARY)).toBe(true);
    },
  );

  it.each(['sum', 'mean'] as const)('accumulate over micro-steps (%s), clipped as a whole', async (reduce) => {
    const memory = await makeMemory(PACKED);
    memory.write((i) => new Float32Array(LENGTHS[i]!), false);
    const optimizer = await make(sgd({ lr: 1 }), memory, {
      accumulate: { steps: 3, reduce },
      clip: { globalNorm: 2 },
      zeroGrad: true,
    });
    for (let update = 0; update < 2; update++) {
      for (let micro = 0; micro < 3; micro++) {
        const before = await memory.params();
        memory.write((i) => slopes[i]!.map((v) => v * (micro + 1)));
        submit(memory.device, (encoder) => optimizer.step(encoder));
        const after = await memory.params();
        if (micro < 2) expect(after.map(bits)).toEqual(before.map(bits));
      }
    }
    const total = slopes.map((list) => list.map((v) => (reduce === 'sum' ? 6 * v : 2 * v)));
    const factor = 2 / (norm(total) + 1e-6);
    for (const [i, list] of (await memory.params()).entries()) {
      for (const [k, value] of list.entries()) expect(Math.abs(value + 2 * total[i]![k]! * factor)).toBeLessThan(4e-6);
    }
    expect(await optimizer.read()).toMatchObject({ step: 6, count: 2, skipped: 0 });
  });

  it('that are unusable too often stop the optimizer until a state is loaded', async () => {
    const { memory, optimizer } = await train(PACKED, sgd({ lr: 0.1 }), 1, { skipNonFinite: { atMost: 2 } });
    const state = await optimizer.state();
    const before = (await memory.params()).map(bits);
    memory.write((i) => new Float32Array(LENGTHS[i]!).fill(Number.NaN));
    for (let i = 0; i < 2; i++) submit(memory.device, (encoder) => optimizer.step(encoder));
    memory.setGrads(1);
    submit(memory.device, (encoder) => optimizer.step(encoder));
    expect(await optimizer.read()).toMatchObject({ step: 4, count: 1, skipped: 2, stopped: true });
    expect((await memory.params()).map(bits)).toEqual(before);
    optimizer.load(state);
    submit(memory.device, (encoder) => optimizer.step(encoder));
    expect(await optimizer.read()).toMatchObject({ count: 2, stopped: false });
    expect((await memory.params()).map(bits)).not.toEqual(before);
  });

  it('are unusable when their squares overflow; a norm that cannot be computed cannot be clipped to', async () => {
    const layout: Layout = { lead: 1, gap: 0, lengths: [4] };
    const large = new Float32Array(4).fill(9.5e18);
    const skipping = await effective({ skipNonFinite: true }, () => large, layout);
    expect(bits(skipping.gradients[0]!.map((value) => -value))).toEqual([0, 0, 0, 0]);
    expect(await skipping.optimizer.read()).toMatchObject({ step: 1, count: 0, skipped: 1, stopped: false });
    const clipping = await effective({ clip: { globalNorm: 1 } }, () => Float32Array.of(3e19, 0.1, 0, 0), layout);
    expect(await clipping.optimizer.read()).toMatchObject({ step: 1, count: 0, skipped: 1, stopped: false });
  });

  it('that are unusable do not cancel in accumulation', async () => {
    const memory = await makeMemory({ lead: 0, gap: 0, lengths: [3] });
    const before = await memory.params();
    const optimizer = await make(sgd({ lr: 1 }), memory, { accumulate: { steps: 2 }, skipNonFinite: true });
    for (const bad of [2e19, -2e19, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
      memory.write(() => Float32Array.of(0.5, bad, 0.5));
      submit(memory.device, (encoder) => optimizer.step(encoder));
    }
    expect(await optimizer.read()).toMatchObject({ step: 4, count: 0, skipped: 2 });
    expect((await memory.params()).map(bits)).toEqual(before.map(bits));
    // The sum is spent: what follows is whole again.
    memory.write(() => Float32Array.of(1, 1, 1));
    for (let i = 0; i < 2; i++) submit(memory.device, (encoder) => optimizer.step(encoder));
    expect([...(await memory.params())[0]!]).toEqual([...before[0]!].map((value) => Math.fround(value - 2)));
  });

  it('stay exact when every second of 20,000 steps is skipped, read now and then while steps go on', async () => {
    const memory = await makeMemory({ lead: 0, gap: 0, lengths: [5] });
    const lr = (count: number) => 1e-3 / (1 + count / 100);
    const optimizer = await make(adam({ lr }), memory, { skipNonFinite: true });
    // One step that is never submitted: it must not upset the count of the rest.
    optimizer.step(memory.device.createCommandEncoder());
    const reference = (referenceRules as Readonly<Record<string, ReferenceRule>>).adam!;
    const [start] = await memory.params();
    const param = Float64Array.from(start!);
    const state = referenceState(reference, 5);
    const slope = randomFloats(5, 9);
    const bad = new Float32Array(5).fill(Number.NaN);
    let reads = Promise.resolve();
    for (let step = 0; step < 20_000; step++) {
      memory.write(() => (step % 2 ? slope : bad));
      submit(memory.device, (encoder) => optimizer.step(encoder));
      if (step % 2)
        reference.update(param, Float64Array.from(slope), state, (step + 1) / 2, { lr: lr((step - 1) / 2) });
      if (step % 1000 === 999) {
        // The read before, not this one: it resolves while steps go on, and the GPU is never further behind than rows reach.
        const before = reads;
        reads = optimizer.read().then(({ skipped }) => expect(skipped).toBeGreaterThan(0));
        await before;
      }
    }
    await reads;
    expect(await optimizer.read()).toMatchObject({ step: 20_000, count: 10_000, skipped: 10_000, stopped: false });
    const [actual] = await memory.params();
    // 10,000 roundings of a parameter below 1.
    for (const [i, value] of actual!.entries()) expect(Math.abs(value - param[i]!)).toBeLessThan(10_000 * 2 ** -25);
  });

  it('recorded and never submitted are no steps, however many, while `read` is called now and then', async () => {
    const memory = await makeMemory({ lead: 0, gap: 0, lengths: [2] });
    memory.setGrads(1);
    const optimizer = await make(rules.nadam(), memory);
    const most = optimizer.describe().stepsAhead;
    let step = 0;
    for (const dropped of [most / 2, most / 2, most / 2, 3 * most, 10]) {
      const encoder = memory.device.createCommandEncoder();
      const pass = encoder.beginComputePass();
      for (let i = 0; i < dropped; i++) optimizer.step(pass);
      expect(await optimizer.read()).toMatchObject({ step });
      submit(memory.device, (own) => optimizer.step(own));
      expect(await optimizer.read()).toMatchObject({ step: ++step, count: step });
    }
  });

  it('skipped further than rows reach are left out, flagged, and cost nothing: a state goes on', async () => {
    const lengths = [2];
    const memory = await makeMemory({ lead: 0, gap: 0, lengths });
    const optimizer = await make(adam(), memory, { skipNonFinite: { atMost: 2 ** 31 } });
    const state = await optimizer.state();
    const before = (await memory.params()).map(bits);
    memory.write(() => Float32Array.of(Number.NaN, 1));
    const most = optimizer.describe().stepsAhead;
    submit(memory.device, (encoder) => {
      const pass = encoder.beginComputePass();
      for (let i = 0; i < most + 512; i++) optimizer.step(pass);
      pass.end();
    });
    memory.setGrads(1);
    submit(memory.device, (encoder) => optimizer.step(encoder));
    await expect(optimizer.read()).rejects.toMatchObject({ code: 'RUN-AHEAD' });
    expect((await memory.params()).map(bits)).toEqual(before);
    optimizer.load(state);
    submit(memory.device, (encoder) => optimizer.step(encoder));
    expect(await optimizer.read()).toMatchObject({ step: 1, count: 1 });
    expect((await memory.params()).map(bits)).not.toEqual(before);
  });
});

describe('set', () => {
  it('holds for every step submitted after the call, also one recorded before it', async () => {
    const memory = await makeMemory({ lead: 0, gap: 0, lengths: [4] });
    memory.write(() => new Float32Array(4), false);
    memory.write(() => new Float32Array(4).fill(1));
    const optimizer = await make(sgd({ lr: 1 }), memory);
    submit(memory.device, (encoder) => optimizer.step(encoder));
    const encoder = memory.device.createCommandEncoder();
    optimizer.step(encoder);
    optimizer.set({ lr: 0.25 });
    memory.device.queue.submit([encoder.finish()]);
    submit(memory.device, (next) => optimizer.step(next));
    expect([...(await memory.params())[0]!]).toEqual([-1.5, -1.5, -1.5, -1.5]);
    expect((await optimizer.read()).lr).toBe(0.25);
  });

  it('follows a plateau that was told of a metric, from the next step on', async () => {
    const memory = await makeMemory({ lead: 0, gap: 0, lengths: [4] });
    memory.write(() => new Float32Array(4), false);
    memory.write(() => new Float32Array(4).fill(1));
    const lr = plateau(1, { factor: 0.5, patience: 0 });
    const optimizer = await make(sgd({ lr }), memory);
    submit(memory.device, (encoder) => optimizer.step(encoder));
    lr.report(3);
    lr.report(3);
    submit(memory.device, (encoder) => optimizer.step(encoder));
    expect([...(await memory.params())[0]!]).toEqual([-1.5, -1.5, -1.5, -1.5]);
  });

  it('changes the groups of the tensors named, or all by a factor', async () => {
    const memory = await makeMemory({
      lead: 0,
      gap: 0,
      lengths: [2, 2, 2],
      groups: [undefined, { group: { lr: 0.5 } }],
    });
    memory.write(() => new Float32Array(2), false);
    memory.write(() => new Float32Array(2).fill(1));
    const optimizer = await make(sgd({ lr: 1 }), memory);
    const step = async () => {
      submit(memory.device, (encoder) => optimizer.step(encoder));
      return (await memory.params()).map((values) => values[0]);
    };
    optimizer.set({ lr: 0.25 }, ['t1']);
    expect(await step()).toEqual([-1, -0.25, -1]);
    optimizer.set({ lr: scale(0.5) });
    expect(await step()).toEqual([-1.5, -0.375, -1.5]);
    optimizer.set({ lr: 2 }, ['t0', 't2']);
    expect(await step()).toEqual([-3.5, -0.5, -3.5]);
    // Both of a group, or neither.
    expect(() => optimizer.set({ lr: 1 }, ['t0'])).toThrow(expect.objectContaining({ code: 'OPTION-RANGE' }));
    expect(await step()).toEqual([-5.5, -0.625, -5.5]);
  });

  it('keeps NAdam’s product of the past; a state has it, and goes on as quickly after 5,000,000 updates', async () => {
    const memory = await makeMemory({ lead: 0, gap: 0, lengths: [4] });
    const optimizer = await make(rules.nadam({ lr: 0.1, betas: [0.9, 0.999] }), memory);
    const reference = (referenceRules as Readonly<Record<string, ReferenceRule>>).nadam!;
    const param = Float64Array.from((await memory.params())[0]!);
    const slots = { ...referenceState(reference, 4), mu_product: Float64Array.of(1) };
    const beta1 = (count: number) => (count < 5 ? 0.9 : 0.5);
    const step = async (count: number) => {
      memory.setGrads(count);
      submit(memory.device, (encoder) => optimizer.step(encoder));
      const settings = { lr: 0.1, betas: [beta1(count), 0.999] };
      reference.update(param, Float64Array.from(randomFloats(4, 1000 * (count + 1))), slots, count + 1, settings);
      for (const [i, value] of (await memory.params())[0]!.entries())
        expect(Math.abs(value - param[i]!)).toBeLessThan(1e-5);
    };
    for (let count = 0; count < 5; count++) await step(count);
    optimizer.set({ betas: [0.5, 0.999] });
    for (let count = 5; count < 10; count++) await step(count);
    const state = await optimizer.state();
    expect(state).toMatchObject({ version: 1, carries: [{ tensors: ['t0'], value: expect.any(Number) }] });
    for (const count of [1_000_000, 5_000_000]) {
      const since = performance.now();
      optimizer.load({ ...state, count, step: count });
      submit(memory.device, (encoder) => optimizer.step(encoder));
      optimizer.set({ betas: [0.9, 0.99] });
      submit(memory.device, (encoder) => optimizer.step(encoder));
      // 256 records each: a millisecond. Going through the past took a second, and nine.
      expect(performance.now() - since).toBeLessThan(200);
      expect(await optimizer.read()).toMatchObject({ count: count + 2 });
    }
  });

  it('refuses what the rule refuses, and state it was made without', async () => {
    const memory = await makeMemory({ lead: 0, gap: 0, lengths: [4] });
    const optimizer = await make(sgd({ lr: 1 }), memory);
    expect(() => optimizer.set({ lr: Number.NaN })).toThrow(expect.objectContaining({ code: 'HYPER-RANGE' }));
    expect(() => optimizer.set({ learningRate: 1 })).toThrow(expect.objectContaining({ code: 'HYPER-UNKNOWN' }));
    expect(() => optimizer.set({ momentum: 0.9 })).toThrow(expect.objectContaining({ code: 'OPTION-RANGE' }));
    expect(() => optimizer.set({ convention: 'keras' })).toThrow(expect.objectContaining({ code: 'OPTION-RANGE' }));
    const started = await make(rules.adagrad(), memory);
    expect(() => started.set({ initialAccumulatorValue: 0.5 })).toThrow(
      expect.objectContaining({ code: 'OPTION-RANGE' }),
    );
    started.set({ lr: 0.5 });
  });
});
