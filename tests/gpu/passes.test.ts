import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import type { TensorOptions } from '../../src/optim/adopt.js';
import { createOptimizer } from '../../src/optim/optimizer.js';
import { type Rule, resolveRule } from '../../src/optim/rule.js';
import { rules } from '../../src/optim/rules.gen.js';
import {
  Path,
  pathTolerance,
  type ReferenceRule,
  type ReferenceTensor,
  referenceRules,
  referenceState,
  referenceStep,
  worst,
} from '../../src/reference/index.js';
import { randomFloats, readFloats, testDevice } from '../support/gpu.js';
import { fewCasesOf, passNames } from '../support/rule-cases.js';

/*
 * Rules of several passes against their float64 references at 1, 2, 3, 10 and 25 steps: on tensors of many shapes that lie
 * packed in somebody else's memory, with gradients scaled by powers of two up to 2^±40 and zeros mixed in (`stepsOf` has where
 * fewer steps are taken). Tolerance per
 * element as in update.test.ts, with the roundings within an update U that reliability note 4.1 measured for each rule.
 */

const references: Readonly<Record<string, ReferenceRule>> = referenceRules;
const AT = [1, 2, 3, 10, 25];
/** Matrices and vectors, of sizes that end anywhere in their blocks; one longer than a segment of a sum. */
const SHAPES = [[5, 7], [12], [33, 20], [1], [64, 48], [65, 70], [17_000], [3, 5, 2], [300]];
const SCALES = [2 ** -40, 2 ** -20, 1, 2 ** 20, 2 ** 40];
const USAGE = 0x80 | 0x04 | 0x08;

/**
 * Rules whose updates are products of matrices: each element is a sum over all of them, so that its error is one of the
 * matrix, and measured against the root mean square of its tensor's changes where these are larger than its own.
 */
const PRODUCTS = ['muon', 'shampoo'];
/** Of the defaults at scale 1 all steps are compared; of products, which take a CPU adapter 0.2 s each, fewer in other cases. */
const stepsOf = (name: string): readonly number[] => (PRODUCTS.includes(name) ? AT.slice(0, 4) : AT);
/** What is tried of a rule's settings: every combination; where steps are products, each setting alone, and briefly. */
function tried(name: string): { options: Record<string, unknown>; scale: number; at: readonly number[] }[] {
  const all = fewCasesOf(name).map((options) => ({ options, scale: 1, at: AT }));
  if (!PRODUCTS.includes(name)) return all;
  const defaults = resolveRule(rules, name).hyper as Readonly<Record<string, unknown>>;
  const changes = (options: object) => Object.entries(options).filter(([key, value]) => value !== defaults[key]).length;
  return all
    .filter(({ options }) => changes(options) <= 1)
    .map((each) => (changes(each.options) === 0 ? each : { ...each, at: AT.slice(0, 3) }));
}

const made: { destroy(): void }[] = [];
afterEach(() => {
  for (const each of made.splice(0)) each.destroy();
});

const elementsOf = (shape: readonly number[]) => shape.reduce((product, size) => product * size, 1);
const TOTAL = SHAPES.reduce((sum, shape) => sum + elementsOf(shape), 0);
const ALWAYS = randomFloats(TOTAL, 999);
/** Part of it swings slowly: rules that estimate how far the solution is find that it is far, and then that they have passed it. */
const gradient = (step: number, scale: number, zeros = true) =>
  randomFloats(TOTAL, 1000 + step).map((g, j) =>
    zeros && j % 7 === 3 ? 0 : (g + ALWAYS[j]! * Math.cos(step / 4)) * scale,
  );
/**
 * Where the penalty is all the gradient there is, a rule that divides by its size jumps from one side of 0 to the other, farther each
 * time: one element of Adafactor at -0.010014, whose first step is 0.01, was at 0.005 ten steps later, any rounding 360 times as large.
 */
const hasPenalty = ({ hyper }: Rule) => hyper.decoupledWeightDecay === false && hyper.weightDecay !== 0;

