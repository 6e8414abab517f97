import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import { acceptSharedMemory, offerWebGpu } from '../../harness/peers/place.js';
import { ensureBuild } from '../../harness/setup/build.mjs';
import { ensurePeers } from '../../harness/setup/peers.mjs';
import { adam, digits, mlp, type Optimizer } from '../../src/index.js';
import { referenceRules, referenceState } from '../../src/reference/index.js';
import { nodeEnvironment } from '../support/node-environment.js';
import { onnxModel } from '../support/onnx-graph.js';

/*
 * downhill/interop: each recipe of docs/interop.md with the library itself, on one device, in Node. They are compared with the float64
 * reference, or with the library's own optimizer.
 */

const root = resolve(import.meta.dirname, '../..');
// biome-ignore lint/suspicious/noExplicitAny: other people's modules, by their paths
const load = (path: string): Promise<any> => import(/* @vite-ignore */ pathToFileURL(join(root, path)).href);
const peer = (path: string) => load(`harness/peers/node_modules/${path}`);
const recipe = (name: string) => load(`examples/interop/${name}.js`);

beforeAll(async () => {
  ensurePeers();
  ensureBuild();
  offerWebGpu(await nodeEnvironment());
});

/** Adam on f(p) = Σ (p - goal)² from p, in float64. */
function descended(start: number[], goal: (i: number) => number, steps: number, hyper: object): number[] {
  const param = Float64Array.from(start);
  const state = referenceState(referenceRules.adam, param.length, hyper);
  for (let t = 1; t <= steps; t++) {
    const gradient = param.map((value, i) => 2 * (value - goal(i)));
    referenceRules.adam.update(param, gradient, state, t, hyper);
  }
  return [...param];
}
function expectClose(actual: ArrayLike<number>, expected: ArrayLike<number>, within = 1e-5): void {
  expect(actual).toHaveLength(expected.length);
  for (let i = 0; i < expected.length; i++) expect(Math.abs(actual[i]! - expected[i]!), `${i}`).toBeLessThan(within);
}

describe('TensorFlow.js', () => {
  it('trains its variables as its own Adam does, and reads them anew', async () => {
    const tf = await load('dist/peers/node/host-tfjs.js');
    const { train } = await recipe('tfjs');
    await tf.setBackend('webgpu');
    const x = tf.tensor2d([1, 2, 3, 4, 0.5, -1, 2, 0, 1, -2, 0.25, 1], [4, 3]);
    const y = tf.tensor2d([1, 0, 2, 1, -1, 0.5, 3, 2], [4, 2]);
    const starts = { w: [0.1, -0.2, 0.3, 0.4, -0.5, 0.6], b: [0, 0.5] };
    const variablesOf = (prefix: string) => ({
      w: tf.variable(tf.tensor2d(starts.w, [3, 2]), true, `${prefix}/w`),
      b: tf.variable(tf.tensor1d(starts.b), true, `${prefix}/b`),
    });
    type Variables = ReturnType<typeof variablesOf>;
    const lossOf = ({ w, b }: Variables) => tf.losses.meanSquaredError(y, tf.add(tf.matMul(x, w), b));

    const theirs = variablesOf('theirs');
    const own = tf.train.adam(0.01, 0.9, 0.999, 1e-7);
    for (let i = 0; i < 20; i++) own.minimize(() => lossOf(theirs), false, Object.values(theirs));

    const ours = variablesOf('ours');
    for (const variable of Object.values(ours)) await variable.data(); // from now on it has a copy on the CPU
    const optimizer: Optimizer = await train(tf, Object.values(ours), () => lossOf(ours), 20);
    for (const key of ['w', 'b'] as const) {
      const values = await ours[key].data();
      expect(Math.abs(values[0] - starts[key][0]!)).toBeGreaterThan(0.01);
      expectClose(values, await theirs[key].data());
    }
    expect(await optimizer.read()).toMatchObject({ step: 20, count: 20 });
    optimizer.destroy();

    const { tensors } = await load('dist/lib/interop/tfjs.js');
    expect(() => tensors(tf, { nobody: x })).toThrow(expect.objectContaining({ code: 'OPTION-RANGE' }));
    expect(() => tensors({ ...tf, backend: () => ({}) }, { 'ours/w': x })).toThrow(
      expect.objectContaining({ code: 'OPTION-TYPE' }),
    );
  });
});

