import { describe, expect, it } from 'vitest';
import { range, roundUp } from '../../src/gpu/buffers.js';
import { ARENA_BLOCK, HYPER_BYTES, packRow, ROW_WORDS, update } from '../../src/kernels/update.js';
import { type Rule, RuleRows, resolveRule, slotFlags } from '../../src/optim/rule.js';
import { rules } from '../../src/optim/rules.gen.js';
import { Path, type ReferenceRule, referenceRules, referenceState, worst } from '../../src/reference/index.js';
import { buffersFor, dispatch, randomFloats, readFloats, testDevice } from '../support/gpu.js';
import { casesOf, ruleNames } from '../support/rule-cases.js';

/*
 * Every rule, convention and flag against its float64 reference at 1, 2, 3, 10 and 25 steps, on tensors of many sizes whose
 * gradients are scaled by powers of two up to 2^±40 with zeros mixed in; all tensors of a case lie in one arena. Tolerance
 * per element (reliability note 4.1):
 *   ulp(M)·(1 + r·T/2) + U·2^-24·travel,
 * M the largest value or change on the element's path, T the steps, r the roundings of a parameter per step (2 where the
 * decay is taken off it separately), U = 16 for the roundings within an update. It notices a learning rate wrong by 1e-5
 * (tested below).
 */

const U = 16;
const STEPS = [1, 2, 3, 10, 25];
const references: Readonly<Record<string, ReferenceRule>> = referenceRules;

/**
 * Roundings of a parameter per step, on average over the steps, where they are not 1. FTRL computes the parameter anew from
 * its sums at every update: z, √n, their product, penalties, quotient are 8 more roundings of its own size, which do not add
 * up over the steps.
 */
const ROUNDINGS: Readonly<Record<string, (steps: number) => number>> = { ftrl: (steps) => 1 + 8 / steps };
const roundingsOf = ({ row, hyper }: Rule, steps: number) =>
  (ROUNDINGS[row.name]?.(steps) ?? 1) + (hyper.decoupledWeightDecay === true && hyper.weightDecay !== 0 ? 1 : 0);

/** Everything that moves a parameter without a gradient. */
const DECAYS = ['weightDecay', 'lambd', 'l1', 'l2', 'l2Shrinkage'];
/** FTRL sets a parameter to the minimum of an objective that holds nothing yet: 0. */
const MOVES_WITHOUT_GRADIENT = ['ftrl'];

interface Tensor {
  readonly length: number;
  /** Of its gradients: a power of two. */
  readonly scale: number;
  readonly offset: number;
}

const SCALES = [2 ** -40, 2 ** -20, 1, 2 ** 20, 2 ** 40];
/** Every size at every scale, each tensor from a multiple of 64 on. */
const TENSORS: Tensor[] = [];
let elements = 0;
for (const length of [1, 3, 4, 5, 63, 255, 257, 4095]) {
  for (const scale of SCALES) {
    TENSORS.push({ length, scale, offset: elements });
    elements += roundUp(length, ARENA_BLOCK);
  }
}
/**
 * Uniform in [-1, 1). But where an L2 penalty outweighs a tiny gradient and a rule normalises, a parameter near 0 follows
 * itself: p -= lr·p/|p before|, which magnifies a rounding by lr/|p| at every step, in any arithmetic. Among 4,095 values
 * some are that small; there the parameters of scaled gradients start at 0.5 and more.
 */
const START = inArena((length, i, scale) => {
  const values = randomFloats(length, 99 + i);
  return length < 4095 || scale === 1 ? values : values.map((p) => p + (p < 0 ? -0.5 : 0.5));
});

function inArena(make: (length: number, i: number, scale: number) => Float32Array): Float32Array<ArrayBuffer> {
  const arena = new Float32Array(elements);
  for (const [i, { length, offset, scale }] of TENSORS.entries()) arena.set(make(length, i, scale), offset);
  return arena;
}

