import { afterEach, describe, expect, it } from 'vitest';
import type { TensorOptions } from '../../src/optim/adopt.js';
import { createOptimizer } from '../../src/optim/optimizer.js';
import type { OptimizerOptions, StateEncoding } from '../../src/optim/optimizer-options.js';
import { type Rule, type RuleRow, resolveRule } from '../../src/optim/rule.js';
import { rules } from '../../src/optim/rules.gen.js';
import { lookahead } from '../../src/optim/wrappers/lookahead.js';
import { randomFloats, readFloats, testDevice } from '../support/gpu.js';
import { ruleNames, slotCases } from '../support/rule-cases.js';

/*
 * Every rule whose state may lie in fewer bytes, beside itself with f32 state; and that state's memory: saved, moved, left alone.
 * How single values are rounded is in encode.test.ts.
 */

const { adam, adan, lion, sgd } = rules;
const USAGE = 0x80 | 0x04 | 0x08; // STORAGE | COPY_SRC | COPY_DST
/** Blocks of 256 whole and in part, tails that no vec4 fits. */
const LENGTHS = [4096, 1, 515, 30, 7, 256];
/** Of the tensors' gradients: their state is of its own magnitude each. */
const SCALES = [1, 2 ** 20, 2 ** -20, 2 ** 40, 2 ** -40, 1];
const STEPS = [1, 2, 3, 10, 25];
const CANARY = 12345.5;

const made: { destroy(): void }[] = [];
afterEach(() => {
  for (const each of made.splice(0)) each.destroy();
});

interface Layout {
  /** Floats in front of each tensor's parameters, and of its gradients. */
  readonly param: number;
  readonly grad: number;
  /** Both in one buffer. */
  readonly one?: boolean;
}
/** All on boundaries of vec4s; all off them; as far off in both; bindings that would overlap. */
const LAYOUTS: Readonly<Record<string, Layout>> = {
  aligned: { param: 0, grad: 0 },
  'off boundaries': { param: 1, grad: 3 },
  'in one buffer': { param: 2, grad: 2, one: true },
};

const lengthsOf = (options: { readonly lengths?: readonly number[] }) => options.lengths ?? LENGTHS;

/** An optimizer on a caller's memory, canaries around its tensors. */
async function makeCase(
  rule: Rule,
  options: OptimizerOptions,
  layout: Layout = LAYOUTS.aligned!,
  given: { readonly lengths?: readonly number[]; readonly frozen?: number } = {},
) {
  const device = await testDevice();
  const lengths = lengthsOf(given);
  const padded = (length: number) => Math.ceil(length / 4) * 4 + 4;
  const size = lengths.reduce((sum, length) => sum + padded(length), 0) + 8;
  const make = (floats: number) => {
    const buffer = device.createBuffer({ size: 4 * floats, usage: USAGE });
    made.push(buffer);
    device.queue.writeBuffer(buffer, 0, new Float32Array(floats).fill(CANARY));
    return buffer;
  };
  const params = make(layout.one ? 2 * size : size);
  const grads = layout.one ? params : make(size);
  let at = 0;
  const tensors = lengths.map((length, i): TensorOptions => {
    const own = {
      name: `t${i}`,
      shape: [length],
      param: { buffer: params, offset: 4 * (at + layout.param) },
      grad: { buffer: grads, offset: 4 * (at + layout.grad + (layout.one ? size : 0)) },
      ...(given.frozen === i && { frozen: true }),
    };
    at += padded(length);
    return own;
  });
  const optimizer = await createOptimizer(device, rule, tensors, options);
  made.push(optimizer);
  const write = (which: 'param' | 'grad', values: (i: number) => Float32Array<ArrayBuffer>) => {
    for (const [i, tensor] of tensors.entries()) {
      const { buffer, offset } = tensor[which] as { buffer: GPUBuffer; offset: number };
      device.queue.writeBuffer(buffer, offset, values(i));
    }
  };
  write('param', startOf(lengths));
  return {
    device,
    optimizer,
    tensors,
    step: (gradient: (i: number) => Float32Array<ArrayBuffer>) => {
      write('grad', gradient);
      const encoder = device.createCommandEncoder();
      optimizer.step(encoder);
      device.queue.submit([encoder.finish()]);
    },
    params: async (): Promise<Float32Array[]> => {
      const all = await readFloats(device, { buffer: params, offset: 0, size: params.size });
      return tensors.map(({ param }, i) => {
        const { offset } = param as { offset: number };
        return all.slice(offset / 4, offset / 4 + lengths[i]!);
      });
    },
    /** What lies around the tensors. */
    around: async () => {
      const all = await readFloats(device, { buffer: params, offset: 0, size: params.size });
      for (const tensor of tensors) {
        for (const { buffer, offset } of [tensor.param, tensor.grad] as { buffer: GPUBuffer; offset: number }[])
          if (buffer === params) all.fill(CANARY, offset / 4, offset / 4 + tensor.shape[0]!);
      }
      return all;
    },
  };
}

