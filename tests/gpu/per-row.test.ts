import { afterEach, describe, expect, it } from 'vitest';
import type { TensorOptions } from '../../src/optim/adopt.js';
import { createOptimizer } from '../../src/optim/optimizer.js';
import type { OptimizerOptions } from '../../src/optim/optimizer-options.js';
import { type Rule, type RuleRow, resolveRule } from '../../src/optim/rule.js';
import { rules } from '../../src/optim/rules.gen.js';
import {
  Path,
  type ReferenceRule,
  type ReferenceTensor,
  referencePerRow,
  referenceRules,
  referenceState,
  referenceStep,
  worst,
} from '../../src/reference/index.js';
import { randomFloats, readFloats, testDevice } from '../support/gpu.js';
import { fewCasesOf, ruleNames } from '../support/rule-cases.js';

/*
 * Rules with one value of a slot for each row against their float64 references at 1, 2, 3, 10 and 25 steps, on tensors of
 * many shapes in somebody else's memory. Tolerance per element as in update.test.ts: a mean over a row is no worse than its terms.
 */

const references: Readonly<Record<string, ReferenceRule>> = referenceRules;
const AT = [1, 2, 3, 10, 25];
/** Rows of one element, of three, of a few lanes, of more than all lanes take at once; no axis; more rows than a tile has. */
const SHAPES = [[300, 3], [12], [7, 33], [], [4, 1100], [9, 5, 4], [130, 1], [3, 1024], [1, 17]];
const SCALES = [1, 2 ** -40, 2 ** -20, 2 ** 20, 2 ** 40];
const USAGE = 0x80 | 0x04 | 0x08;

const rowOf = (name: string): RuleRow => resolveRule(rules, name).row;
/** Each rule with each of the slots that its row says may be one value for a row. */
const pairs = ruleNames.flatMap((name) => Object.keys(rowOf(name).perRow ?? {}).map((slot) => [name, slot] as const));

const made: { destroy(): void }[] = [];
afterEach(() => {
  for (const each of made.splice(0)) each.destroy();
});

const elementsOf = (shape: readonly number[]) => shape.reduce((product, size) => product * size, 1);
const TOTAL = SHAPES.reduce((sum, shape) => sum + elementsOf(shape), 0);
const START = randomFloats(TOTAL, 99);
/** Elements of a row differ by orders of magnitude, and some are 0: an average that is not one of the row shows. */
const gradient = (step: number, scale = 1) =>
  randomFloats(TOTAL, 1000 + step).map((g, i) => (i % 7 === 3 ? 0 : g * scale * 10 ** ((i % 5) - 2)));

async function make(rule: Rule, options: OptimizerOptions, more: (i: number) => Partial<TensorOptions> = () => ({})) {
  const device = await testDevice();
  const buffer = device.createBuffer({ size: 4 * (2 * TOTAL + 8), usage: USAGE });
  made.push(buffer);
  device.queue.writeBuffer(buffer, 4, START);
  let at = 1;
  const tensors = SHAPES.map((shape, i): TensorOptions => {
    const grad = { buffer, offset: 4 * (at + TOTAL + 2) };
    const own = { name: `t${i}`, shape, param: { buffer, offset: 4 * at }, grad, ...more(i) };
    at += elementsOf(shape);
    return own;
  });
  const optimizer = await createOptimizer(device, rule, tensors, options);
  made.push(optimizer);
  const step = (values: Float32Array<ArrayBuffer>) => {
    device.queue.writeBuffer(buffer, 4 * (TOTAL + 3), values);
    const encoder = device.createCommandEncoder();
    optimizer.step(encoder);
    device.queue.submit([encoder.finish()]);
  };
  const write = (values: Float32Array) => device.queue.writeBuffer(buffer, 4, values.slice());
  return { optimizer, step, write, read: () => readFloats(device, { buffer, offset: 4, size: 4 * TOTAL }) };
}

/** The reference over the same tensors. */
function referenceOf(rule: Rule, slot: string) {
  const reference = referencePerRow(references[rule.row.name]!, slot);
  const [param, grad] = [Float64Array.from(START), new Float64Array(TOTAL)];
  let at = 0;
  const tensors = SHAPES.map((shape): ReferenceTensor => {
    const end = at + elementsOf(shape);
    const own = { shape, param: param.subarray(at, end), grad: grad.subarray(at, end) };
    at = end;
    return { ...own, state: referenceState(reference, shape, rule.hyper) };
  });
  return { param, grad, tensors, step: (t: number) => referenceStep(reference, tensors, t, rule.hyper) };
}

async function compare(rule: Rule, slot: string, scale: number) {
  const run = await make(rule, { perRow: slot });
  const { param, grad, tensors, step } = referenceOf(rule, slot);
  const path = new Path(START);
  const decays = rule.hyper.decoupledWeightDecay === true && rule.hyper.weightDecay !== 0;
  for (let t = 1; t <= AT.at(-1)!; t++) {
    const values = gradient(t, scale);
    run.step(values);
    grad.set(values);
    step(t);
    path.advance(param);
    if (!AT.includes(t)) continue;
    const found = worst(await run.read(), param, (i) => path.limit(i, t, decays ? 2 : 1, 16));
    expect(found.ratio, JSON.stringify({ t, ...found })).toBeLessThanOrEqual(1);
  }
  const state = await run.optimizer.state();
  for (const [i, { state: expected }] of tensors.entries()) {
    const own = state.tensors[`t${i}`]![slot]!;
    expect(own).toHaveLength(SHAPES[i]![0] ?? 1);
    // Sums of squares: nothing cancels, 25 updates of some roundings each.
    for (const [row, value] of expected[slot]!.entries())
      expect(Math.abs(own[row]! - value)).toBeLessThanOrEqual(64 * 2 ** -24 * value);
  }
}