describe('jax-js', () => {
  it('trains arrays by gradients that lie elsewhere every time', async () => {
    const jax = await peer('@jax-js/jax/dist/index.js');
    const { train } = await recipe('jax');
    await jax.init('webgpu');
    jax.defaultDevice('webgpu');
    const { numpy: np, jit, grad } = jax;
    const start = [0.5, -1, 2, 0.25, 3, -0.75];
    const params = { w: np.array(start, { shape: [2, 3] }), b: np.array([1, 2]) };
    const goal = np.array([1, 2, 3, 4, 5, 6]).reshape([2, 3]);
    // biome-ignore lint/suspicious/noExplicitAny: jax-js' arrays
    const loss = ({ w, b }: any, target: any) => np.square(w.sub(target)).sum().add(np.square(b).sum());
    const gradient = jit(grad(loss));
    const optimizer: Optimizer = await train(jax, params, (tree: object) => gradient(tree, goal.ref), 30);
    expectClose(
      await params.w.ref.data(),
      descended(start, (i) => i + 1, 30, { lr: 0.01 }),
    );
    expectClose(
      await params.b.ref.data(),
      descended([1, 2], () => 0, 30, { lr: 0.01 }),
    );
    expect(await optimizer.read()).toMatchObject({ step: 30 });
    optimizer.destroy();
    jax.tree.dispose(params);
  });
});