/** Of a step, from 1: with zeros, scaled. */
const gradientOf =
  (step: number, lengths: readonly number[] = LENGTHS, scales: readonly number[] = SCALES) =>
  (i: number) =>
    randomFloats(lengths[i]!, 1000 + 100 * i + step).map((g, j) => (j % 7 === 3 ? 0 : (g + 0.25) * scales[i]!));

async function trace(
  rule: Rule,
  options: OptimizerOptions,
  { layout, steps = STEPS }: { layout?: Layout; steps?: readonly number[] } = {},
): Promise<Float32Array[][]> {
  const own = await makeCase(rule, options, layout);
  const seen: Float32Array[][] = [];
  for (let step = 1; step <= Math.max(...steps); step++) {
    own.step(gradientOf(step));
    if (steps.includes(step)) seen.push(await own.params());
  }
  own.optimizer.destroy();
  return seen;
}

const rms = (values: Iterable<number>) => {
  let [sum, n] = [0, 0];
  for (const value of values) {
    sum += value * value;
    n++;
  }
  return Math.sqrt(sum / n);
};

/**
 * How far parameters may be from those with f32 state, of how far they moved, as root mean square over a tensor. Rounding is within a
 * step of the encoding: 2^-7 of a value in bf16, 2^-10 in f16; in 8 bits 1/64 of the block's largest magnitude for a first moment,
 * and for what is far below that as large as the value. Errors of a moment stay for 1 / (1 - beta) steps and add up at random, and
 * SGD's way and back cancel. Found were at most 0.025, 0.003 and 0.19; a moment that is not kept makes 0.3 and more.
 * A rule of signs turns a whole step around where the sum is near 0.
 */
const TOLERANCES: Readonly<Record<Exclude<StateEncoding, 'f32'>, number>> = { bf16: 0.04, f16: 0.005, '8bit': 0.25 };
const SIGNS = ['lion', 'signum'];
/** As small as gradients, so that SGD moves them by more than their rounding. */
const startOf = (lengths: readonly number[]) => (i: number) =>
  randomFloats(lengths[i]!, 50 + i).map((p) => p * Math.min(SCALES[i]!, 1));
const START = LENGTHS.map((_, i) => startOf(LENGTHS)(i));
/**
 * What an L2 penalty makes of a weight without a gradient is lost in 8 bits: its second moment is nine decades below the block's
 * largest, a map has seven. With f32 state Adam moves that weight as far as any other.
 */
const isPenalty = ({ hyper }: Rule) => hyper.weightDecay !== 0 && hyper.decoupledWeightDecay !== true;

