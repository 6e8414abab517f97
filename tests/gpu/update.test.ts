import { describe, expect, it } from 'vitest';
import { range, roundUp } from '../../src/gpu/buffers.js';
import { ARENA_BLOCK, HYPER_BYTES, packRow, ROW_WORDS, update } from '../../src/kernels/update.js';
import { type Rule, resolveRule, rowFor, slotFlags } from '../../src/optim/rule.js';
import { rules } from '../../src/optim/rules.gen.js';
import { Path, type ReferenceRule, referenceRules, referenceState, worst } from '../../src/reference/index.js';
import { buffersFor, dispatch, randomFloats, readFloats, testDevice } from '../support/gpu.js';

/*
 * Every rule's kernel against its float64 reference over 1, 3 and 25 steps. Tolerance per element (reliability note 4.1):
 *   ulp(M)·(1 + r·T/2) + U·2^-24·travel,
 * M the largest value or change on the element's path, T the steps, r the roundings of a parameter per step (2 where the
 * decay is taken off it separately), U = 16 for the roundings within an update. Adam at 1 % of that limit already notices
 * a learning rate wrong by 1e-5 (tested below).
 */

const U = 16;
const references: Readonly<Record<string, ReferenceRule>> = referenceRules;

/** Each rule at its defaults and with each of its flags and factors turned on. */
const CASES: readonly [rule: string, options: Record<string, unknown>, roundings: number][] = [
  ['sgd', { lr: 0.05 }, 1],
  ['sgd', { lr: 0.05, weightDecay: 0.02 }, 1],
  ['sgd', { lr: 0.05, momentum: 0.9 }, 1],
  ['sgd', { lr: 0.05, momentum: 0.9, dampening: 0.3, weightDecay: 0.01, maximize: true }, 1],
  ['sgd', { lr: 0.05, momentum: 0.9, nesterov: true, weightDecay: 0.01 }, 1],
  ['adam', {}, 1],
  ['adam', { lr: 0.02, betas: [0.5, 0.75], eps: 1e-4, weightDecay: 0.05 }, 1],
  ['adam', { amsgrad: true, maximize: true }, 1],
  ['adamw', {}, 2],
  ['adamw', { lr: 0.01, weightDecay: 0.3, amsgrad: true }, 2],
];

const SIZES = [1, 3, 63, 64, 257, 4095];

/** Gradients of many magnitudes with zeros among them. */
function gradients(length: number, step: number): Float32Array<ArrayBuffer> {
  return randomFloats(length, 100 + step).map((g, i) => (i % 7 === 3 ? 0 : g * 2 ** ((i % 5) * 10 - 20)));
}

/** Runs a rule on an arena of `length` elements and gives what it holds after each of `at` steps. */
async function runRule(rule: Rule, length: number, at: readonly number[], gradient = gradients, replicas = 1) {
  const gpu = await testDevice();
  const buffers = buffersFor(gpu, 'update');
  const { row, hyper } = rule;
  const elements = roundUp(length, ARENA_BLOCK);
  const slots = row.slots(hyper);
  const start = randomFloats(length, 99);
  const padded = (values: Float32Array) => {
    const out = new Float32Array(elements * replicas);
    for (let replica = 0; replica < replicas; replica++) out.set(values, replica * elements);
    return out;
  };
  const param = buffers.upload('param', padded(start));
  const grad = buffers.storage('grad', 4 * elements * replicas);
  const state = Object.fromEntries(slots.map((slot) => [slot, range(buffers.storage(slot, 4 * elements * replicas))]));
  const hyperBuffer = buffers.make('hyper', HYPER_BYTES, GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST);
  const spec = update({
    label: 'test/update',
    shader: row.shader,
    elements,
    replicas,
    flags: slotFlags(row, slots),
    hyper: range(hyperBuffer),
    param: range(param, 0, 4 * elements * replicas),
    grad: range(grad, 0, 4 * elements * replicas),
    state,
    groupOf: range(buffers.storage('group-of', (4 * elements) / ARENA_BLOCK)),
  });
  const words = new ArrayBuffer(4 * ROW_WORDS * replicas);
  const block = { u32: new Uint32Array(words), f32: new Float32Array(words) };
  const seen: { param: Float32Array; state: Record<string, Float32Array> }[] = [];
  for (let step = 0; step < Math.max(...at); step++) {
    for (let replica = 0; replica < replicas; replica++) packRow(row.shader, block, replica, rowFor(rule, step));
    gpu.queue.writeBuffer(hyperBuffer, 0, words);
    gpu.queue.writeBuffer(grad, 0, padded(gradient(length, step)));
    await dispatch(gpu, [spec]);
    if (at.includes(step + 1)) {
      const slotValues: Record<string, Float32Array> = {};
      for (const slot of slots) slotValues[slot] = await readFloats(gpu, state[slot]!);
      seen.push({ param: await readFloats(gpu, range(param, 0, 4 * elements * replicas)), state: slotValues });
    }
  }
  buffers.destroy();
  return { start, elements, seen };
}