/** Gradients with zeros among them. */
const GRADIENTS = Array.from({ length: Math.max(...STEPS) }, (_, step) =>
  inArena((length, i, scale) =>
    randomFloats(length, 1000 + 100 * i + step).map((g, j) => (j % 7 === 3 ? 0 : g * scale)),
  ),
);

interface Run {
  readonly start: Float32Array<ArrayBuffer>;
  /** Of update number `step`, from 0. */
  readonly gradient: (step: number) => Float32Array<ArrayBuffer>;
  readonly at: readonly number[];
}

/** Runs a rule on an arena, one replica for each of `all`, and gives what the parameters are after each of `at` steps. */
async function runRule(
  rule: Rule,
  { start, gradient, at }: Run,
  all: readonly Rule[] = [rule],
): Promise<Float32Array[]> {
  const replicas = all.length;
  const gpu = await testDevice();
  const buffers = buffersFor(gpu, 'update');
  const { row, hyper } = rule;
  const slots = row.slots(hyper);
  const copies = (values: Float32Array) => {
    const out = new Float32Array(values.length * replicas);
    for (let replica = 0; replica < replicas; replica++) out.set(values, replica * values.length);
    return out;
  };
  const bytes = 4 * start.length * replicas;
  const param = range(buffers.upload('param', copies(start)), 0, bytes);
  const grad = range(buffers.storage('grad', bytes), 0, bytes);
  const state = Object.fromEntries(
    slots.map((slot) => {
      const initial = new Float32Array(start.length * replicas).fill(row.initial?.(slot, hyper) ?? 0);
      return [slot, range(buffers.upload(slot, initial), 0, bytes)];
    }),
  );
  const hyperBuffer = buffers.make('hyper', HYPER_BYTES, GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST);
  const spec = update({
    label: 'test/update',
    shader: row.shader,
    elements: start.length,
    replicas,
    flags: slotFlags(row, slots),
    hyper: range(hyperBuffer),
    param,
    grad,
    state,
    groupOf: range(buffers.storage('group-of', (4 * start.length) / ARENA_BLOCK)),
  });
  const words = new ArrayBuffer(4 * ROW_WORDS * replicas);
  const block = { u32: new Uint32Array(words), f32: new Float32Array(words) };
  const rows = all.map((each) => new RuleRows(each));
  const seen: Float32Array[] = [];
  for (let step = 0; step < Math.max(...at); step++) {
    for (const [replica, each] of rows.entries()) packRow(row.shader, block, replica, each.at(step));
    gpu.queue.writeBuffer(hyperBuffer, 0, words);
    gpu.queue.writeBuffer(grad.buffer, 0, copies(gradient(step)));
    await dispatch(gpu, [spec]);
    if (at.includes(step + 1)) seen.push(await readFloats(gpu, param));
  }
  buffers.destroy();
  return seen;
}

/** The reference's path over the same gradients, and how far the kernel is from it in units of the tolerance. */
function compare(rule: Rule, run: Run, seen: readonly Float32Array[], hyper: Rule['hyper'] = rule.hyper) {
  const reference = references[rule.row.name]!;
  const param = Float64Array.from(run.start);
  const state = referenceState(reference, param.length, hyper);
  const path = new Path(run.start);
  return Array.from({ length: Math.max(...run.at) }, (_, step) => {
    reference.update(param, Float64Array.from(run.gradient(step)), state, step + 1, hyper);
    path.advance(param);
    const index = run.at.indexOf(step + 1);
    if (index < 0) return undefined;
    return {
      step: step + 1,
      ...worst(seen[index]!, param, (i) => path.limit(i, step + 1, roundingsOf(rule, step + 1), U)),
    };
  }).filter((found) => found !== undefined);
}

const CASE: Run = { start: START, gradient: (step) => GRADIENTS[step]!, at: STEPS };
const PADDING = new Uint8Array(elements).fill(1);
for (const { length, offset } of TENSORS) PADDING.fill(0, offset, offset + length);