const row = (name: string) => (rules as unknown as Readonly<Record<string, { readonly row: RuleRow }>>)[name]!.row;
const smallRules = ruleNames.filter((name) => row(name).encodings);
/** Settings whose slots may all be small, and are some. */
const smallCases = (name: string) =>
  slotCases(name)
    .map((options) => resolveRule(rules, name, options))
    .filter(({ row: own, hyper }) => {
      const slots = own.slots(hyper);
      return slots.length > 0 && slots.every((slot) => Object.hasOwn(own.encodings!, slot));
    })
    .slice(0, 2);

function compare(rule: Rule, encoding: Exclude<StateEncoding, 'f32'>, exact: Float32Array[][], seen: Float32Array[][]) {
  const found: string[] = [];
  for (const [k, step] of STEPS.entries()) {
    for (const [i, length] of LENGTHS.entries()) {
      if (length < 30) continue; // too few for a mean
      const moved = rms(exact[k]![i]!.map((p, j) => p - START[i]![j]!));
      const off = rms(exact[k]![i]!.map((p, j) => p - seen[k]![i]![j]!));
      const tolerance = SIGNS.includes(rule.row.name) ? 2 * Math.sqrt(TOLERANCES[encoding]) : TOLERANCES[encoding];
      if (!(off <= tolerance * moved)) found.push(`${step} steps, tensor ${i}: ${off / moved}`);
    }
  }
  return found;
}

describe.each(smallRules)('%s', (name) => {
  const exacts = new Map<Rule, Promise<Float32Array[][]>>();
  const cases = smallCases(name);
  it.each(['bf16', '8bit'] as const)('moves as with f32 state: %s', async (state) => {
    for (const rule of cases) {
      if (state === '8bit' && isPenalty(rule)) continue;
      if (!exacts.has(rule)) exacts.set(rule, trace(rule, {}));
      const exact = (await exacts.get(rule))!;
      const seen = await trace(rule, { state });
      expect(compare(rule, state, exact, seen), JSON.stringify(rule.hyper)).toEqual([]);
      // The first update is made before anything was rounded.
      const starts = rule.row.slots(rule.hyper).some((slot) => rule.row.initial?.(slot, rule.hyper));
      if (!starts) expect(seen[0]).toEqual(exact[0]);
    }
  });
});

it('moves as with f32 state: f16', async () => {
  for (const rule of [adam(), adan()] as Rule[])
    expect(compare(rule, 'f16', await trace(rule, {}), await trace(rule, { state: 'f16' }))).toEqual([]);
});