describe.each(CASES)('%s %o', (name, options, roundings) => {
  const rule = resolveRule(rules, name, options);

  it.each(SIZES)('agrees with the reference on %i elements', async (length) => {
    const at = length === 257 ? [1, 3, 25] : [3];
    const { start, seen } = await runRule(rule, length, at);
    const reference = references[name]!;
    const param = Float64Array.from(start);
    const state = referenceState(reference, length, rule.hyper);
    const path = new Path(start);
    for (let step = 0; step < Math.max(...at); step++) {
      reference.update(param, Float64Array.from(gradients(length, step)), state, step + 1, rule.hyper);
      path.advance(param);
      const index = at.indexOf(step + 1);
      if (index < 0) continue;
      const actual = seen[index]!.param;
      const found = worst(actual.subarray(0, length), param, (i) => path.limit(i, step + 1, roundings, U));
      expect(found.ratio, `step ${step + 1}: ${JSON.stringify(found)}`).toBeLessThanOrEqual(1);
      // Padding belongs to no tensor and must stay as it is.
      expect(actual.subarray(length).every((value) => Object.is(value, 0))).toBe(true);
    }
  });

  it('changes no bit where the gradient is zero and nothing decays', async () => {
    const still = resolveRule(rules, name, { ...options, weightDecay: 0 });
    const { start, seen } = await runRule(still, 257, [3], (length) => new Float32Array(length));
    const actual = seen[0]!.param.subarray(0, 257);
    expect([...new Uint32Array(actual.slice().buffer)]).toEqual([...new Uint32Array(start.buffer)]);
  });
});

describe('the update kernels', () => {
  it.each(['sgd', 'adam'])('%s takes 1,000,003 elements', async (name) => {
    const length = 1_000_003;
    const rule = resolveRule(rules, name, name === 'sgd' ? { lr: 0.1, momentum: 0.9 } : {});
    const { start, seen } = await runRule(rule, length, [1]);
    const param = Float64Array.from(start);
    const path = new Path(start);
    references[name]!.update(
      param,
      Float64Array.from(gradients(length, 0)),
      referenceState(references[name]!, length, rule.hyper),
      1,
      rule.hyper,
    );
    path.advance(param);
    expect(worst(seen[0]!.param.subarray(0, length), param, (i) => path.limit(i, 1, 1, U)).ratio).toBeLessThanOrEqual(
      1,
    );
  });

  it('strides where the grid ends', async () => {
    // 16,384 workgroups of 64 invocations of 4 elements are 4,194,304.
    const length = 4_194_304 + 1000;
    const rule = resolveRule(rules, 'sgd', { lr: 0.5 });
    const { start, seen } = await runRule(rule, length, [1], (n) => new Float32Array(n).fill(1));
    const { param } = seen[0]!;
    let wrong = 0;
    for (let i = 0; i < length; i++) if (param[i] !== Math.fround(start[i]! - 0.5)) wrong++;
    expect(wrong).toBe(0);
  });

  it('gives every replica its own row', async () => {
    const rule = resolveRule(rules, 'adam', {});
    const { elements, seen } = await runRule(rule, 300, [3], gradients, 3);
    const { param } = seen[0]!;
    for (const replica of [1, 2]) {
      expect(param.subarray(replica * elements, replica * elements + 300)).toEqual(param.subarray(0, 300));
    }
  });

  it('notices a learning rate wrong by 1e-5', async () => {
    const length = 257;
    const { start, seen } = await runRule(resolveRule(rules, 'adam', { lr: 1e-3 * (1 + 1e-5) }), length, [25]);
    const reference = references.adam!;
    const param = Float64Array.from(start);
    const state = referenceState(reference, length, {});
    const path = new Path(start);
    for (let step = 0; step < 25; step++) {
      reference.update(param, Float64Array.from(gradients(length, step)), state, step + 1, {});
      path.advance(param);
    }
    // The parameters are near 1, the path 0.025 long: an ulp of the parameter hides 1e-5 of it, so compare the movement
    // where the parameter is small.
    const found = worst(seen[0]!.param.subarray(0, length), param, (i) => path.limit(i, 25, 1, U));
    expect(found.ratio).toBeGreaterThan(1);
  });
});
