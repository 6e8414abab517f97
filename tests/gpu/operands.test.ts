import { afterAll, beforeAll, expect, it } from 'vitest';
import {
  account,
  activation,
  activationGradient,
  type BufferRange,
  BufferSet,
  batchNorm,
  batchNormGradient,
  createPasses,
  dense,
  denseInputGradient,
  denseWeightGradient,
  dropout,
  layerNorm,
  layerNormGradient,
  layerNormWeightGradient,
  loadForms,
  loss,
  lower,
  type Op,
  type PassSpec,
  range,
  wholePiece,
} from '../../src/kernels/index.js';
import { requestGpu } from '../../src/node/index.js';
import { mseShader } from '../../src/shaders/nn/mse.gen.js';
import { likeDevice, testDevice } from '../support/gpu.js';

/* What the kernels' own entry refuses: sizes and ranges with which a kernel would compute nothing, or elsewhere, without a word. */

let device: GPUDevice;
let buffers: BufferSet;
beforeAll(async () => {
  device = await testDevice();
  buffers = new BufferSet(device, 'operands');
});
afterAll(() => buffers.destroy());

const at = (code: string, words: string) =>
  expect.objectContaining({ name: 'DownhillError', code, message: expect.stringContaining(words) });
const place = (): BufferRange => range(buffers.storage('place', 1024));

const sizes = { label: 'test/op', rows: 4, width: 4 };
const weight = () => [wholePiece(place(), 16)];
const affine = () => ({ weight: wholePiece(place(), 4), bias: wholePiece(place(), 4) });
const stream = place;
/** Each op with all that it needs. */
const ops: Readonly<Record<string, readonly [make: (operands: never) => Op, good: () => object]>> = {
  dense: [dense, () => ({ ...sizes, inputs: 4, outputs: 4, weight: weight(), x: place(), y: place() })],
  denseInputGradient: [
    denseInputGradient,
    () => ({ ...sizes, inputs: 4, outputs: 4, weight: weight(), dy: place(), dx: place() }),
  ],
  denseWeightGradient: [
    denseWeightGradient,
    () => ({ ...sizes, inputs: 4, outputs: 4, weight: weight(), x: place(), dy: place() }),
  ],
  activation: [activation, () => ({ ...sizes, activation: 'relu', x: place(), y: place() })],
  activationGradient: [
    activationGradient,
    () => ({ ...sizes, activation: 'relu', saved: place(), dy: place(), dx: place() }),
  ],
  dropout: [dropout, () => ({ ...sizes, p: 0.5, layer: 0, x: place(), y: place(), stream: stream() })],
  batchNorm: [batchNorm, () => ({ ...sizes, eps: 1e-5, x: place(), y: place(), moments: place(), stream: stream() })],
  batchNormGradient: [
    batchNormGradient,
    () => ({ ...sizes, x: place(), dy: place(), moments: place(), stream: stream() }),
  ],
  layerNorm: [layerNorm, () => ({ ...sizes, eps: 1e-5, x: place(), y: place(), moments: place() })],
  layerNormGradient: [layerNormGradient, () => ({ ...sizes, x: place(), moments: place(), dy: place(), dx: place() })],
  layerNormWeightGradient: [
    layerNormWeightGradient,
    () => ({ ...sizes, affine: affine(), x: place(), moments: place(), dy: place() }),
  ],
  loss: [
    (operands) => loss(operands, { shader: mseShader, constants: { N: 4 } }),
    () => ({
      ...{ ...sizes, outputs: 4, z: place(), targets: place(), batch: place(), stream: stream() },
      ...{ dz: place(), result: place() },
    }),
  ],
  account: [
    account,
    () => ({
      ...{ label: 'test/op', rows: 4, samples: 8, stepsPerEpoch: 2, sampling: 'shuffle', lossRing: 4 },
      ...{ clock: place(), stream: stream(), batch: place(), result: place(), losses: place() },
    }),
  ],
};

