import { expect, it } from 'vitest';
import { changeShaders, failBuffer, followBuffers } from '../../harness/torture/gpu/faults.js';
import { range } from '../../src/gpu/buffers.js';
import { createPasses, encodePasses } from '../../src/gpu/passes.js';
import { getPipeline } from '../../src/gpu/pipelines.js';
import { requestDevice } from '../../src/node/index.js';
import type { Shader } from '../../src/shaders/shader.js';
import { buffersFor, dispatch, readFloats, testDevice } from '../support/gpu.js';

/** Writes one number. */
const writes = (value: string): Shader => ({
  name: 'test/constant',
  code: `override VALUE: f32 = 0.0;
@group(0) @binding(0) var<storage, read_write> out: array<f32>;
@compute @workgroup_size(1)
fn main() {
  out[0] = ${value} + VALUE;
}
`,
  entryPoint: 'main',
  bindings: [{ binding: 0, name: 'out', type: 'storage', minSize: 4 }],
  overrides: { VALUE: 0 },
  structs: {},
});

it('tells two shaders of one name apart', async () => {
  const device = await testDevice();
  const buffers = buffersFor(device, 'names');
  const found: number[] = [];
  for (const shader of [writes('1.0'), writes('2.0')]) {
    const out = buffers.storage('out', 4);
    await dispatch(device, [
      { label: 'test', shader, constants: {}, buffers: { out: range(out) }, groups: 1, replicas: 1 },
    ]);
    found.push((await readFloats(device, range(out, 0, 4)))[0]!);
  }
  expect(found).toEqual([1, 2]);
  buffers.destroy();
});

it('shows the line that does not compile', async () => {
  const device = await testDevice();
  const broken = writes('1.0 + nobody');
  await expect(getPipeline(device, broken, { VALUE: 3 })).rejects.toMatchObject({
    code: 'SHADER-COMPILE',
    message: expect.stringMatching(
      /The shader test\/constant did not compile with \{"VALUE":3\}[\s\S]*error at 5:\d+: [^\n]*nobody[^\n]*\n {4} {2}out\[0\] = 1\.0 \+ nobody \+ VALUE;/,
    ),
  });
});

it('compiles again what did not compile once', async () => {
  const device = await testDevice();
  const shader = writes('1.0');
  const undo = changeShaders(device, (_, code) => code.replace('out[0]', 'nobody'));
  for (const VALUE of [1, 2])
    await expect(getPipeline(device, shader, { VALUE })).rejects.toMatchObject({ code: 'SHADER-COMPILE' });
  undo();
  const buffers = buffersFor(device, 'again');
  const out = range(buffers.storage('out', 4));
  await dispatch(device, [
    { label: 'test', shader, constants: { VALUE: 1 }, buffers: { out }, groups: 1, replicas: 1 },
  ]);
  expect((await readFloats(device, range(out.buffer, 0, 4)))[0]).toBe(2);
  buffers.destroy();
});

it('keeps a pipeline for who asks again, and a bounded number of them', async () => {
  const device = await testDevice();
  const shader = writes('1.0');
  const first = await getPipeline(device, shader, { VALUE: 0 });
  expect(await getPipeline(device, shader, { VALUE: 0 })).toBe(first);
  for (let value = 1; value <= 256; value++) await getPipeline(device, shader, { VALUE: value });
  expect(await getPipeline(device, shader, { VALUE: 0 })).not.toBe(first);
});

it('gives passes working memory, one buffer for all that name it alike', async () => {
  const device = await testDevice();
  const buffers = buffersFor(device, 'scratch');
  const copy: Shader = {
    ...writes(''),
    code: `@group(0) @binding(0) var<storage, read_write> out: array<f32>;
@group(0) @binding(1) var<storage, read> from_scratch: array<f32>;
@compute @workgroup_size(1)
fn main() {
  out[0] = from_scratch[0] + f32(arrayLength(&from_scratch));
}
`,
    bindings: [
      { binding: 0, name: 'out', type: 'storage', minSize: 4 },
      { binding: 1, name: 'from_scratch', type: 'read-only-storage', minSize: 4 },
    ],
    overrides: {},
  };
  const out = buffers.storage('out', 4);
  const pass = { label: 'test', constants: {}, groups: 1, replicas: 1 };
  const scratch = (bytes: number) => ({ key: 'one', bytes });
  const made = await createPasses(
    device,
    [
      { ...pass, shader: writes('40.0'), buffers: {}, scratch: { out: scratch(4) } },
      { ...pass, shader: copy, buffers: { out: range(out) }, scratch: { from_scratch: scratch(8) } },
      { ...pass, shader: copy, buffers: { out: range(out) }, scratch: { from_scratch: { key: 'other', bytes: 4000 } } },
    ],
    buffers,
  );
  // What is asked for, at least ALIGNMENT; the first two share a buffer.
  expect(buffers.bytes).toBe(256 + 256 + 4000);
  const encoder = device.createCommandEncoder();
  encodePasses(encoder, 'test', made.slice(0, 2));
  device.queue.submit([encoder.finish()]);
  expect((await readFloats(device, range(out, 0, 4)))[0]).toBe(42);
  buffers.destroy();
});

it('makes stand-ins for unused bindings again where there was no memory for them', async () => {
  const device = await requestDevice();
  const buffers = buffersFor(device, 'dummies');
  const shader: Shader = {
    ...writes('f32(arrayLength(&spare))'),
    code: `@group(0) @binding(0) var<storage, read_write> out: array<f32>;
@group(0) @binding(1) var<storage, read_write> spare: array<f32>;
@compute @workgroup_size(1)
fn main() {
  out[0] = f32(arrayLength(&spare));
}
`,
    bindings: ['out', 'spare'].map((name, binding) => ({ binding, name, type: 'storage', minSize: 4 })),
    overrides: {},
  };
  const out = range(buffers.storage('out', 4));
  const spec = { label: 'test', shader, constants: {}, buffers: { out }, groups: 1, replicas: 1 };
  for (const how of ['scope', 'range-error'] as const) {
    for (const at of [0, 1]) {
      const live = followBuffers(device, () => true);
      const fault = failBuffer(device, at, how);
      await expect(createPasses(device, [spec])).rejects.toMatchObject({ code: 'GPU-OUT-OF-MEMORY' });
      expect(fault.failed()).toMatch(/^downhill:dummy\//);
      fault.undo();
      expect(live.live()).toEqual([]);
      live.undo();
    }
  }
  await dispatch(device, [spec]);
  expect((await readFloats(device, range(out.buffer, 0, 4)))[0]).toBe(64);
  device.destroy();
});