describe.each(pairs)('%s with one %s for each row', (name, slot) => {
  const cases = [
    ...fewCasesOf(name).map((options) => ({ options, scale: 1 })),
    ...SCALES.slice(1).map((scale) => ({ options: {}, scale })),
  ];
  it.each(cases)('agrees with the reference: $options, gradients times $scale', async ({ options, scale }) => {
    await compare(resolveRule(rules, name, options), slot, scale);
  });

  it('goes on from a state bit for bit, and refuses one that has a value for each element', async () => {
    const rule = resolveRule(rules, name);
    const whole = await make(rule, { perRow: slot });
    for (let t = 0; t < 4; t++) whole.step(gradient(t));
    const [state, middle] = await Promise.all([whole.optimizer.state(), whole.read()]);
    for (let t = 4; t < 7; t++) whole.step(gradient(t));
    const next = await make(rule, { perRow: slot });
    next.write(middle);
    next.optimizer.load(structuredClone(state));
    for (let t = 4; t < 7; t++) next.step(gradient(t));
    expect(await next.read()).toEqual(await whole.read());
    expect(await next.optimizer.state()).toEqual(await whole.optimizer.state());
    const plain = await make(rule, {});
    expect(() => plain.optimizer.load(state)).toThrow(expect.objectContaining({ code: 'STATE-MISMATCH' }));
    expect(() => next.optimizer.load({ ...state, tensors: {} })).toThrow(
      expect.objectContaining({ code: 'STATE-MISMATCH' }),
    );
  });
});

describe('perRow', () => {
  const [[name, slot]] = pairs as [readonly [string, string]];
  const rule = resolveRule(rules, name);

  it('is the plain rule where rows have one element, and five dispatches', async () => {
    const device = await testDevice();
    const buffer = device.createBuffer({ size: 4 * 300, usage: USAGE });
    made.push(buffer);
    const grads = randomFloats(100, 5);
    const after = [];
    for (const options of [{}, { perRow: slot }]) {
      device.queue.writeBuffer(buffer, 0, START.subarray(0, 100));
      device.queue.writeBuffer(buffer, 800, grads);
      const tensor = { name: 'x', shape: [100], param: { buffer }, grad: { buffer, offset: 800 } };
      const optimizer = await createOptimizer(device, rule, [tensor], options);
      made.push(optimizer);
      const encoder = device.createCommandEncoder();
      for (let t = 0; t < 5; t++) optimizer.step(encoder);
      device.queue.submit([encoder.finish()]);
      after.push(await readFloats(device, { buffer, offset: 0, size: 400 }));
      if ('perRow' in options) expect(optimizer.describe().dispatches).toBe(5);
    }
    expect(after[1]).toEqual(after[0]);
  });

  it('leaves frozen tensors and skipped steps alone, and takes groups and clipping', async () => {
    const options = { perRow: slot, skipNonFinite: true, clip: { globalNorm: 1 } };
    const run = await make(rule, options, (i) => (i === 0 ? { frozen: true } : i === 4 ? { group: { lr: 0 } } : {}));
    run.step(gradient(0));
    const [state, first] = await Promise.all([run.optimizer.state(), run.read()]);
    const still = (from: number, to: number) => expect(first.slice(from, to)).toEqual(START.slice(from, to));
    still(0, 900);
    const before = 900 + 12 + 231 + 1;
    still(before, before + 4400);
    expect(first.slice(900, before)).not.toEqual(START.slice(900, before));
    run.step(gradient(1).fill(Number.NaN, 1000, 1001));
    expect(await run.read()).toEqual(first);
    expect((await run.optimizer.state()).tensors).toEqual(state.tensors);
  });

  it('takes fields of records, and refuses what only the plain rule has', async () => {
    const device = await testDevice();
    const [param, grad] = [0, 1].map(() => device.createBuffer({ size: 4 * 80, usage: USAGE }));
    made.push(param!, grad!);
    const tensor = {
      name: 'x',
      shape: [10, 3],
      param: { buffer: param!, offset: 4, stride: 32 },
      grad: { buffer: grad!, offset: 8, stride: 16 },
    };
    device.queue.writeBuffer(param!, 0, new Float32Array(80).fill(7));
    device.queue.writeBuffer(grad!, 0, randomFloats(80, 3));
    const optimizer = await createOptimizer(device, rule, [tensor], { perRow: slot });
    made.push(optimizer);
    const encoder = device.createCommandEncoder();
    optimizer.step(encoder);
    device.queue.submit([encoder.finish()]);
    const values = await readFloats(device, { buffer: param!, offset: 0, size: 320 });
    for (const [i, value] of values.entries()) expect(value !== 7).toBe(i % 8 >= 1 && i % 8 < 4);
    const refused = (own: object, options: object) =>
      expect(createOptimizer(device, rule, [{ ...tensor, ...own }], options)).rejects.toMatchObject({
        code: 'OPTION-RANGE',
        message: expect.stringContaining('perRow'),
      });
    await refused({ rates: { rows: new Float32Array(10) } }, { perRow: slot });
    await refused({ reserve: 10 }, { perRow: slot });
    await refused({}, { perRow: slot, state: 'bf16' });
    await refused({}, { perRow: 'exp_avg' });
    await refused({}, { perRow: 1 });
    for (const other of ruleNames.filter((each) => !rowOf(each).perRow)) {
      const made = createOptimizer(device, resolveRule(rules, other), [tensor], { perRow: slot });
      await expect(made, other).rejects.toMatchObject({
        code: 'OPTION-RANGE',
        message: expect.stringMatching(/perRow/),
      });
    }
  });
});
