import { describe, expect, it } from 'vitest';
import { range } from '../../src/gpu/buffers.js';
import { HYPER_BYTES, packRow, ROW_WORDS, update } from '../../src/kernels/update.js';
import { createOptimizer } from '../../src/optim/optimizer.js';
import { type Rule, RuleRows, resolveRule, slotFlags } from '../../src/optim/rule.js';
import { rules } from '../../src/optim/rules.gen.js';
import { buffersFor, dispatch, randomFloats, readFloats, testDevice } from '../support/gpu.js';
import { ruleNames, slotCases } from '../support/rule-cases.js';

/* The hand-written loop over an arena (vec4) and what the emitter makes of the same rule (scalar loads): the same bits. */

const LENGTH = 257;
const PADDED = 320;
const STEPS = 3;
const start = () => randomFloats(LENGTH, 61);
const gradient = (step: number) => randomFloats(LENGTH, 62 + step);

const padded = (values: Float32Array) => {
  const out = new Float32Array(PADDED);
  out.set(values);
  return out;
};

async function arena(rule: Rule): Promise<Float32Array> {
  const gpu = await testDevice();
  const buffers = buffersFor(gpu, 'forms');
  const slots = rule.row.slots(rule.hyper);
  const param = range(buffers.upload('param', padded(start())), 0, 4 * PADDED);
  const grad = range(buffers.storage('grad', 4 * PADDED), 0, 4 * PADDED);
  const hyper = buffers.make('hyper', HYPER_BYTES, GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST);
  const state = slots.map((slot) => {
    const initial = new Float32Array(PADDED).fill(rule.row.initial?.(slot, rule.hyper) ?? 0);
    return [slot, range(buffers.upload(slot, initial), 0, 4 * PADDED)] as const;
  });
  const spec = update({
    label: 'test/arena',
    shader: rule.row.shader,
    elements: PADDED,
    flags: slotFlags(rule.row, slots),
    hyper: range(hyper),
    param,
    grad,
    state: Object.fromEntries(state),
    groupOf: range(buffers.storage('group-of', 64)),
  });
  const rows = new RuleRows(rule);
  const words = new ArrayBuffer(4 * ROW_WORDS);
  for (let step = 0; step < STEPS; step++) {
    packRow(rule.row.shader, { u32: new Uint32Array(words), f32: new Float32Array(words) }, 0, rows.at(step));
    gpu.queue.writeBuffer(hyper, 0, words);
    gpu.queue.writeBuffer(grad.buffer, 0, padded(gradient(step)));
    await dispatch(gpu, [spec]);
  }
  const result = (await readFloats(gpu, param)).slice(0, LENGTH);
  buffers.destroy();
  return result;
}

/** @param first element of the parameter in its buffer */
async function foreign(rule: Rule, first: number, shared: boolean): Promise<Float32Array> {
  const gpu = await testDevice();
  const buffers = buffersFor(gpu, 'forms');
  const params = buffers.storage('params', 4 * (first + 2 * LENGTH));
  const grads = shared ? params : buffers.storage('grads', 4 * LENGTH);
  const offset = shared ? 4 * (first + LENGTH) : 0;
  const optimizer = await createOptimizer(gpu, rule, [
    { name: 'x', shape: [LENGTH], param: { buffer: params, offset: 4 * first }, grad: { buffer: grads, offset } },
  ]);
  gpu.queue.writeBuffer(params, 4 * first, start());
  for (let step = 0; step < STEPS; step++) {
    gpu.queue.writeBuffer(grads, offset, gradient(step));
    const encoder = gpu.createCommandEncoder();
    optimizer.step(encoder);
    gpu.queue.submit([encoder.finish()]);
  }
  const result = await readFloats(gpu, range(params, 4 * first, 4 * LENGTH));
  optimizer.destroy();
  buffers.destroy();
  return result;
}

const bits = (values: Float32Array) => new Uint32Array(values.slice().buffer);

describe.each(ruleNames)('%s', (name) => {
  it.each(slotCases(name))(
    'computes the same bits over an arena, a foreign range, and in one binding: %o',
    async (options) => {
      const rule = resolveRule(rules, name, options);
      const expected = bits(await arena(rule));
      expect(expected).not.toEqual(bits(start()));
      expect(bits(await foreign(rule, 0, false))).toEqual(expected);
      expect(bits(await foreign(rule, 3, false))).toEqual(expected);
      expect(bits(await foreign(rule, 1, true))).toEqual(expected);
    },
  );
});