describe.each(['bf16', 'f16', '8bit'] as const)('%s', (state) => {
  it('has the same bits wherever the memory is, and changes none beside it', async () => {
    const rule = adam({ lr: 0.01 }) as Rule;
    const steps = [6];
    const [aligned] = await trace(rule, { state }, { steps });
    for (const layout of Object.values(LAYOUTS)) {
      const own = await makeCase(rule, { state }, layout);
      const before = await own.around();
      for (let step = 1; step <= 6; step++) own.step(gradientOf(step));
      expect(await own.params()).toEqual(aligned);
      expect(await own.around()).toEqual(before);
      own.optimizer.destroy();
    }
  });

  it('goes on from a saved state, bit for bit, on other memory', async () => {
    const rule = adam({ lr: 0.01, amsgrad: true }) as Rule;
    const [whole] = await trace(rule, { state }, { steps: [8] });
    const first = await makeCase(rule, { state });
    for (let step = 1; step <= 4; step++) first.step(gradientOf(step));
    const saved = structuredClone(await first.optimizer.state());
    const params = await first.params();
    const second = await makeCase(rule, { state }, LAYOUTS['off boundaries']!);
    second.optimizer.load(saved);
    for (const [i, { param }] of second.tensors.entries()) {
      const { buffer, offset } = param as { buffer: GPUBuffer; offset: number };
      second.device.queue.writeBuffer(buffer, offset, params[i]! as Float32Array<ArrayBuffer>);
    }
    for (let step = 5; step <= 8; step++) second.step(gradientOf(step));
    expect(await second.params()).toEqual(whole);
    expect(await second.optimizer.state()).toMatchObject({ step: 8, packed: { encoding: state } });
  });

  it('rounds by seed and update alone', async () => {
    const rule = lion({ lr: 0.01 }) as Rule;
    const words = async (seed: number) => {
      const own = await makeCase(rule, { state, seed });
      for (let step = 1; step <= 3; step++) own.step(gradientOf(step));
      const { packed } = await own.optimizer.state();
      return packed!.words['exp_avg.t0']!;
    };
    expect(await words(1)).toEqual(await words(1));
    expect(await words(2)).not.toEqual(await words(1));
  });

  it('leaves everything as it is without a gradient, and in a step that is left out', async () => {
    const rule = adam({ lr: 0.01 }) as Rule;
    const own = await makeCase(rule, { state, skipNonFinite: true, zeroGrad: true }, LAYOUTS.aligned, { frozen: 3 });
    const zeros = (i: number) => new Float32Array(LENGTHS[i]!);
    own.step(zeros);
    expect(await own.params()).toEqual(START);
    const { packed } = await own.optimizer.state();
    expect(Object.keys(packed!.words).some((name) => name.endsWith('.t3'))).toBe(false);
    for (const [name, words] of Object.entries(packed!.words))
      if (!name.startsWith('scale')) expect(words.every((word) => word === 0)).toBe(true);
    own.step(gradientOf(1));
    const moved = await own.params();
    const before = (await own.optimizer.state()).packed;
    own.step((i) => zeros(i).fill(Number.NaN));
    expect(await own.params()).toEqual(moved);
    expect((await own.optimizer.state()).packed).toEqual(before);
    expect(await own.optimizer.read()).toMatchObject({ step: 3, count: 2, skipped: 1 });
    expect(moved[3]).toEqual(START[3]);
  });

  it('takes the gradients of a step from other buffers, some tensors’ from each, and wrappers around it', async () => {
    const rule = adam({ lr: 0.01 }) as Rule;
    const options = { state, wrappers: [lookahead({ k: 2, alpha: 0.5 })] };
    const [own, other] = [await makeCase(rule, options), await makeCase(rule, options)];
    const buffers = LENGTHS.map((length) => {
      const buffer = own.device.createBuffer({ size: 4 * length + 16, usage: USAGE });
      made.push(buffer);
      return buffer;
    });
    for (let step = 1; step <= 3; step++) {
      own.step(gradientOf(step));
      for (const [i, buffer] of buffers.entries())
        own.device.queue.writeBuffer(buffer, 4 * (i % 3), gradientOf(step)(i));
      const encoder = own.device.createCommandEncoder();
      const grads = buffers.map((buffer, i) => [`t${i}`, { buffer, offset: 4 * (i % 3) }] as const);
      other.optimizer.step(encoder, { grads: Object.fromEntries(grads) });
      own.device.queue.submit([encoder.finish()]);
    }
    expect(await other.params()).toEqual(await own.params());
    expect((await other.optimizer.state()).packed).toEqual((await own.optimizer.state()).packed);
  });

  it('adds up micro-steps, and takes fixed-point gradients', async () => {
    const rule = sgd({ lr: 0.01, momentum: 0.9 }) as Rule;
    const options = { accumulate: { steps: 2 }, state } as const;
    const own = await makeCase(rule, options, LAYOUTS['off boundaries']!);
    const other = await makeCase(rule, { state });
    const half = (i: number) => gradientOf(1)(i).map((g) => g / 2);
    for (let step = 0; step < 2; step++) {
      own.step(half);
      own.step(half);
      other.step(gradientOf(1));
    }
    expect(await own.params()).toEqual(await other.params());
    const unit = 2 ** -8;
    const fixed = await makeCase(rule, { state, gradients: { fixed: unit } });
    const floats = await makeCase(rule, { state });
    const whole = (i: number) => Int32Array.from({ length: LENGTHS[i]! }, (_, j) => ((j * 7919) % 1001) - 500);
    for (let step = 0; step < 2; step++) {
      fixed.step((i) => new Float32Array(whole(i).buffer));
      floats.step((i) => Float32Array.from(whole(i), (g) => g * unit));
    }
    expect(await fixed.params()).toEqual(await floats.params());
  });
});