describe('ONNX Runtime Web', () => {
  async function runtime() {
    const ort = await peer('onnxruntime-web/dist/ort.webgpu.min.mjs');
    ort.env.logLevel = 'error';
    const device: GPUDevice = await (await nodeEnvironment()).requestDevice('ort');
    acceptSharedMemory(device.queue);
    const open = (model: Uint8Array) =>
      ort.InferenceSession.create(model, {
        executionProviders: [{ name: 'webgpu', device }],
        preferredOutputLocation: 'gpu-buffer',
      });
    return { ort, device, open };
  }

  it('gives a gradient that is used where it lies, and sees the weights change', async () => {
    const { ort, device, open } = await runtime();
    const { train } = await recipe('ort');
    // gradient = xᵀ(xw - y)
    const session = await open(
      onnxModel(
        [
          ['x', 4, 3],
          ['y', 4, 2],
          ['w', 3, 2],
        ],
        [
          ['MatMul', ['x', 'w'], 'xw'],
          ['Sub', ['xw', 'y'], 'error'],
          ['Transpose', ['x'], 'xt'],
          ['MatMul', ['xt', 'error'], 'gradient'],
        ],
        ['gradient', 3, 2],
      ),
    );
    const xs = Float32Array.of(1, 2, 3, 4, 0.5, -1, 2, 0, 1, -2, 0.25, 1);
    const ys = Float32Array.of(1, 0, 2, 1, -1, 0.5, 3, 2);
    const start = [0.1, -0.2, 0.3, 0.4, -0.5, 0.6];
    const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST | GPUBufferUsage.COPY_SRC;
    const buffer = device.createBuffer({ size: 32, usage }); // ONNX Runtime binds multiples of 16 bytes
    device.queue.writeBuffer(buffer, 0, Float32Array.from(start));
    const feeds = { x: new ort.Tensor('float32', xs, [4, 3]), y: new ort.Tensor('float32', ys, [4, 2]) };
    const optimizer: Optimizer = await train(ort, session, device, { w: { buffer, shape: [3, 2] }, ...feeds }, 25);

    const w = Float64Array.from(start);
    const state = referenceState(referenceRules.adam, 6, {});
    for (let t = 1; t <= 25; t++) {
      const gradient = new Float64Array(6);
      for (let row = 0; row < 4; row++)
        for (let out = 0; out < 2; out++) {
          let error = -ys[2 * row + out]!;
          for (let k = 0; k < 3; k++) error += xs[3 * row + k]! * w[2 * k + out]!;
          for (let k = 0; k < 3; k++) gradient[2 * k + out]! += xs[3 * row + k]! * error;
        }
      referenceRules.adam.update(w, gradient, state, t, { lr: 0.05 });
    }
    const found = await ort.Tensor.fromGpuBuffer(buffer, {
      dataType: 'float32',
      dims: [3, 2],
      download: () => read(device, buffer, 24),
    }).getData();
    expectClose(found, w);
    expect(await optimizer.read()).toMatchObject({ step: 25 });
    optimizer.destroy();
    await session.release();
  });

  it('predicts by the weights of a trainer, while it trains', async () => {
    const { ort, device, open } = await runtime();
    const { makeTrainer, predict } = await recipe('ort-predict');
    const data = digits({ samples: 100, seed: 2 });
    const model = mlp({ sizes: [784, 16, 10], activation: 'relu' });
    const trainer = await makeTrainer(device, { model, rule: adam({ lr: 0.01 }), data, batchSize: 20 });
    // Our weights are [in, out] on the GPU.
    const session = await open(
      onnxModel(
        [
          ['x', 5, 784],
          ['0.weight', 784, 16],
          ['0.bias', 16],
          ['2.weight', 16, 10],
          ['2.bias', 10],
        ],
        [
          ['MatMul', ['x', '0.weight'], 'a'],
          ['Add', ['a', '0.bias'], 'b'],
          ['Relu', ['b'], 'c'],
          ['MatMul', ['c', '2.weight'], 'd'],
          ['Add', ['d', '2.bias'], 'e'],
          ['Softmax', ['e'], 'y'],
        ],
        ['y', 5, 10],
      ),
    );
    const raw = data.x.subarray(0, 5 * 784);
    const x = new ort.Tensor(
      'float32',
      Float32Array.from(raw, (value) => value / 255),
      [5, 784],
    );
    for (const steps of [1, 20]) {
      for await (const _ of trainer.run({ steps }));
      const { y } = await predict(ort, session, trainer, x);
      expectClose(await y.getData(), await trainer.predict(raw));
      y.dispose();
    }
    trainer.destroy();

    const together = await load('dist/lib/interop/ort.js');
    const range = { buffer: {} as GPUBuffer, offset: 256, shape: [4] };
    const refused = expect.objectContaining({ code: 'BUFFER-RANGE', fix: expect.stringContaining('separate') });
    expect(() => together.tensor(ort, range)).toThrow(refused);
    await session.release();
  });
});

