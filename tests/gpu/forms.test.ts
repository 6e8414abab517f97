import { describe, expect, it } from 'vitest';
import { range, roundUp } from '../../src/gpu/buffers.js';
import { foreignMap, loadForeign, updateForeign } from '../../src/kernels/foreign.js';
import { lower } from '../../src/kernels/lower.js';
import { ARENA_BLOCK, HYPER_BYTES, packRecord, RECORD_WORDS, update, updateForms } from '../../src/kernels/update.js';
import { type Rule, recordFor, resolveRule, slotFlags } from '../../src/optim/rule.js';
import { rules } from '../../src/optim/rules.gen.js';
import { buffersFor, dispatch, randomFloats, readFloats, testDevice } from '../support/gpu.js';
import { elementwiseNames, slotCases } from '../support/rule-cases.js';

/*
 * All loops around a rule give the same bits: over an arena, with one and with four lanes to a chunk, and what the emitter
 * makes of it for foreign memory: vec4s where they fit, float by float where not. The conventions of a rule that have the
 * same state are replicas of one dispatch over the arena, and groups of one run in foreign memory.
 */

/** Enough that a run has whole chunks for the vec4s, however few conventions there are. */
const LENGTH = 4301;
const PADDED = roundUp(LENGTH, ARENA_BLOCK);
const STEPS = 3;
const start = () => randomFloats(LENGTH, 61);
const gradient = (step: number) => randomFloats(LENGTH, 62 + step);

/** So many copies, each on a stride of its own. */
function repeat(values: Float32Array, times: number, stride = LENGTH): Float32Array<ArrayBuffer> {
  const out = new Float32Array(times * stride);
  for (let i = 0; i < times; i++) out.set(values, i * stride);
  return out;
}

/** Writes the rows of an update, one for each rule. */
function rowWriter(all: readonly Rule[], hyper: GPUBuffer, skip = 0): (step: number) => Promise<void> {
  const words = new ArrayBuffer(4 * RECORD_WORDS * all.length);
  const views = { u32: new Uint32Array(words), f32: new Float32Array(words) };
  return async (step) => {
    for (const [i, each] of all.entries()) packRecord(each.row.shader, views, i, { ...recordFor(each, step), skip });
    (await testDevice()).queue.writeBuffer(hyper, 0, words);
  };
}

async function arena(all: readonly Rule[], form: string): Promise<Uint32Array[]> {
  const gpu = await testDevice();
  const buffers = buffersFor(gpu, 'forms');
  const [first] = all as [Rule];
  const replicas = all.length;
  const slots = first.row.slots(first.hyper);
  const param = range(buffers.upload('param', repeat(start(), replicas, PADDED)));
  const grad = range(buffers.storage('grad', 4 * PADDED * replicas));
  const hyper = buffers.make('hyper', HYPER_BYTES, GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST);
  const state = slots.map((slot) => {
    const initial = new Float32Array(PADDED * replicas);
    for (const [i, { row, hyper: own }] of all.entries())
      initial.fill(row.initial?.(slot, own) ?? 0, i * PADDED, (i + 1) * PADDED);
    return [slot, range(buffers.upload(slot, initial))] as const;
  });
  const op = update({
    label: 'test/arena',
    shader: first.row.shader,
    elements: PADDED,
    replicas,
    flags: slotFlags(first.row, slots),
    hyper: range(hyper),
    param,
    grad,
    state: Object.fromEntries(state),
    groupOf: range(buffers.storage('group-of', (4 * PADDED) / ARENA_BLOCK)),
  });
  const { passes, choice } = lower([op], updateForms, gpu, { arena: form });
  expect(choice).toEqual({ arena: form });
  const write = rowWriter(all, hyper);
  for (let step = 0; step < STEPS; step++) {
    await write(step);
    gpu.queue.writeBuffer(grad.buffer, 0, repeat(gradient(step), replicas, PADDED));
    await dispatch(gpu, passes);
  }
  const result = await readFloats(gpu, param);
  buffers.destroy();
  return all.map((_, i) => bits(result.subarray(i * PADDED, i * PADDED + LENGTH)));
}

/**
 * @param at first elements of parameters and gradients in their buffers, or of both in one, with nothing between
 * @param kernels that are to run
 */
