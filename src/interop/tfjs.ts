import { DownhillError } from '../gpu/errors.js';
import type { TensorOptions } from '../optim/adopt.js';
import type { Optimizer } from '../optim/optimizer-types.js';

/*
 * `downhill/interop/tfjs`: TensorFlow.js 4.22 on its WebGPU backend. Variables are updated where they lie, gradients are read where they
 * lie; nothing is copied.
 */

/** A tensor or variable of TensorFlow.js, as far as it is used here. */
export interface TfTensor {
  readonly dataId: object;
  readonly shape: readonly number[];
}

/** TensorFlow.js: `import * as tf from '@tensorflow/tfjs-core'`, or '@tensorflow/tfjs'. */
export interface Tf {
  backend(): object;
  engine(): { readonly registeredVariables: Readonly<Record<string, TfTensor>> };
}

/** Of the WebGPU backend; `tensorMap` is private there, and the same since 4.0. */
interface WebGpuBackend {
  readonly device: GPUDevice;
  readonly commandEncoder?: GPUCommandEncoder | null;
  readonly tensorMap: { get(id: object): { resource?: GPUBuffer; values?: unknown } };
  uploadToGPU(id: object): void;
  endComputePassEncoder(): void;
  submitQueue(): void;
}

function backendOf(tf: Tf): WebGpuBackend {
  const backend = tf.backend() as Partial<WebGpuBackend>;
  if (backend.device && backend.tensorMap && typeof backend.uploadToGPU === 'function') return backend as WebGpuBackend;
  throw new DownhillError(
    'OPTION-TYPE',
    "TensorFlow.js is not on its WebGPU backend, or is another than 4.22's.",
    "Import '@tensorflow/tfjs-backend-webgpu' and await tf.setBackend('webgpu').",
  );
}

function variableOf(tf: Tf, name: string): TfTensor {
  const variable = tf.engine().registeredVariables[name];
  if (variable) return variable;
  const fix = 'Take the gradients of tf.variableGrads, which go by the names of variables.';
  throw new DownhillError('OPTION-RANGE', `TensorFlow.js has no variable named ${name}.`, fix);
}

/** The device that TensorFlow.js works on: what a trainer or optimizer must be made on to share memory. */
export const deviceOf = (tf: Tf): GPUDevice => backendOf(tf).device;

/** The buffer that holds a tensor, uploaded where it was in host memory only. TensorFlow.js owns it, until the tensor is disposed of. */
export function bufferOf(tf: Tf, { dataId }: TfTensor): GPUBuffer {
  const backend = backendOf(tf);
  backend.uploadToGPU(dataId);
  return backend.tensorMap.get(dataId).resource!;
}

/**
 * Submits what TensorFlow.js has recorded, so that what is submitted next comes after it. (It records up to 15 dispatches before it
 * submits by itself, and an open pass must be ended first.)
 */
export function flush(tf: Tf): void {
  const backend = backendOf(tf);
  backend.endComputePassEncoder();
  if (backend.commandEncoder) backend.submitQueue();
}

/**
 * What {@link createOptimizer} takes, for the variables of these gradients.
 *
 * @param grads those of `tf.variableGrads`, by the names of variables; kept until `step` was given others
 * @param groups hyper-parameters of single variables, by name
 * @throws DownhillError OPTION-TYPE without the WebGPU backend, OPTION-RANGE for a name that no variable has
 */
export const tensors = (
  tf: Tf,
  grads: Readonly<Record<string, TfTensor>>,
  groups: Readonly<Record<string, TensorOptions['group']>> = {},
): TensorOptions[] =>
  Object.entries(grads).map(([name, grad]) => {
    const variable = variableOf(tf, name);
    const [param, gradient] = [bufferOf(tf, variable), bufferOf(tf, grad)];
    return { name, shape: variable.shape, param, grad: gradient, group: groups[name] };
  });

/**
 * One update of the variables by gradients that TensorFlow.js has just computed: flushes, submits a step, and makes TensorFlow.js read
 * the variables anew (`data()` would give what it read before). Gradients may be disposed of at once.
 */
export function step(tf: Tf, optimizer: Optimizer, grads: Readonly<Record<string, TfTensor>>): void {
  const backend = backendOf(tf);
  const places = Object.entries(grads).map(([name, grad]) => [name, bufferOf(tf, grad)] as const);
  flush(tf);
  const encoder = backend.device.createCommandEncoder();
  optimizer.step(encoder, { grads: Object.fromEntries(places) });
  backend.device.queue.submit([encoder.finish()]);
  for (const name of Object.keys(grads)) backend.tensorMap.get(variableOf(tf, name).dataId).values = null;
}
