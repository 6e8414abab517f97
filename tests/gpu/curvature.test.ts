import { afterEach, describe, expect, it } from 'vitest';
import { createOptimizer } from '../../src/optim/optimizer.js';
import type { OptimizerOptions } from '../../src/optim/optimizer-options.js';
import { adam, sophia } from '../../src/optim/rules.gen.js';
import { Path, type ReferenceState, referenceRules, referenceState, worst } from '../../src/reference/index.js';
import { randomFloats, readFloats, testDevice } from '../support/gpu.js';

/* updateHessian: Sophia with a curvature against float64, between the steps; the rule itself, with none, is in the matrix of update.test.ts. */

const STEPS = [1, 2, 3, 10, 25];
/** So many steps to a call of updateHessian. */
const EVERY = 4;
/** The second has a group of its own, the third is frozen, the last is more than one segment. */
const LENGTHS = [7, 300, 5, 20_000];
const GROUP = { lr: 0.02, betas: [0.8, 0.9] as const };
const LEAD = 3;
const TAIL = 5;
const CANARY = 12345.5;
const UNIT = 2 ** -16;
/** About half of the steps are clipped. */
const HYPER = { lr: 0.01, rho: 0.5, batchSize: 16, weightDecay: 0.05 };

const close: { destroy(): void }[] = [];
afterEach(() => {
  for (const each of close.splice(0)) each.destroy();
});
const at = (code: string, words = '') =>
  expect.objectContaining({ name: 'DownhillError', code, message: expect.stringContaining(words) });

const TOTAL = LENGTHS.reduce((sum, length) => sum + length, 0);
/** Exact in fixed point. */
const gradient = (seed: number) => randomFloats(TOTAL, seed).map((g) => Math.round(g / UNIT) * UNIT);
const bits = (values: Float32Array) => new Uint32Array(values.slice().buffer);

async function makeBuffer(): Promise<GPUBuffer> {
  const gpu = await testDevice();
  const size = 4 * (LEAD + TOTAL + TAIL);
  const buffer = gpu.createBuffer({ size, usage: 0x80 | 0x04 | 0x08 });
  close.push(buffer);
  gpu.queue.writeBuffer(buffer, 0, new Float32Array(size / 4).fill(CANARY));
  return buffer;
}

/** An optimizer on buffers of a caller, whose tensors follow one another. */
async function foreign(options: OptimizerOptions = {}, rule = sophia(HYPER)) {
  const gpu = await testDevice();
  const [param, grad] = [await makeBuffer(), await makeBuffer()];
  let offset = LEAD;
  const tensors = LENGTHS.map((length, i) => {
    const place = { offset: 4 * offset };
    offset += length;
    const own = {
      name: `t${i}`,
      shape: [length],
      param: { buffer: param, ...place },
      grad: { buffer: grad, ...place },
    };
    return { ...own, frozen: i === 2, ...(i === 1 && { group: GROUP }) };
  });
  const start = randomFloats(TOTAL, 5);
  gpu.queue.writeBuffer(param, 4 * LEAD, start);
  const optimizer = await createOptimizer(gpu, rule, tensors, options);
  close.push(optimizer);
  const submit = (record: (encoder: GPUCommandEncoder) => void) => {
    const encoder = gpu.createCommandEncoder();
    record(encoder);
    gpu.queue.submit([encoder.finish()]);
  };
  const fixed = options.gradients !== undefined;
  const write = (values: Float32Array<ArrayBuffer>, to = grad) =>
    gpu.queue.writeBuffer(to, 4 * LEAD, fixed ? Int32Array.from(values, (g) => g / UNIT) : values);
  const all = (from = param) => readFloats(gpu, { buffer: from, offset: 0, size: from.size });
  return { gpu, optimizer, tensors, start, submit, write, all, grad };
}