async function foreign(
  all: readonly Rule[],
  at: { param: number; grad: number } | { both: number },
  kernels: readonly string[],
  { form, unit, zero = false, skip = 0 }: { form?: string; unit?: number; zero?: boolean; skip?: number } = {},
): Promise<{ params: Uint32Array[]; grads: Uint32Array[] }> {
  const gpu = await testDevice();
  const buffers = buffersFor(gpu, 'forms');
  const elements = LENGTH * all.length;
  const shared = 'both' in at;
  const [p, g] = shared ? [at.both, at.both + elements] : [at.param, at.grad];
  const params = buffers.storage('params', 4 * (p + 2 * elements));
  const grads = shared ? params : buffers.storage('grads', 4 * (g + elements));
  const { row, hyper: settings } = all[0]!;
  const slots = row.slots(settings);
  const hyper = buffers.make('hyper', HYPER_BYTES, GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST);
  const map = foreignMap(
    all.map((_, i) => ({ elements: LENGTH, row: i })),
    { param: p, grad: g, unit: unit ?? 1, shared },
  );
  const state = slots.map((slot) => {
    const initial = new Float32Array(map.lead + elements);
    for (const [i, rule] of all.entries()) {
      const begin = map.lead + i * LENGTH;
      initial.fill(row.initial?.(slot, rule.hyper) ?? 0, begin, begin + LENGTH);
    }
    return [slot, range(buffers.upload(slot, initial))] as const;
  });
  const ops = updateForeign({
    label: 'test/foreign',
    forms: await loadForeign(row.shader),
    map,
    table: range(buffers.upload('map', map.words)),
    flags: slotFlags(row, slots),
    fixed: unit !== undefined,
    zero,
    hyper: range(hyper),
    param: range(params),
    grad: shared ? undefined : range(grads),
    state: Object.fromEntries(state),
  });
  const { passes } = lower(ops, updateForms, gpu, form ? { foreign: form } : {});
  expect(passes.map(({ shader }) => shader.name)).toEqual(kernels.map((kernel) => `${row.shader.name}_${kernel}`));
  gpu.queue.writeBuffer(params, 4 * p, repeat(start(), all.length));
  const write = rowWriter(all, hyper, skip);
  for (let step = 0; step < STEPS; step++) {
    await write(step);
    const values = repeat(gradient(step), all.length);
    gpu.queue.writeBuffer(
      grads,
      4 * g,
      unit === undefined ? values : Int32Array.from(values, (v) => Math.round(v / unit)),
    );
    await dispatch(gpu, passes);
  }
  const result = await readFloats(gpu, range(params, 0, 4 * (p + elements)));
  const left = await readFloats(gpu, range(grads, 4 * g, 4 * elements));
  buffers.destroy();
  expect(result.subarray(0, p).every((value) => Object.is(value, 0))).toBe(true);
  const parts = (values: Float32Array) => all.map((_, i) => bits(values.subarray(i * LENGTH, (i + 1) * LENGTH)));
  return { params: parts(result.subarray(p)), grads: parts(left) };
}

const bits = (values: Float32Array) => new Uint32Array(values.slice().buffer);

describe.each(elementwiseNames)('%s', (name) => {
  const cases = slotCases(name).map((options) => resolveRule(rules, name, options));
  const kinds = [...new Set(cases.map(({ row, hyper }) => `${row.slots(hyper)}`))];

  it.each(kinds)(
    'computes the same bits over an arena, foreign ranges, and in one binding, with state %s',
    async (kind) => {
      const all = cases.filter(({ row, hyper }) => `${row.slots(hyper)}` === kind);
      const expected = await arena(all, 'update/lanes-4');
      for (const each of expected) expect(each).not.toEqual(bits(start()));
      expect(await arena(all, 'update/lanes-1')).toEqual(expected);
      expect((await foreign(all, { param: 0, grad: 0 }, ['body', 'range'])).params).toEqual(expected);
      expect((await foreign(all, { param: 3, grad: 67 }, ['body', 'range'])).params).toEqual(expected);
      expect((await foreign(all, { param: 3, grad: 0 }, ['range'])).params).toEqual(expected);
      expect((await foreign(all, { both: 1 }, ['shared'])).params).toEqual(expected);
    },
  );
});

describe('a run in foreign memory', () => {
  const all = [0.1, 0.01].map((lr) => resolveRule(rules, 'sgd', { lr, momentum: 0.9 }));
  const vectors = { param: 3, grad: 67 };
  const floats = { param: 3, grad: 0 };
  const kernels = ['body', 'range'];
  const untouched = all.map(() => bits(start()));
  const cleared = all.map(() => new Uint32Array(LENGTH));

  it('reads fixed-point gradients and clears them, the same by vec4s and float by float', async () => {
    const how = { unit: 2 ** -16, zero: true };
    const found = await foreign(all, vectors, kernels, how);
    expect(found).toEqual(await foreign(all, floats, ['range'], how));
    expect(found).toEqual(await foreign(all, { both: 1 }, ['shared'], how));
    expect(found.grads).toEqual(cleared);
    // To half a unit the gradients are those of the other tests.
    const exact = await foreign(all, vectors, kernels, { form: 'update/lanes-4' });
    expect(await foreign(all, vectors, kernels, { form: 'update/lanes-1' })).toEqual(exact);
    expect(found.params).not.toEqual(untouched);
    expect(exact.grads).not.toEqual(cleared);
    const [a, b] = [found, exact].map(({ params }) => new Float32Array(params[0]!.buffer)) as [
      Float32Array,
      Float32Array,
    ];
    expect(a.every((value, i) => Math.abs(value - b[i]!) < 1e-5)).toBe(true);
  });

  it('leaves out an update, whose gradients are spent; and leaves those alone that still accumulate', async () => {
    const left = all.map(() => bits(gradient(STEPS - 1)));
    for (const at of [vectors, floats]) {
      const run = at === vectors ? kernels : ['range'];
      expect(await foreign(all, at, run, { zero: true, skip: 1 })).toEqual({ params: untouched, grads: cleared });
      expect(await foreign(all, at, run, { zero: true, skip: 2 })).toEqual({ params: untouched, grads: left });
      expect(await foreign(all, at, run, { skip: 1 })).toEqual({ params: untouched, grads: left });
    }
  });
});
