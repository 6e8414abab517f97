import { describe, expect, it } from 'vitest';
import { type BufferRange, range, roundUp } from '../../src/gpu/buffers.js';
import { lower } from '../../src/kernels/lower.js';
import { ARENA_BLOCK, HYPER_BYTES, packRecord, RECORD_WORDS, update, updateForms } from '../../src/kernels/update.js';
import { type Rule, recordFor, resolveRule, slotFlags } from '../../src/optim/rule.js';
import { rules } from '../../src/optim/rules.gen.js';
import { Path, type ReferenceRule, referenceRules, referenceState, worst } from '../../src/reference/index.js';
import { buffersFor, dispatch, randomFloats, readFloats, testDevice } from '../support/gpu.js';
import { casesOf, elementwiseNames } from '../support/rule-cases.js';

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

/** Roundings of a parameter per step. */
const roundingsOf = ({ row, hyper }: Rule, steps: number) =>
  (references[row.name]!.roundings?.(steps) ?? 1) +
  (hyper.decoupledWeightDecay === true && hyper.weightDecay !== 0 ? 1 : 0);

/** Everything that moves a parameter without a gradient. */
const DECAYS = ['weightDecay', 'lambd', 'l1', 'l2', 'l2Shrinkage'];
/** Whose averages of the gradient start at 0: another start moves parameters, too. */
const startsStill = ({ row, hyper }: Rule) => !row.initial?.('exp_avg', hyper);
/** FTRL sets a parameter to the minimum of an objective that holds nothing yet: 0. */
const MOVES_WITHOUT_GRADIENT = ['ftrl'];

interface Tensor {
  readonly length: number;
  /** Of its gradients: a power of two. */
  readonly scale: number;
  readonly offset: number;
}

const SCALES = [2 ** -40, 2 ** -20, 1, 2 ** 20, 2 ** 40];
/** Longer than a workgroup takes of one tensor; what is longer yet the update kernels take below. */
const LONGEST = 1023;
/** Every size at every scale, each tensor from a multiple of 64 on. */
const TENSORS: Tensor[] = [];
let elements = 0;
for (const length of [1, 3, 4, 5, 63, 255, 257, LONGEST]) {
  for (const scale of SCALES) {
    TENSORS.push({ length, scale, offset: elements });
    elements += roundUp(length, ARENA_BLOCK);
  }
}
/**
 * Uniform in [-1, 1). But where an L2 penalty outweighs a tiny gradient and a rule normalises, a parameter near 0 follows
 * itself: p -= lr·p/|p before|, which magnifies a rounding by lr/|p| at every step, in any arithmetic. Among the values of the longest
 * some are that small; there the parameters of scaled gradients start at 0.5 and more.
 */