/** The parameters after each of these numbers of steps, one tensor behind the other. */
async function run(
  rule: Rule,
  start: Float32Array<ArrayBuffer>,
  gradients: (step: number) => Float32Array<ArrayBuffer>,
  steps: readonly number[] = AT,
) {
  const device = await testDevice();
  // The gradients begin at a place of their own, as close behind as can be.
  const buffer = device.createBuffer({ size: 4 * (2 * TOTAL + 8), usage: USAGE });
  made.push(buffer);
  device.queue.writeBuffer(buffer, 4, start);
  let at = 1;
  const tensors = SHAPES.map((shape, i) => {
    const own = {
      name: `t${i}`,
      shape,
      param: { buffer, offset: 4 * at },
      grad: { buffer, offset: 4 * (at + TOTAL + 2) },
    };
    at += elementsOf(shape);
    return own;
  });
  const optimizer = await createOptimizer(device, rule, tensors);
  made.push(optimizer);
  const seen: Float32Array[] = [];
  for (let step = 0; step < Math.max(...steps); step++) {
    device.queue.writeBuffer(buffer, 4 * (TOTAL + 3), gradients(step));
    const encoder = device.createCommandEncoder();
    optimizer.step(encoder);
    device.queue.submit([encoder.finish()]);
    if (steps.includes(step + 1)) seen.push(await readFloats(device, { buffer, offset: 4, size: 4 * TOTAL }));
  }
  return { seen, optimizer };
}

/** How far each element may lie from the reference after t steps. */
function limits(name: string, path: Path, t: number, r: number): (i: number) => number {
  if (!PRODUCTS.includes(name)) return (i) => path.limit(i, t, r, 16);
  // Muon: five Newton-Schulz steps multiply small singular values by up to 485. Shampoo: the fourth root of a preconditioner whose
  // smallest eigenvalue is 1e-6 of the largest, in 24 bits.
  const { roundings } = resolveRule(rules, name).row;
  const typical = new Float64Array(TOTAL);
  let at = 0;
  for (const shape of SHAPES) {
    const own = path.travel.subarray(at, at + elementsOf(shape));
    typical.fill(Math.sqrt(own.reduce((sum, travel) => sum + travel * travel, 0) / own.length), at, at + own.length);
    at += own.length;
  }
  return (i) => pathTolerance(path.largest[i]!, Math.max(path.travel[i]!, typical[i]!), t, r, roundings);
}

/** The reference's tensors over one array of parameters and one of gradients. */
function tensorsOver(rule: Rule, start: Float32Array) {
  const reference = references[rule.row.name]!;
  const [param, grad] = [Float64Array.from(start), new Float64Array(TOTAL)];
  let at = 0;
  const tensors = SHAPES.map((shape): ReferenceTensor => {
    const end = at + elementsOf(shape);
    const own = { shape, param: param.subarray(at, end), grad: grad.subarray(at, end) };
    at = end;
    return { ...own, state: referenceState(reference, shape, rule.hyper) };
  });
  return { param, grad, step: (t: number) => referenceStep(reference, tensors, t, rule.hyper) };
}

const WORDS = ['no', 'one', 'two', 'three', 'four', 'five', 'six', 'seven', 'eight', 'nine', 'ten'];

/** The weights and biases of a net with these widths, one behind the other. */
async function netOf(sizes: readonly number[]): Promise<TensorOptions[]> {
  const shapes = sizes.slice(1).flatMap((outputs, i) => [[sizes[i]!, outputs], [outputs]]);
  const device = await testDevice();
  const total = shapes.reduce((sum, shape) => sum + elementsOf(shape), 0);
  const [param, grad] = [0, 1].map(() => device.createBuffer({ size: 4 * total, usage: USAGE }));
  made.push(param!, grad!);
  let at = 0;
  return shapes.map((shape, i) => {
    const offset = 4 * at;
    at += elementsOf(shape);
    return { name: `t${i}`, shape, param: { buffer: param!, offset }, grad: { buffer: grad!, offset } };
  });
}

/** Runs both, and compares them after each of these numbers of steps. */
async function compare(
  rule: Rule,
  start: Float32Array<ArrayBuffer>,
  gradients: (step: number) => Float32Array<ArrayBuffer>,
  at: readonly number[] = AT,
) {
  const { seen } = await run(rule, start, gradients, at);
  const { param, grad, step } = tensorsOver(rule, start);
  const path = new Path(start);
  const decays = rule.hyper.decoupledWeightDecay === true && rule.hyper.weightDecay !== 0;
  for (let t = 1; t <= Math.max(...at); t++) {
    grad.set(gradients(t - 1));
    step(t);
    path.advance(param);
    const index = at.indexOf(t);
    if (index < 0) continue;
    const found = worst(seen[index]!, param, limits(rule.row.name, path, t, decays ? 2 : 1));
    expect(found.ratio, JSON.stringify({ t, ...found })).toBeLessThanOrEqual(1);
  }
}