describe('TypeGPU', () => {
  it('has typed buffers that are trained where they lie', async () => {
    const { default: tgpu } = await peer('typegpu/index.js');
    const d = await peer('typegpu/data/index.js');
    const { makeOptimizer } = await recipe('typegpu');
    const typed = await tgpu.init();
    const buffers = (schema: unknown, values?: unknown) => typed.createBuffer(schema, values).$usage('storage');
    const starts = Array.from({ length: 7 }, (_, i) => [i, 1 - i]);
    const points = buffers(
      d.arrayOf(d.vec2f, 7),
      starts.map(([a, b]) => d.vec2f(a, b)),
    );
    const weights = buffers(d.arrayOf(d.f32, 7), [1, 2, 3, 4, 5, 6, 7]);
    const gradients = { points: buffers(d.arrayOf(d.vec2f, 7)), weights: buffers(d.arrayOf(d.f32, 7)) };
    const layout = tgpu.bindGroupLayout({
      points: { storage: d.arrayOf(d.vec2f), access: 'readonly' },
      weights: { storage: d.arrayOf(d.f32), access: 'readonly' },
      byPoints: { storage: d.arrayOf(d.vec2f), access: 'mutable' },
      byWeights: { storage: d.arrayOf(d.f32), access: 'mutable' },
    });
    const compute = tgpu.computeFn({ workgroupSize: [64], in: { id: d.builtin.globalInvocationId } })`{
        let i = in.id.x;
        if (i >= arrayLength(&layout.$.points)) { return; }
        layout.$.byPoints[i] = 2.0 * (layout.$.points[i] - vec2f(3.0, 4.0));
        layout.$.byWeights[i] = 2.0 * layout.$.weights[i];
      }`.$uses({ layout });
    const group = typed.createBindGroup(layout, {
      points,
      weights,
      byPoints: gradients.points,
      byWeights: gradients.weights,
    });
    const pipeline = typed.createComputePipeline({ compute }).with(group);
    const optimizer: Optimizer = await makeOptimizer(typed, { points, weights, gradients });
    for (let i = 0; i < 20; i++) {
      pipeline.dispatchWorkgroups(1); // submits
      const encoder = typed.device.createCommandEncoder();
      optimizer.step(encoder);
      typed.device.queue.submit([encoder.finish()]);
    }
    type Vector = { readonly x: number; readonly y: number };
    const found = ((await points.read()) as Vector[]).flatMap(({ x, y }) => [x, y]);
    expectClose(
      found,
      descended(starts.flat(), (i) => (i % 2 ? 4 : 3), 20, { lr: 0.05 }),
    );
    expectClose(
      await weights.read(),
      descended([1, 2, 3, 4, 5, 6, 7], () => 0, 20, { lr: 0.01 }),
    );
    optimizer.destroy();

    const { fields, tensor } = await load('dist/lib/interop/typegpu.js');
    expect(() => fields(typed, d, points, points)).toThrow(expect.objectContaining({ code: 'SHAPE-INVALID' }));
    const pair = (other: unknown) => () => tensor(typed, 'p', points, other);
    expect(pair(weights)).toThrow(expect.objectContaining({ code: 'SHAPE-MISMATCH' }));
    expect(pair(buffers(d.arrayOf(d.u32, 7)))).toThrow(expect.objectContaining({ code: 'SHAPE-INVALID' }));
  });
});

describe('structs of TypeGPU', () => {
  it('are trained field by field, in one dispatch', async () => {
    const { default: tgpu } = await peer('typegpu/index.js');
    const d = await peer('typegpu/data/index.js');
    const { makeOptimizer } = await recipe('typegpu-fields');
    const typed = await tgpu.init();
    const Splat = d.struct({ position: d.vec3f, opacity: d.f32, id: d.u32, colour: d.vec4f, scale: d.vec2f });
    const splatOf = (i: number) => ({
      position: d.vec3f(i, i + 1, i + 2),
      opacity: 0.5 + i,
      id: 100 + i,
      colour: d.vec4f(1, 0.5, 0.25, i),
      scale: d.vec2f(-i, 1),
    });
    const starts = Array.from({ length: 9 }, (_, i) => splatOf(i));
    const splats = typed.createBuffer(d.arrayOf(Splat, 9), starts).$usage('storage');
    const gradients = typed.createBuffer(d.arrayOf(Splat, 9)).$usage('storage');
    const layout = tgpu.bindGroupLayout({
      splats: { storage: d.arrayOf(Splat), access: 'readonly' },
      gradients: { storage: d.arrayOf(Splat), access: 'mutable' },
    });
    const compute = tgpu.computeFn({ workgroupSize: [64], in: { id: d.builtin.globalInvocationId } })`{
        let i = in.id.x;
        if (i >= arrayLength(&layout.$.splats)) { return; }
        layout.$.gradients[i].position = 2.0 * layout.$.splats[i].position;
        layout.$.gradients[i].opacity = 2.0 * layout.$.splats[i].opacity;
        layout.$.gradients[i].colour = 2.0 * layout.$.splats[i].colour;
        layout.$.gradients[i].scale = 2.0 * layout.$.splats[i].scale;
      }`.$uses({ layout });
    const pipeline = typed
      .createComputePipeline({ compute })
      .with(typed.createBindGroup(layout, { splats, gradients }));
    const optimizer: Optimizer = await makeOptimizer(typed, d, splats, gradients);
    expect(optimizer.describe().dispatches).toBe(2); // the clock's, and one for all fields
    for (let i = 0; i < 10; i++) {
      pipeline.dispatchWorkgroups(1);
      const encoder = typed.device.createCommandEncoder();
      optimizer.step(encoder);
      typed.device.queue.submit([encoder.finish()]);
    }
    const rates = { position: 0.05, opacity: 0.02, colour: 0.01, scale: 0.05 };
    type Fields = Record<keyof typeof rates, Iterable<number> | number>;
    const listOf = (value: Iterable<number> | number) => (typeof value === 'number' ? [value] : [...value]);
    for (const [i, splat] of ((await splats.read()) as (Fields & { id: number })[]).entries()) {
      expect(splat.id).toBe(100 + i);
      for (const [field, lr] of Object.entries(rates)) {
        const start = listOf((starts[i] as unknown as Fields)[field as keyof Fields]);
        const found = listOf(splat[field as keyof Fields]);
        expectClose(
          found,
          descended(start, () => 0, 10, { lr }),
        );
      }
    }
    optimizer.destroy();
  });
});