describe('sophia with updateHessian on the caller’s buffers', () => {
  it.each<[string, OptimizerOptions]>([
    ['as they are', {}],
    ['with gradients in fixed point that are cleared', { gradients: { fixed: UNIT }, zeroGrad: true }],
  ])('agrees with float64: %s', async (_, options) => {
    const { optimizer, start, submit, write, all, grad } = await foreign(options);
    let from = 0;
    const parts = LENGTHS.map((length, i) => {
      const param = Float64Array.from(start.subarray(from, from + length));
      const hyper = { ...HYPER, ...(i === 1 && GROUP) };
      const state: ReferenceState = referenceState(referenceRules.sophia, length);
      from += length;
      return { from: from - length, length, param, hyper, state, path: new Path(param) };
    });
    const cut = (values: Float32Array, { from: begin, length }: (typeof parts)[number]) =>
      Float64Array.from(values.subarray(begin, begin + length));
    for (let t = 1; t <= Math.max(...STEPS); t++) {
      // Before the first step, too.
      if (t % EVERY === 1) {
        write(gradient(500 + t));
        submit((encoder) => optimizer.updateHessian(encoder));
        if (options.zeroGrad) expect((await all(grad))[LEAD]).toBe(0);
        for (const part of parts)
          referenceRules.sophia.curvature!(cut(gradient(500 + t), part), part.state, part.hyper);
      }
      write(gradient(100 + t));
      submit((encoder) => optimizer.step(encoder));
      for (const [i, part] of parts.entries()) {
        if (i === 2) continue;
        referenceRules.sophia.update(part.param, cut(gradient(100 + t), part), part.state, t, part.hyper);
        part.path.advance(part.param);
      }
      if (!STEPS.includes(t)) continue;
      const seen = await all();
      const { tensors } = await optimizer.state();
      for (const [i, { from: begin, length, param, state, path }] of parts.entries()) {
        const actual = seen.subarray(LEAD + begin, LEAD + begin + length);
        if (i === 2) {
          expect(actual).toEqual(start.subarray(begin, begin + length));
          continue;
        }
        // Decoupled decay is a rounding of its own.
        const found = worst(actual, param, (k) => path.limit(k, t, 2));
        expect(found.ratio, JSON.stringify({ t, i, ...found })).toBeLessThanOrEqual(1);
        // Every h is a sum of squares: three roundings for each.
        const own = tensors[`t${i}`]!.hessian!;
        const calls = Math.ceil(t / EVERY);
        const h = worst(own, state.hessian!, (k) => 3 * calls * 2 ** -24 * state.hessian![k]! + 2 ** -120);
        expect(h.ratio, JSON.stringify({ t, i, ...h })).toBeLessThanOrEqual(1);
      }
      for (const k of [0, 1, 2, ...[5, 4, 3, 2, 1].map((back) => seen.length - back)]) expect(seen[k]).toBe(CANARY);
    }
    // Clipped and not: else half of the rule was not looked at.
    const { exp_avg: m, hessian: h } = parts[3]!.state;
    const clipped = m!.reduce((sum, each, k) => sum + (Math.abs(each) > 8 * h![k]! ? 1 : 0), 0);
    expect(clipped).toBeGreaterThan(100);
    expect(clipped).toBeLessThan(19_900);
  });

  it('takes gradients that are given, counts no step, and keeps parameters and momenta', async () => {
    const [one, other] = [await foreign(), await foreign()];
    const elsewhere = await makeBuffer();
    one.write(gradient(7));
    other.write(gradient(7), elsewhere);
    one.submit((encoder) => {
      const pass = encoder.beginComputePass();
      one.optimizer.updateHessian(pass);
      pass.end();
    });
    const grads = Object.fromEntries(other.tensors.map(({ name, grad }) => [name, { ...grad, buffer: elsewhere }]));
    other.submit((encoder) => other.optimizer.updateHessian(encoder, { grads }));
    const state = await one.optimizer.state();
    expect(state).toEqual(await other.optimizer.state());
    expect(state).toMatchObject({ step: 0, count: 0 });
    expect(state.tensors.t0!.hessian!.some((h) => h > 0)).toBe(true);
    expect(state.tensors.t0!.exp_avg!.every((m) => m === 0)).toBe(true);
    expect(bits((await one.all()).subarray(LEAD, LEAD + TOTAL))).toEqual(bits(one.start));
  });

  it('goes by betas as they are set, and on from a state bit for bit', async () => {
    const [one, other] = [await foreign(), await foreign({}, sophia({ ...HYPER, betas: [0.965, 0.5] }))];
    one.optimizer.set({ betas: [0.965, 0.5] }, ['t0', 't3']);
    // (t2, frozen, is of the group of t0.)
    for (const each of [one, other]) {
      each.write(gradient(1));
      each.submit((encoder) => each.optimizer.updateHessian(encoder));
    }
    const state = await one.optimizer.state();
    expect(state).toEqual(await other.optimizer.state());
    const third = await foreign({}, sophia({ ...HYPER, betas: [0.965, 0.5] }));
    third.optimizer.load(state);
    for (const each of [other, third]) {
      each.write(gradient(2));
      each.submit((encoder) => {
        each.optimizer.updateHessian(encoder);
        each.optimizer.step(encoder);
      });
    }
    expect(bits(await third.all())).toEqual(bits(await other.all()));
    expect(await third.optimizer.state()).toEqual(await other.optimizer.state());
  });

  it('leaves h where a square is no finite number', async () => {
    const { optimizer, submit, write } = await foreign();
    write(gradient(1));
    submit((encoder) => optimizer.updateHessian(encoder));
    const before = (await optimizer.state()).tensors.t0!.hessian!;
    const broken = gradient(2);
    for (const [k, value] of [Number.NaN, Number.POSITIVE_INFINITY, -1e30].entries()) broken[k] = value;
    write(broken);
    submit((encoder) => optimizer.updateHessian(encoder));
    const after = (await optimizer.state()).tensors.t0!.hessian!;
    expect(after.subarray(0, 3)).toEqual(before.subarray(0, 3));
    expect(after[3]).not.toBe(before[3]);
  });

  it('takes fields of records', async () => {
    const gpu = await testDevice();
    const buffers = await Promise.all([makeBuffer(), makeBuffer(), makeBuffer(), makeBuffer()]);
    const [p, g, denseP, denseG] = buffers as [GPUBuffer, GPUBuffer, GPUBuffer, GPUBuffer];
    const ROWS = 50;
    const values = randomFloats(2 * ROWS, 1);
    for (let row = 0; row < ROWS; row++) gpu.queue.writeBuffer(g, 16 * row, values.subarray(2 * row, 2 * row + 2));
    gpu.queue.writeBuffer(denseG, 0, values);
    const shape = [ROWS, 2];
    const both = [
      { name: 'w', shape, param: { buffer: p, stride: 16 }, grad: { buffer: g, stride: 16 } },
      { name: 'w', shape, param: denseP, grad: denseG },
    ];
    const states = [];
    for (const tensor of both) {
      const optimizer = await createOptimizer(gpu, sophia(HYPER), [tensor]);
      close.push(optimizer);
      const encoder = gpu.createCommandEncoder();
      optimizer.updateHessian(encoder);
      optimizer.step(encoder);
      gpu.queue.submit([encoder.finish()]);
      states.push(await optimizer.state());
    }
    expect(states[0]).toEqual(states[1]);
    expect(states[0]!.tensors.w!.hessian!.every((h) => h > 0)).toBe(true);
  });

  it('is refused', async () => {
    const { optimizer, gpu, submit } = await foreign();
    const encoder = gpu.createCommandEncoder();
    expect(() => optimizer.updateHessian({} as never)).toThrow(at('OPTION-TYPE', 'updateHessian'));
    expect(() => optimizer.updateHessian(encoder, { gradients: {} } as never)).toThrow(at('OPTION-UNKNOWN'));
    expect(() => optimizer.updateHessian(encoder, { grads: { w: gpu } } as never)).toThrow(at('OPTION-UNKNOWN', '"w"'));
    expect(() => optimizer.updateHessian(encoder, { grads: 5 } as never)).toThrow(at('OPTION-TYPE', 'updateHessian'));
    const plain = await foreign({}, adam() as never);
    submit((own) => expect(() => plain.optimizer.updateHessian(own)).toThrow(at('OPTION-RANGE', 'adam')));
    optimizer.destroy();
    expect(() => optimizer.updateHessian(encoder)).toThrow(at('RUN-DESTROYED'));
    expect(() => sophia({ betas: [0.9, () => 0.9] })).toThrow(at('HYPER-TYPE', 'betas[1]'));
  });
});