describe('bytes', () => {
  it.each([
    ['f32', 28],
    ['bf16', 20],
    // And a scale for each slot and 256 elements, read and written.
    ['f16', 20 + 16 / 256],
    ['8bit', 16 + 16 / 256],
  ] as const)('Adam moves with %s state %d of a parameter', async (state, bytes) => {
    const { optimizer } = await makeCase(adam() as Rule, { state }, LAYOUTS.aligned, { lengths: [2 ** 16] });
    const { bytesPerStep, state: slots } = optimizer.describe();
    expect(bytesPerStep / 2 ** 16).toBe(bytes);
    expect(slots).toEqual({ exp_avg: state, exp_avg_sq: state });
  });

  it('keeps in 16 bits what must not be kept in 8', async () => {
    const own = await makeCase(adam({ amsgrad: true }) as Rule, { state: '8bit' });
    expect(own.optimizer.describe().state).toEqual({ exp_avg: '8bit', exp_avg_sq: '8bit', max_exp_avg_sq: 'bf16' });
  });
});

describe('refuses', () => {
  const refused = async (rule: Rule, options: object, code: string, text: RegExp) => {
    const error = await makeCase(rule, options as OptimizerOptions).then(
      () => undefined,
      (caught: unknown) => caught,
    );
    expect(error).toMatchObject({ name: 'DownhillError', code });
    expect(String(error)).toMatch(text);
  };

  it('encodings that are none, and rules that need f32', async () => {
    await refused(adam() as Rule, { state: 'f64' }, 'OPTION-RANGE', /state/);
    await refused(adam() as Rule, { state: 'bf16', seed: -1 }, 'OPTION-RANGE', /seed/);
    await refused(rules.rprop() as Rule, { state: 'bf16' }, 'OPTION-RANGE', /rprop needs prev in f32/);
    await refused(rules.rmsprop({ centered: true }) as Rule, { state: '8bit' }, 'OPTION-RANGE', /grad_avg/);
    const own = adam() as Rule;
    const foreign = { ...own, row: { ...own.row, name: 'mine', shader: { ...own.row.shader, name: 'mine' } } };
    await refused(foreign as Rule, { state: 'bf16' }, 'OPTION-RANGE', /mine has no kernels/);
  });

  it('states of another encoding, with other tensors or damaged', async () => {
    const own = await makeCase(adam() as Rule, { state: 'bf16' });
    own.step(gradientOf(1));
    const state = await own.optimizer.state();
    const exact = await (await makeCase(adam() as Rule, {})).optimizer.state();
    const load = (given: unknown) => () => own.optimizer.load(given as never);
    expect(load(exact)).toThrow(/kept in 'f32', here in "bf16"/);
    expect(load({ ...state, packed: { ...state.packed!, encoding: 'f16' } })).toThrow(/kept in "f16"/);
    const { 'exp_avg.t0': words, ...rest } = state.packed!.words;
    expect(load({ ...state, packed: { ...state.packed!, words: rest } })).toThrow(
      expect.objectContaining({ code: 'STATE-MISMATCH' }),
    );
    const short = { ...rest, 'exp_avg.t0': words!.subarray(1) };
    expect(load({ ...state, packed: { ...state.packed!, words: short } })).toThrow(/words as "exp_avg.t0"|exp_avg.t0/);
    const plain = await makeCase(adam() as Rule, {});
    expect(() => plain.optimizer.load(state)).toThrow(expect.objectContaining({ code: 'STATE-MISMATCH' }));
  });
});
