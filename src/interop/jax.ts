import type { TensorOptions } from '../optim/adopt.js';
import type { Optimizer } from '../optim/optimizer-types.js';

/*
 * `downhill/interop/jax`: jax-js 0.1.25 on WebGPU. Parameters are updated where they lie; gradients, which lie elsewhere every time, are read
 * where they are.
 */

/** An array of jax-js, as far as it is used here. */
export interface JaxArray {
  /** One more reference: what takes an array consumes one. */
  readonly ref: JaxArray;
  readonly shape: readonly number[];
  gpuBufferSync(): GPUBuffer;
}

/** By name, as a tree of one level. */
export type JaxArrays = Readonly<Record<string, JaxArray>>;

/**
 * The buffer that holds an array, computed where it was still to be: what that takes is submitted. jax-js owns it, until the array's last
 * reference is gone.
 */
export const bufferOf = (array: JaxArray): GPUBuffer => array.ref.gpuBufferSync();

/**
 * What {@link createOptimizer} takes. Make it on `getWebGPUDevice()`; keep the arrays of `params`, and pass `.ref`s of them to functions.
 *
 * @param params made with `np.array`, one each: two that share memory (a reshaped one) would both change
 * @param grads the first gradients, of the same names
 * @param groups hyper-parameters of single arrays, by name
 */
export const tensors = (
  params: JaxArrays,
  grads: JaxArrays,
  groups: Readonly<Record<string, TensorOptions['group']>> = {},
): TensorOptions[] =>
  Object.entries(params).map(([name, param]) => ({
    name,
    shape: param.shape,
    param: bufferOf(param),
    grad: bufferOf(grads[name]!),
    group: groups[name],
  }));

/** One update by gradients that a function of jax-js has given; dispose of them after it. */
export function step(device: GPUDevice, optimizer: Optimizer, grads: JaxArrays): void {
  // Submits what the gradients wait for.
  const places = Object.entries(grads).map(([name, grad]) => [name, bufferOf(grad)] as const);
  const encoder = device.createCommandEncoder();
  optimizer.step(encoder, { grads: Object.fromEntries(places) });
  device.queue.submit([encoder.finish()]);
}
