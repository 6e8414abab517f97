import { afterEach, describe, expect, it } from 'vitest';
import { createOptimizer } from '../../src/optim/optimizer.js';
import { dadaptAdam, prodigy } from '../../src/optim/rules.gen.js';
import { referenceRules, referenceState } from '../../src/reference/index.js';
import { randomFloats, readFloats, testDevice } from '../support/gpu.js';

/*
 * Rules that estimate how far the solution is, on a bowl whose lowest point is 1 to 3 away in every direction: the estimate grows from
 * 1e-6 to the size of that, and what it is on the GPU is what float64 makes of the same gradients.
 */

const SIZE = 20_000;
const STEPS = 60;
const USAGE = 0x80 | 0x04 | 0x08;

const made: { destroy(): void }[] = [];
afterEach(() => {
  for (const each of made.splice(0)) each.destroy();
});

const START = randomFloats(SIZE, 7);
const LOWEST = START.map((p, i) => p + (i % 2 ? 1 : -1) * (1 + (i % 5) / 2));
/** Half the mean square distance, each direction with a slope of its own. */
const slopeOf = (i: number) => 0.25 + (i % 11) / 10;
const lossOf = (p: ArrayLike<number>) =>
  Array.from(p).reduce((sum, value, i) => sum + (slopeOf(i) / 2) * (value - LOWEST[i]!) ** 2, 0) / SIZE;

describe.each([
  { name: 'prodigy' as const, rule: prodigy(), growth: prodigy({ growthRate: 1.5 }) },
  { name: 'dadaptAdam' as const, rule: dadaptAdam(), growth: dadaptAdam({ growthRate: 1.5 }) },
])('$name', ({ name, rule, growth }) => {
  async function make(of: typeof rule | typeof growth) {
    const device = await testDevice();
    const [param, grad] = [0, 1].map(() => device.createBuffer({ size: 4 * SIZE, usage: USAGE }));
    made.push(param!, grad!);
    device.queue.writeBuffer(param!, 0, START);
    const tensors = [{ name: 'p', shape: [SIZE], param: { buffer: param! }, grad: { buffer: grad! } }];
    const optimizer = await createOptimizer(device, of as typeof rule, tensors);
    made.push(optimizer);
    return {
      optimizer,
      step: (gradient: Float32Array<ArrayBuffer>) => {
        device.queue.writeBuffer(grad!, 0, gradient);
        const encoder = device.createCommandEncoder();
        optimizer.step(encoder);
        device.queue.submit([encoder.finish()]);
      },
      read: () => readFloats(device, { buffer: param!, offset: 0, size: 4 * SIZE }),
    };
  }

  it('finds the distance, the same as float64', async () => {
    const { optimizer, step, read } = await make(rule);
    expect((await optimizer.read()).scalars!.d![0]).toBe(0);
    const reference = referenceRules[name];
    const param = Float64Array.from(START);
    const state = referenceState(reference, SIZE);
    const found: number[] = [];
    for (let t = 1; t <= STEPS; t++) {
      const gradient = Float32Array.from(param, (p, i) => (slopeOf(i) * (p - LOWEST[i]!)) / SIZE);
      reference.update(param, Float64Array.from(gradient), state, t);
      step(gradient);
      const [d] = (await optimizer.read()).scalars!.d!;
      found.push(d!);
      expect(Math.abs(d! / state.d![0]! - 1), `t = ${t}: d = ${d}`).toBeLessThanOrEqual(2 ** -18);
    }
    expect(found[0]).toBe(Math.fround(1e-6));
    expect(found.at(-1)!).toBeGreaterThan(0.01);
    // With averages that forget it is no lower bound, but it is of that size.
    expect(found.at(-1)!).toBeLessThan(6);
    const actual = await read();
    expect(lossOf(actual)).toBeLessThan(0.5 * lossOf(START));
    expect(Math.max(...actual.map((p, i) => Math.abs(p - param[i]!)))).toBeLessThanOrEqual(2 ** -14);
    expect((await optimizer.state()).scalars!.d![0]).toBe(found.at(-1));
  });

  it('grows no faster than growthRate, and says that d0 must be above 0', async () => {
    const { optimizer, step } = await make(growth);
    const found: number[] = [];
    for (let t = 1; t <= 12; t++) {
      step(Float32Array.from(START, (p, i) => slopeOf(i) * (p - LOWEST[i]!)));
      found.push((await optimizer.read()).scalars!.d![0]!);
    }
    expect(found.at(-1)!).toBeGreaterThan(2e-6);
    // Prodigy takes the first estimate above d0 whole.
    const first = found.findIndex((d) => d > found[0]!);
    for (const [i, d] of found.slice(first + 1).entries())
      expect(d).toBeLessThanOrEqual(found[first + i]! * 1.5 * (1 + 2 ** -22));
    for (const options of [{ d0: 0 }, { growthRate: 0.5 }, { d0: -1 }, { d0: 1e-50 }])
      for (const make of [prodigy, dadaptAdam]) expect(() => make(options)).toThrow(/HYPER-RANGE/);
  });

  it('leaves all as it is at a rate of 0', async () => {
    const { optimizer, step, read } = await make(rule);
    optimizer.set({ lr: 0, weightDecay: 0.5 });
    for (let t = 1; t <= 3; t++) step(Float32Array.from(LOWEST));
    expect(await read()).toEqual(START);
    const { scalars, tensors } = await optimizer.state();
    expect([...scalars!.d!].slice(1, 3)).toEqual([0, 0]);
    for (const values of Object.values(tensors.p!)) expect(values.every((value) => value === 0)).toBe(true);
  });
});