describe.each(passNames)('%s', (name) => {
  const cases = [
    ...tried(name),
    ...SCALES.filter((scale) => scale !== 1).map((scale) => ({ options: {}, scale, at: stepsOf(name) })),
  ];

  it.each(cases)('agrees with the reference: $options, gradients times $scale', async ({ options, scale, at }) => {
    const rule = resolveRule(rules, name, options);
    const gradients = (step: number) => gradient(step, scale, !hasPenalty(rule));
    await compare(rule, randomFloats(TOTAL, 99), gradients, at);
  });

  it('stays finite where gradients, or parameters and gradients, are zero', async () => {
    const rule = resolveRule(rules, name);
    const zero = new Float32Array(TOTAL);
    for (const start of [randomFloats(TOTAL, 99), zero]) {
      const { seen } = await run(rule, start, () => zero, stepsOf(name));
      expect(seen.at(-1)!.every(Number.isFinite)).toBe(true);
    }
  });

  it('takes gradients from wherever a pool put them', async () => {
    const rule = resolveRule(rules, name);
    const device = await testDevice();
    const start = randomFloats(TOTAL, 99);
    const { seen } = await run(rule, start, (step) => gradient(step, 1), [3]);
    const make = (floats: number) => {
      const buffer = device.createBuffer({ size: 4 * floats, usage: USAGE });
      made.push(buffer);
      return buffer;
    };
    const [params, pool] = [make(TOTAL), [make(TOTAL), make(TOTAL + 40)]];
    device.queue.writeBuffer(params, 0, start);
    let at = 0;
    const places = SHAPES.map((shape, i) => {
      const begin = at;
      at += elementsOf(shape);
      return { name: `t${i}`, shape, begin };
    });
    const optimizer = await createOptimizer(
      device,
      rule,
      places.map(({ begin, ...tensor }) => ({
        ...tensor,
        param: { buffer: params, offset: 4 * begin },
        grad: { buffer: pool[0]!, offset: 4 * begin },
      })),
    );
    made.push(optimizer);
    for (let step = 0; step < 3; step++) {
      const [buffer, lead] = [pool[step % 2]!, step % 2 ? 40 : 0];
      device.queue.writeBuffer(buffer, 4 * lead, gradient(step, 1));
      const grads = places.map(({ name: tensor, begin }) => [tensor, { buffer, offset: 4 * (begin + lead) }]);
      const encoder = device.createCommandEncoder();
      optimizer.step(encoder, { grads: Object.fromEntries(grads) });
      device.queue.submit([encoder.finish()]);
    }
    expect(await readFloats(device, { buffer: params, offset: 0, size: 4 * TOTAL })).toEqual(seen[0]);
  });

  it('agrees with the reference where parameters start at zero', async () => {
    const rule = resolveRule(rules, name);
    const zero = new Float32Array(TOTAL);
    await compare(rule, zero, (step) => gradient(step, 1), stepsOf(name));
  });

  it('takes as many dispatches for the lecture’s net as for any other, and says how many', async () => {
    const counts = new Set<number>();
    for (const sizes of [
      [784, 100, 100, 100, 100, 10],
      [300, 17, 9],
      [40, 700, 2, 5],
    ]) {
      const optimizer = await createOptimizer(await testDevice(), resolveRule(rules, name), await netOf(sizes));
      made.push(optimizer);
      const { dispatches, passes, choice } = optimizer.describe();
      expect(passes).toHaveLength(dispatches);
      expect(Object.keys(choice).length).toBeLessThanOrEqual(dispatches);
      counts.add(dispatches);
    }
    expect(counts.size).toBe(1);
    // Of a trainer; three more copy somebody else's memory.
    const { row } = resolveRule(rules, name);
    const page = readFileSync(resolve(import.meta.dirname, `../../docs/rules/${row.name}.md`), 'utf8');
    expect(page).toContain(`${WORDS[[...counts][0]! - 3] ?? [...counts][0]! - 3} dispatches a step`);
  });

  it('says what bytes a step moves', async () => {
    const { optimizer } = await run(
      resolveRule(rules, name),
      randomFloats(TOTAL, 99),
      (step) => gradient(step, 1),
      [1],
    );
    const { bytesPerStep } = optimizer.describe();
    expect(bytesPerStep).toBeGreaterThan(4 * TOTAL * 5);
  });
});
