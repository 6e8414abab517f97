import { DownhillError } from '../gpu/errors.js';
import type { TensorOptions } from '../optim/adopt.js';

/*
 * `downhill/interop/ort`: ONNX Runtime Web 1.24 and later on WebGPU. Its models read parameters where they lie, and what they compute, a
 * gradient for one, is read where it lies.
 */

/** `import * as ort from 'onnxruntime-web/webgpu'`, as far as it is used here. */
export interface Ort<T> {
  readonly Tensor: {
    fromGpuBuffer(buffer: GPUBuffer, options: { dataType: 'float32'; dims: readonly number[] }): T;
  };
}

/** A place of parameters, as `trainer.parameters()` has them. */
export interface OrtRange {
  readonly buffer: GPUBuffer;
  readonly offset?: number;
  readonly shape: readonly number[];
}

/**
 * A tensor of ONNX Runtime that is these parameters, not a copy: an input of a model that is always up to date. Make it anew for
 * another run: disposing of it leaves the buffer.
 *
 * @throws DownhillError BUFFER-RANGE where they do not begin with their buffer: ONNX Runtime has no offsets
 */
export function tensor<T>(ort: Ort<T>, { buffer, offset = 0, shape }: OrtRange): T {
  if (offset === 0) return ort.Tensor.fromGpuBuffer(buffer, { dataType: 'float32', dims: shape });
  throw new DownhillError(
    'BUFFER-RANGE',
    `ONNX Runtime binds buffers from their first byte, but these parameters begin at ${offset}.`,
    "Make the trainer with buffers: 'separate', or give the tensor a buffer of its own.",
  );
}

/** The same of all parameters of a trainer, by name. */
export const feeds = <T>(ort: Ort<T>, parameters: Readonly<Record<string, OrtRange>>): Record<string, T> =>
  Object.fromEntries(Object.entries(parameters).map(([name, range]) => [name, tensor(ort, range)]));

/**
 * What {@link createOptimizer} takes, for a parameter in a buffer of yours whose gradient a model computes.
 *
 * @param grad an output of a session with `preferredOutputLocation: 'gpu-buffer'`; those of later runs go to `step(encoder, { grads })`
 */
export const trained = (
  name: string,
  { buffer, shape }: OrtRange,
  grad: { readonly gpuBuffer: GPUBuffer },
  group?: TensorOptions['group'],
): TensorOptions => ({ name, shape, param: buffer, grad: grad.gpuBuffer, group });
