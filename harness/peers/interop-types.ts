import { getWebGPUDevice, numpy as np } from '@jax-js/jax';
import * as tf from '@tensorflow/tfjs-core';
import * as ort from 'onnxruntime-web/webgpu';
import tgpu, { d } from 'typegpu';
import { adam, createOptimizer, type Optimizer } from '../../src/index.js';
import * as jax from '../../src/interop/jax.js';
import { feeds, trained } from '../../src/interop/ort.js';
import * as tfjs from '../../src/interop/tfjs.js';
import { fields, tensor } from '../../src/interop/typegpu.js';

/*
 * Never run: that the libraries' own types fit what downhill/interop takes is seen by `npm run check:types`. (three.js brings no types.)
 */

export async function withTensorFlow(optimizer: Optimizer): Promise<Optimizer> {
  const w = tf.variable(tf.tensor1d([1, 2]), true, 'w');
  const { grads } = tf.variableGrads(() => tf.sum(tf.square(w)));
  tfjs.step(tf, optimizer, grads);
  return createOptimizer(tfjs.deviceOf(tf), adam(), tfjs.tensors(tf, grads, { w: { lr: 0.1 } }));
}

export async function withJax(optimizer: Optimizer): Promise<Optimizer> {
  const params = { w: np.array([1, 2]) };
  const device = getWebGPUDevice();
  jax.step(device, optimizer, params);
  return createOptimizer(device, adam(), jax.tensors(params, params));
}

export async function withOnnxRuntime(session: ort.InferenceSession, device: GPUDevice, buffer: GPUBuffer) {
  const w = { buffer, shape: [2, 3] };
  const { gradient } = await session.run(feeds<ort.Tensor>(ort, { w }));
  return createOptimizer(device, adam(), [trained('w', w, gradient!, { lr: 0.1 })]);
}

export async function withTypeGpu(): Promise<Optimizer> {
  const root = await tgpu.init();
  const buffer = () => root.createBuffer(d.arrayOf(d.vec2f, 5)).$usage('storage');
  const structs = () => root.createBuffer(d.arrayOf(d.struct({ at: d.vec3f, id: d.u32 }), 5)).$usage('storage');
  const rows = fields(root, d, structs(), structs(), { at: { lr: 0.1 } });
  return createOptimizer(root.device, adam(), [tensor(root, 'p', buffer(), buffer()), ...rows]);
}
