import { describe, expect, it } from 'vitest';
import { range, roundUp } from '../../src/gpu/buffers.js';
import { foreignMap, updateForeign } from '../../src/kernels/foreign.js';
import { lower } from '../../src/kernels/lower.js';
import { ARENA_BLOCK, HYPER_BYTES, packRow, ROW_WORDS, update, updateForms } from '../../src/kernels/update.js';
import { type Rule, RuleRows, resolveRule, slotFlags } from '../../src/optim/rule.js';
import { rules } from '../../src/optim/rules.gen.js';
import { buffersFor, dispatch, randomFloats, readFloats, testDevice } from '../support/gpu.js';
import { ruleNames, slotCases } from '../support/rule-cases.js';

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
function rowWriter(all: readonly Rule[], hyper: GPUBuffer): (step: number) => Promise<void> {
  const rows = all.map((rule) => new RuleRows(rule));
  const words = new ArrayBuffer(4 * ROW_WORDS * all.length);
  const views = { u32: new Uint32Array(words), f32: new Float32Array(words) };
  return async (step) => {
    for (const [i, each] of rows.entries()) packRow(all[i]!.row.shader, views, i, each.at(step));
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
  form?: string,
): Promise<Uint32Array[]> {
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
    { param: p, grad: g, unit: 1, shared },
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
    shader: row.shader,
    map,
    table: range(buffers.upload('map', map.words)),
    flags: slotFlags(row, slots),
    fixed: false,
    zero: false,
    hyper: range(hyper),
    param: range(params),
    grad: shared ? undefined : range(grads),
    state: Object.fromEntries(state),
  });
  const { passes } = lower(ops, updateForms, gpu, form ? { foreign: form } : {});
  expect(passes.map(({ shader }) => shader.name)).toEqual(kernels.map((kernel) => `${row.shader.name}_${kernel}`));
  gpu.queue.writeBuffer(params, 4 * p, repeat(start(), all.length));
  const write = rowWriter(all, hyper);
  for (let step = 0; step < STEPS; step++) {
    await write(step);
    gpu.queue.writeBuffer(grads, 4 * g, repeat(gradient(step), all.length));
    await dispatch(gpu, passes);
  }
  const result = await readFloats(gpu, range(params, 0, 4 * (p + elements)));
  buffers.destroy();
  expect(result.subarray(0, p).every((value) => Object.is(value, 0))).toBe(true);
  return all.map((_, i) => bits(result.subarray(p + i * LENGTH, p + (i + 1) * LENGTH)));
}

const bits = (values: Float32Array) => new Uint32Array(values.slice().buffer);

describe.each(ruleNames)('%s', (name) => {
  const cases = slotCases(name).map((options) => resolveRule(rules, name, options));
  const kinds = [...new Set(cases.map(({ row, hyper }) => `${row.slots(hyper)}`))];

  it.each(kinds)(
    'computes the same bits over an arena, foreign ranges, and in one binding, with state %s',
    async (kind) => {
      const all = cases.filter(({ row, hyper }) => `${row.slots(hyper)}` === kind);
      const expected = await arena(all, 'update/lanes-4');
      for (const each of expected) expect(each).not.toEqual(bits(start()));
      expect(await arena(all, 'update/lanes-1')).toEqual(expected);
      expect(await foreign(all, { param: 0, grad: 0 }, ['body', 'range'])).toEqual(expected);
      expect(await foreign(all, { param: 3, grad: 67 }, ['body', 'range'], 'update/lanes-4')).toEqual(expected);
      expect(await foreign(all, { param: 3, grad: 0 }, ['range'])).toEqual(expected);
      expect(await foreign(all, { both: 1 }, ['shared'])).toEqual(expected);
    },
  );
});
