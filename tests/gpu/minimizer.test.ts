import { afterEach, describe, expect, it } from 'vitest';
import type { BufferRange } from '../../src/gpu/buffers.js';
import { type CallerMinimizer, createMinimizer, type MinimizerPoint } from '../../src/optim/create-minimizer.js';
import { lbfgs } from '../../src/optim/minimizers.gen.js';
import type { Rule } from '../../src/optim/rule.js';
import { adam } from '../../src/optim/rules.gen.js';
import { readFloats, testDevice } from '../support/gpu.js';

/* L-BFGS on an objective that the caller records: his kernel, his buffers, his encoder. */

const at = (code: string, words = '') =>
  expect.objectContaining({ name: 'DownhillError', code, message: expect.stringContaining(words) });

const close: { destroy(): void }[] = [];
afterEach(() => {
  for (const each of close.splice(0)) each.destroy();
});

/** Rosenbrock's function of x = (a, b) in two tensors; where `spoil` is a point's number, its value is NaN. */
const CODE = `
  override SPOIL: i32 = -1;
  @group(0) @binding(0) var<storage, read> a: array<f32>;
  @group(0) @binding(1) var<storage, read> b: array<f32>;
  @group(0) @binding(2) var<storage, read_write> grad_a: array<f32>;
  @group(0) @binding(3) var<storage, read_write> grad_b: array<f32>;
  @group(0) @binding(4) var<storage, read_write> value: array<f32>;
  @group(0) @binding(5) var<uniform> point: vec4i;
  @compute @workgroup_size(1) fn main() {
    let x = a[0];
    let rest = b[0] - x * x;
    let bad = bitcast<f32>(0x7fc00000u + u32(point.y));
    value[0] = select((1.0 - x) * (1.0 - x) + 100.0 * rest * rest, bad, point.x == SPOIL);
    grad_a[0] = -2.0 * (1.0 - x) - 400.0 * x * rest;
    grad_b[0] = 200.0 * rest;
  }`;

const STORAGE = 0x80 | 0x04 | 0x08;

async function rosenbrock(rule: Rule = lbfgs(), { spoil = -1, frozen = false } = {}) {
  const gpu = await testDevice();
  const buffer = (values: number[]) => {
    const made = gpu.createBuffer({ size: 512, usage: STORAGE });
    close.push(made);
    gpu.queue.writeBuffer(made, 256, Float32Array.from(values));
    return made;
  };
  const [a, b] = [buffer([-1.2]), buffer([1])];
  const pipeline = gpu.createComputePipeline({
    layout: 'auto',
    compute: { module: gpu.createShaderModule({ code: CODE }), constants: { SPOIL: spoil } },
  });
  let groups: GPUBindGroup[] = [];
  const evaluate = (encoder: GPUCommandEncoder, { index }: MinimizerPoint) => {
    const pass = encoder.beginComputePass();
    pass.setPipeline(pipeline);
    pass.setBindGroup(0, groups[index]!);
    pass.dispatchWorkgroups(1);
    pass.end();
  };
  const tensors = [
    { name: 'a', shape: [1], param: { buffer: a, offset: 256 }, frozen },
    { name: 'b', shape: [1], param: { buffer: b, offset: 256 } },
  ];
  const minimizer = await createMinimizer(gpu, rule, tensors, { evaluate });
  close.push(minimizer);
  groups = minimizer.points.map(({ index, params, grads, value }) => {
    const number = gpu.createBuffer({ size: 16, usage: 0x40 | 0x08 });
    close.push(number);
    gpu.queue.writeBuffer(number, 0, Int32Array.of(index, 0, 0, 0));
    const bound = [params.a, params.b, grads.a, grads.b, value] as BufferRange[];
    return gpu.createBindGroup({
      layout: pipeline.getBindGroupLayout(0),
      entries: [
        ...bound.map((resource, binding) => ({ binding, resource })),
        { binding: 5, resource: { buffer: number } },
      ],
    });
  });
  const run = (rounds: number) => {
    const encoder = gpu.createCommandEncoder();
    for (let i = 0; i < rounds; i++) minimizer.step(encoder);
    gpu.queue.submit([encoder.finish()]);
  };
  const values = async () => [
    ...(await readFloats(gpu, { buffer: a, offset: 256, size: 4 })),
    ...(await readFloats(gpu, { buffer: b, offset: 256, size: 4 })),
  ];
  return { gpu, minimizer: minimizer as CallerMinimizer, run, values, a, b };
}