it.each(Object.entries(ops))('%s refuses sizes that are none, and the lack of any range', (_, [make, good]) => {
  const given = good() as Record<string, unknown>;
  const made = (more: object) => () => make({ ...given, ...more } as never);
  expect(made({})).not.toThrow();
  for (const size of ['rows', 'width', 'inputs', 'outputs', 'samples', 'replicas']) {
    if (size !== 'replicas' && (given[size] === undefined || (size === 'width' && 'outputs' in given))) continue;
    for (const wrong of [0, 1.5, -1, Number.NaN, '4', 2 ** 32])
      expect(made({ [size]: wrong }), `${size} ${wrong}`).toThrow(at('SHAPE-INVALID', size));
  }
  for (const [name, value] of Object.entries(given)) {
    if (!(value as BufferRange | undefined)?.buffer) continue;
    for (const none of [undefined, null, 4, 'x', []])
      expect(made({ [name]: none }), name).toThrow(at('BUFFER-RANGE', name));
    expect(made({ [name]: { buffer: null, offset: 0, size: 4 } }), name).toThrow(at('BUFFER-RANGE', name));
    expect(made({ [name]: { ...(value as BufferRange), offset: Number.NaN } }), name).toThrow(at('BUFFER-RANGE', name));
  }
  expect(made({ label: Symbol('label') })).toThrow(at('OPTION-TYPE', 'label'));
});

it('a dense layer without its weights, an activation that is none', () => {
  const good = ops.dense![1]();
  expect(() => dense({ ...good, weight: undefined } as never)).toThrow(at('BUFFER-RANGE', 'weight'));
  const other = { ...sizes, activation: 'rleu', x: place(), y: place() };
  expect(() => activation(other as never)).toThrow(at('OPTION-RANGE', 'relu'));
});

it('passes and buffers whose sizes are none, before the GPU process is asked', async () => {
  const passes = (more: object) =>
    createPasses(
      device,
      lower([dense(ops.dense![1]() as never)], forms, device).passes.map((pass): PassSpec => ({ ...pass, ...more })),
    );
  const forms = await loadForms(device);
  const errors: unknown[] = [];
  const listen = (event: Event) => errors.push(event);
  device.addEventListener('uncapturederror', listen);
  expect(await passes({})).toHaveLength(1);
  await expect(passes({ label: Symbol('label') })).rejects.toEqual(at('OPTION-TYPE', 'label'));
  for (const groups of [Number.NaN, 1.5, -1])
    await expect(passes({ groups })).rejects.toEqual(at('OPTION-RANGE', 'groups'));
  await expect(passes({ replicas: 0 })).rejects.toEqual(at('OPTION-RANGE', 'replicas'));
  const beyond = { ...(ops.dense![1]() as { y: BufferRange }), y: { ...place(), size: 4096 } };
  const plan = lower([dense(beyond as never)], forms, device);
  await expect(createPasses(device, plan.passes)).rejects.toEqual(at('BUFFER-RANGE', '4096 bytes'));
  for (const bytes of [Number.NaN, -4, 0.5, '4', 2 ** 60])
    expect(() => buffers.storage('none', bytes as number)).toThrow(expect.objectContaining({ name: 'DownhillError' }));
  expect(() => new BufferSet(device, Symbol('label') as never)).toThrow(at('OPTION-TYPE', 'label'));
  await device.queue.onSubmittedWorkDone();
  device.removeEventListener('uncapturederror', listen);
  expect(errors).toEqual([]);
});

it('a kernel that binds more than a device has room for names the limit', async () => {
  const { gpu } = await requestGpu();
  const adapter = await gpu.requestAdapter({ featureLevel: 'compatibility' } as GPURequestAdapterOptions);
  const compatible = await adapter!.requestDevice();
  expect(compatible.limits.maxUniformBufferBindingSize).toBe(16_384);
  const { sgdShader } = await import('../../src/shaders/optim/sgd.gen.js');
  const spec: PassSpec = { label: 'test/sgd', shader: sgdShader, constants: {}, buffers: {}, groups: 1, replicas: 1 };
  await expect(createPasses(compatible, [spec])).rejects.toEqual(at('LIMIT-BINDING', 'maxUniformBufferBindingSize'));
  compatible.destroy();
  const narrow = likeDevice(device, { limits: { maxStorageBuffersPerShaderStage: 2 } });
  await expect(createPasses(narrow, [spec])).rejects.toEqual(at('LIMIT-BINDING', 'maxStorageBuffersPerShaderStage'));
});