describe.each(ruleNames)('%s', (name) => {
  it.each(casesOf(name))('agrees with the reference: %o', async (options) => {
    const rule = resolveRule(rules, name, options);
    const seen = await runRule(rule, CASE);
    for (const found of compare(rule, CASE, seen)) expect(found.ratio, JSON.stringify(found)).toBeLessThanOrEqual(1);
    // Padding belongs to no tensor and must stay as it is.
    expect(seen.at(-1)!.every((value, i) => PADDING[i] === 0 || Object.is(value, 0))).toBe(true);
  });

  it('changes no bit where the gradient is zero and nothing decays', async () => {
    const { row } = resolveRule(rules, name);
    const still = Object.fromEntries(DECAYS.filter((key) => key in row.fields).map((key) => [key, 0]));
    const zero = new Float32Array(elements);
    for (const options of casesOf(name).filter(({ weightDecay }) => !weightDecay)) {
      const rule = resolveRule(rules, name, { ...options, ...still });
      const [actual] = await runRule(rule, { start: START, gradient: () => zero, at: [3] });
      const expected = MOVES_WITHOUT_GRADIENT.includes(name) ? zero : START;
      expect(new Uint32Array(actual!.buffer), JSON.stringify(options)).toEqual(new Uint32Array(expected.buffer));
    }
  });
});

describe.each(['adam', 'adamw', 'nadam', 'radam'])('%s without a memory of g²', (name) => {
  it('agrees with the reference', async () => {
    const rule = resolveRule(rules, name, { betas: [0.9, 0], weightDecay: 0 });
    const run: Run = { ...CASE, at: [1, 2, 3] };
    for (const found of compare(rule, run, await runRule(rule, run))) expect(found.ratio).toBeLessThanOrEqual(1);
  });
});

describe('the update kernels', () => {
  /** One rule of each WGSL file. */
  const perFile = new Map(ruleNames.map((name) => [resolveRule(rules, name).row.shader.name, name]));

  it.each([...perFile.values()])('%s takes 1,000,003 elements', async (name) => {
    const length = 1_000_003;
    const start = new Float32Array(roundUp(length, ARENA_BLOCK));
    start.set(randomFloats(length, 7));
    const gradient = new Float32Array(start.length);
    gradient.set(randomFloats(length, 8));
    const run: Run = { start, gradient: () => gradient, at: [1] };
    const rule = resolveRule(rules, name);
    for (const found of compare(rule, run, await runRule(rule, run))) expect(found.ratio).toBeLessThanOrEqual(1);
  });

  it('stride where the grid ends', async () => {
    // 16,384 workgroups of 64 invocations of 16 elements are 16,777,216.
    const start = randomFloats(16_777_216 + 1024, 9);
    const ones = new Float32Array(start.length).fill(1);
    const [param] = await runRule(resolveRule(rules, 'sgd', { lr: 0.5 }), { start, gradient: () => ones, at: [1] });
    let wrong = 0;
    for (let i = 0; i < start.length; i++) if (param![i] !== Math.fround(start[i]! - 0.5)) wrong++;
    expect(wrong).toBe(0);
  });

  it('give every replica its own row', async () => {
    const rates = [1e-3, 1e-2, 0.1];
    const all = rates.map((lr) => resolveRule(rules, 'adam', { lr }));
    const [param] = await runRule(all[0]!, { ...CASE, at: [3] }, all);
    for (const [replica, rule] of all.entries()) {
      const [alone] = await runRule(rule, { ...CASE, at: [3] });
      expect(param!.subarray(replica * elements, (replica + 1) * elements)).toEqual(alone);
    }
  });

  it('notice a learning rate wrong by 1e-5', async () => {
    const right = resolveRule(rules, 'adam');
    const seen = await runRule(resolveRule(rules, 'adam', { lr: 1e-3 * (1 + 1e-5) }), CASE);
    expect(compare(right, CASE, seen).at(-1)!.ratio).toBeGreaterThan(1);
  });
});