describe('three.js', () => {
  it('moves the points of a storage attribute', async () => {
    // What its renderer asks of a page, when all it does is compute.
    const global = globalThis as Record<string, unknown>;
    Object.assign(global, { self: globalThis, requestAnimationFrame: () => 0, cancelAnimationFrame: () => {} });
    const three = await peer('three/build/three.webgpu.js');
    const { Fn, instanceIndex, storage, vec3 } = await peer('three/build/three.tsl.js');
    const { makeStep } = await recipe('three');
    const canvas = {
      style: {},
      setAttribute() {},
      addEventListener() {},
      removeEventListener() {},
      getContext: () => ({}),
    };
    const renderer = new three.WebGPURenderer({ canvas });
    await renderer.init();
    const start = Array.from({ length: 15 }, (_, i) => i / 4);
    const points = new three.StorageBufferAttribute(Float32Array.from(start), 3);
    const gradients = new three.StorageBufferAttribute(5, 3);
    const [at, by] = [storage(points, 'vec3', 5), storage(gradients, 'vec3', 5)];
    const gradient = Fn(() => {
      const error = at.element(instanceIndex).sub(vec3(1, 2, 3));
      by.element(instanceIndex).assign(error.mul(2));
    })().compute(5);

    const { tensor } = await load('dist/lib/interop/three.js');
    const early = () => tensor(renderer, 'points', points, gradients);
    expect(early).toThrow(expect.objectContaining({ code: 'BUFFER-INVALID' }));
    const step = await makeStep(renderer, { points, gradients, gradient });
    for (let i = 0; i < 20; i++) step();
    const found = new Float32Array(await renderer.getArrayBufferAsync(points));
    // Padded to 16 bytes, and 0 there.
    const expected = descended(start, (i) => 1 + (i % 3), 20, { lr: 0.05 });
    expectClose(
      found,
      Array.from({ length: 20 }, (_, i) => (i % 4 === 3 ? 0 : expected[3 * (i >> 2) + (i % 4)]!)),
    );
    const webgl = { backend: { isWebGLBackend: true } };
    expect(() => tensor(webgl, 'p', points, points)).toThrow(expect.objectContaining({ code: 'OPTION-TYPE' }));
  });
});

async function read(device: GPUDevice, buffer: GPUBuffer, bytes: number): Promise<Float32Array> {
  const staging = device.createBuffer({ size: bytes, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST });
  const encoder = device.createCommandEncoder();
  encoder.copyBufferToBuffer(buffer, 0, staging, 0, bytes);
  device.queue.submit([encoder.finish()]);
  await staging.mapAsync(GPUMapMode.READ);
  const values = new Float32Array(staging.getMappedRange().slice(0));
  staging.destroy();
  return values;
}