const START = inArena((length, i, scale) => {
  const values = randomFloats(length, 99 + i);
  return length < LONGEST || scale === 1 ? values : values.map((p) => p + (p < 0 ? -0.5 : 0.5));
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

/**
 * Runs rules of one row and the same state slots on an arena, each as a replica of the same dispatches, and gives what the
 * parameters are after each of `at` steps, replica by replica.
 */
async function runRules(all: readonly Rule[], { start, gradient, at }: Run, form?: string): Promise<Float32Array[][]> {
  const replicas = all.length;
  const gpu = await testDevice();
  const buffers = buffersFor(gpu, 'update');
  const { row, hyper } = all[0]!;
  const slots = row.slots(hyper);
  const bytes = 4 * start.length;
  const write = (to: BufferRange, values: (replica: number) => Float32Array<ArrayBuffer>) => {
    for (let replica = 0; replica < replicas; replica++)
      gpu.queue.writeBuffer(to.buffer, replica * bytes, values(replica));
  };
  const arena = (name: string) => range(buffers.storage(name, bytes * replicas));
  const [param, grad] = [arena('param'), arena('grad')];
  write(param, () => start);
  const state = Object.fromEntries(slots.map((slot) => [slot, arena(slot)]));
  for (const [slot, to] of Object.entries(state)) {
    const initial = (replica: number) => row.initial?.(slot, all[replica]!.hyper) ?? 0;
    if (all.some((_, replica) => initial(replica) !== 0))
      write(to, (replica) => new Float32Array(start.length).fill(initial(replica)));
  }
  const hyperBuffer = buffers.make('hyper', HYPER_BYTES, GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST);
  const op = update({
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
  const { passes } = lower([op], updateForms, gpu, form ? { update: form } : {});
  const words = new ArrayBuffer(4 * RECORD_WORDS * replicas);
  const block = { u32: new Uint32Array(words), f32: new Float32Array(words) };
  const seen: Float32Array[][] = all.map(() => []);
  for (let step = 0; step < Math.max(...at); step++) {
    for (const [replica, each] of all.entries()) packRecord(row.shader, block, replica, recordFor(each, step));
    gpu.queue.writeBuffer(hyperBuffer, 0, words);
    const values = gradient(step);
    write(grad, () => values);
    await dispatch(gpu, passes);
    if (!at.includes(step + 1)) continue;
    const floats = await readFloats(gpu, range(param.buffer, 0, bytes * replicas));
    for (const [replica, own] of seen.entries())
      own.push(floats.subarray(replica * start.length, (replica + 1) * start.length));
  }
  buffers.destroy();
  return seen;
}

const runRule = async (rule: Rule, run: Run, form?: string) => (await runRules([rule], run, form))[0]!;

/** Runs all these settings of a rule, those with the same state slots at once. */
async function runCases(rulesOfOne: readonly Rule[], run: Run): Promise<Map<Rule, Float32Array[]>> {
  const slotsOf = ({ row, hyper }: Rule) => `${row.slots(hyper)}`;
  const found = new Map<Rule, Float32Array[]>();
  for (const slots of new Set(rulesOfOne.map(slotsOf))) {
    const group = rulesOfOne.filter((rule) => slotsOf(rule) === slots);
    for (const [i, seen] of (await runRules(group, run)).entries()) found.set(group[i]!, seen);
  }
  return found;
}

/** The reference's path over the same gradients, and how far the kernel is from it in units of the tolerance. */
function compare(rule: Rule, run: Run, seen: readonly Float32Array[], hyper: Rule['hyper'] = rule.hyper) {
  const reference = references[rule.row.name]!;
  const param = new Float64Array(run.start);
  const state = referenceState(reference, param.length, hyper);
  const path = new Path(run.start);
  return Array.from({ length: Math.max(...run.at) }, (_, step) => {
    reference.update(param, new Float64Array(run.gradient(step)), state, step + 1, hyper);
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

describe.each(elementwiseNames)('%s', (name) => {
  const cases = casesOf(name).map((options) => ({ options, rule: resolveRule(rules, name, options) }));
  let all: Promise<Map<Rule, Float32Array[]>> | undefined;

  it.each(cases)('agrees with the reference: $options', async ({ rule }) => {
    all ??= runCases(
      cases.map((each) => each.rule),
      CASE,
    );
    const seen = (await all).get(rule)!;
    for (const found of compare(rule, CASE, seen)) expect(found.ratio, JSON.stringify(found)).toBeLessThanOrEqual(1);
    // Padding belongs to no tensor and must stay as it is, but where the state that was filled with it moves it.
    if (startsStill(rule)) expect(seen.at(-1)!.every((value, i) => PADDING[i] === 0 || Object.is(value, 0))).toBe(true);
  });

  it('changes no bit where the gradient is zero and nothing decays', async () => {
    const { row } = resolveRule(rules, name);
    const still = Object.fromEntries(DECAYS.filter((key) => key in row.fields).map((key) => [key, 0]));
    const zero = new Float32Array(elements);
    const quiet = casesOf(name)
      .filter(({ weightDecay }) => !weightDecay)
      .map((options) => resolveRule(rules, name, { ...options, ...still }))
      .filter(startsStill);
    const expected = new Uint32Array((MOVES_WITHOUT_GRADIENT.includes(name) ? zero : START).buffer);
    for (const [{ hyper }, [actual]] of await runCases(quiet, { start: START, gradient: () => zero, at: [3] })) {
      expect(new Uint32Array(actual!.slice().buffer), JSON.stringify(hyper)).toEqual(expected);
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
  const perFile = new Map(elementwiseNames.map((name) => [resolveRule(rules, name).row.shader.name, name]));

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
    // 16,384 workgroups of 64 invocations of 16 elements are 16,777,216. (With a lane for every 64 they are four times as
    // many, and the loop is the same.)
    const start = randomFloats(16_777_216 + 1024, 9);
    const ones = new Float32Array(start.length).fill(1);
    const rule = resolveRule(rules, 'sgd', { lr: 0.5 });
    const [param] = await runRule(rule, { start, gradient: () => ones, at: [1] }, 'update/lanes-4');
    let wrong = 0;
    for (let i = 0; i < start.length; i++) if (param![i] !== Math.fround(start[i]! - 0.5)) wrong++;
    expect(wrong).toBe(0);
  });

  it('touch what elements and replicas say, however long the buffers are', async () => {
    const gpu = await testDevice();
    const buffers = buffersFor(gpu, 'exact');
    const { row, hyper: settings } = resolveRule(rules, 'sgd', { lr: 0.5 });
    const hyper = buffers.make('hyper', HYPER_BYTES, GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST);
    const words = new ArrayBuffer(4 * RECORD_WORDS * 2);
    const block = { u32: new Uint32Array(words), f32: new Float32Array(words) };
    for (const replica of [0, 1]) packRecord(row.shader, block, replica, recordFor({ row, hyper: settings }, 0));
    gpu.queue.writeBuffer(hyper, 0, words);
    const ones = new Float32Array(1024).fill(1);
    const param = range(buffers.upload('param', ones), 256);
    const operands = {
      label: 'test/exact',
      shader: row.shader,
      elements: 128,
      replicas: 2,
      flags: slotFlags(row, []),
      hyper: range(hyper),
      param,
      grad: range(buffers.upload('grad', ones)),
      state: {},
      groupOf: range(buffers.storage('group-of', 256)),
    };
    for (const form of ['update/lanes-1', 'update/lanes-4']) {
      gpu.queue.writeBuffer(param.buffer, 0, ones);
      await dispatch(gpu, lower([update(operands)], updateForms, gpu, { exact: form }).passes);
      // 256 elements from the 64th on, each once.
      const expected = ones.map((_, i) => (i >= 64 && i < 64 + 256 ? 0.5 : 1));
      expect(await readFloats(gpu, range(param.buffer))).toEqual(expected);
    }

    const short = (at: object) => expect.objectContaining({ code: 'BUFFER-RANGE', fix: expect.any(String), ...at });
    const cut = (bytes: number) => range(param.buffer, 0, bytes);
    expect(() => update({ ...operands, param: cut(1020) })).toThrow(short({ message: expect.stringMatching(/param/) }));
    expect(() => update({ ...operands, grad: cut(512) })).toThrow(short({ message: expect.stringMatching(/grad/) }));
    expect(() => update({ ...operands, groupOf: cut(4) })).toThrow(
      short({ message: expect.stringMatching(/groupOf/) }),
    );
    const flags = { MOMENTUM_BUFFER: true };
    const states: Readonly<Record<string, BufferRange>>[] = [{}, { momentum_buffer: cut(512) }];
    for (const state of states)
      expect(() => update({ ...operands, flags, state })).toThrow(
        short({ message: expect.stringMatching(/momentum_buffer/) }),
      );
    for (const elements of [0, 100, Number.NaN])
      expect(() => update({ ...operands, elements })).toThrow(expect.objectContaining({ code: 'SHAPE-INVALID' }));
    expect(() => update({ ...operands, replicas: 0 })).toThrow(expect.objectContaining({ code: 'OPTION-RANGE' }));
    buffers.destroy();
  });

  it('give every replica its own row', async () => {
    const rates = [1e-3, 1e-2, 0.1];
    const all = rates.map((lr) => resolveRule(rules, 'adam', { lr }));
    const together = await runRules(all, { ...CASE, at: [3] });
    for (const [replica, rule] of all.entries()) {
      expect(together[replica]).toEqual(await runRule(rule, { ...CASE, at: [3] }));
    }
  });

  it('notice a learning rate wrong by 1e-5', async () => {
    const right = resolveRule(rules, 'adam');
    const seen = await runRule(resolveRule(rules, 'adam', { lr: 1e-3 * (1 + 1e-5) }), CASE);
    expect(compare(right, CASE, seen).at(-1)!.ratio).toBeGreaterThan(1);
  });
});