describe('createMinimizer', () => {
  it('ends at the minimum, in the buffers it was given, in one submit', async () => {
    const { minimizer, run, values } = await rosenbrock();
    run(64);
    const { rounds, iterations, value, gradMax, stopped } = await minimizer.read();
    expect(stopped).toBe('gradient');
    expect(iterations).toBeLessThanOrEqual(40);
    expect(rounds).toBeLessThanOrEqual(1.4 * iterations);
    expect(value).toBeLessThan(1e-9);
    expect(gradMax).toBeLessThanOrEqual(1e-5);
    for (const x of await values()) expect(x).toBeCloseTo(1, 4);
    expect(minimizer.describe().dispatches).toBe(8);
  });

  it('takes no point whose value is NaN, and goes on where it was set or moved', async () => {
    const { gpu, minimizer, run, values, a } = await rosenbrock(lbfgs(), { spoil: 1 });
    // The second length is 1 once there is history: without it others must do.
    run(200);
    const first = await minimizer.read();
    expect(first.value).toBeLessThan(1e-6);
    expect((await values()).every(Number.isFinite)).toBe(true);
    expect(first.stopped).toBeDefined();
    minimizer.set({ toleranceGrad: 1 });
    run(1);
    gpu.queue.writeBuffer(a, 256, Float32Array.of(0.5));
    minimizer.reset();
    run(1);
    const moved = await minimizer.read();
    expect(moved.value).toBeGreaterThan(1);
    expect(moved.stopped).toBeUndefined();
    expect((await values())[0]).toBe(0.5);
  });

  it('stops where the first value is no number, with the parameters as they were', async () => {
    const { minimizer, run, values } = await rosenbrock(lbfgs(), { spoil: 0 });
    run(3);
    expect(await minimizer.read()).toMatchObject({ rounds: 1, iterations: 0, stopped: 'nonfinite' });
    expect(await values()).toEqual([Math.fround(-1.2), 1]);
  });

  it('stops where no step does, with the parameters as they were', async () => {
    const { minimizer, run, values } = await rosenbrock(lbfgs({ lr: 1e30 }));
    run(40);
    expect(await minimizer.read()).toMatchObject({ rounds: 5, iterations: 0, stopped: 'linesearch' });
    expect(await values()).toEqual([Math.fround(-1.2), 1]);
  });

  it('leaves what is frozen', async () => {
    const { minimizer, run, values } = await rosenbrock(lbfgs(), { frozen: true });
    run(30);
    expect((await minimizer.read()).stopped).toBe('gradient');
    const [x, y] = await values();
    expect(x).toBe(Math.fround(-1.2));
    expect(y).toBeCloseTo(1.44, 5);
  });

  it('refuses what cannot be, with code and fix', async () => {
    const { gpu, minimizer, a } = await rosenbrock();
    const evaluate = () => {};
    const tensor = { name: 'a', shape: [1], param: a };
    const of = (rule: unknown, tensors: unknown, options: unknown = { evaluate }) =>
      createMinimizer(gpu, rule as Rule, tensors as never, options as never);
    const bare = gpu.createBuffer({ size: 16, usage: 0x80 });
    close.push(bare);
    await expect(of(adam(), [tensor])).rejects.toThrow(at('OPTION-RANGE', 'one gradient'));
    await expect(of(lbfgs(), [])).rejects.toThrow(at('OPTION-TYPE'));
    await expect(of(lbfgs(), [tensor, tensor])).rejects.toThrow(at('OPTION-RANGE', 'twice'));
    await expect(of(lbfgs(), [{ ...tensor, shape: [0] }])).rejects.toThrow(at('SHAPE-INVALID'));
    await expect(of(lbfgs(), [{ ...tensor, shape: [1000] }])).rejects.toThrow(at('BUFFER-RANGE'));
    await expect(of(lbfgs(), [{ ...tensor, param: bare }])).rejects.toThrow(at('BUFFER-USAGE', 'COPY_SRC'));
    await expect(of(lbfgs(), [{ ...tensor, frozen: true }])).rejects.toThrow(at('OPTION-RANGE', 'frozen'));
    await expect(of(lbfgs(), [{ ...tensor, grad: a }])).rejects.toThrow(at('OPTION-UNKNOWN', 'grad'));
    await expect(of(lbfgs(), [tensor], {})).rejects.toThrow(at('OPTION-TYPE', 'evaluate'));
    expect(() => minimizer.set({ history: 3 } as never)).toThrow(at('OPTION-RANGE', 'history'));
    minimizer.destroy();
    expect(() => minimizer.step(gpu.createCommandEncoder())).toThrow(at('RUN-DESTROYED'));
    expect(a.mapState).toBe('unmapped');
  });
});
