/** What every peer needs of the place it runs in. */
import type { Environment } from '../bench/contract.js';

/** The folder of the built module, where the .wasm files lie. */
export const besideModule = (): string => new URL(/* @vite-ignore */ '.', import.meta.url).href;

/**
 * Makes `navigator.gpu` the environment's, where there is none: libraries look for WebGPU there and nowhere else. Node 20
 * has no navigator at all; later ones have it as a getter without a setter, hence defineProperty.
 */
export function offerWebGpu(environment: Environment): void {
  if (environment.gpu === undefined) throw new Error('There is no WebGPU in this place.');
  if (globalThis.navigator === undefined) {
    const navigator = { userAgent: `Node.js/${process.versions.node.split('.')[0]}` };
    Object.defineProperty(globalThis, 'navigator', { value: navigator, configurable: true });
  }
  if (globalThis.navigator.gpu !== undefined) return;
  Object.defineProperty(globalThis.navigator, 'gpu', { value: environment.gpu, configurable: true });
}

/** PyTorch's defaults, which the contract asks for. */
export const ADAM = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8 } as const;
export const MOMENTUM = 0.9;

/** One row per label, 1 in its column: what libraries without sparse cross-entropy take. */
export function oneHot(labels: Int32Array, classes: number): Float32Array<ArrayBuffer> {
  const out = new Float32Array(labels.length * classes);
  for (const [row, label] of labels.entries()) out[row * classes + label] = 1;
  return out;
}

/**
 * ONNX Runtime writes from its WebAssembly memory, which is shared between threads. Browsers take that; Dawn for Node
 * (npm webgpu 0.6.2) says 'Invalid argument', so there it gets a copy: of a model's few constants, never of the operands.
 */
export function acceptSharedMemory(queue: GPUQueue): void {
  const writeBuffer = queue.writeBuffer.bind(queue);
  queue.writeBuffer = (buffer, at, data, from = 0, size) => {
    const shared = data instanceof Uint8Array && data.buffer instanceof SharedArrayBuffer;
    if (!shared) return writeBuffer(buffer, at, data as GPUAllowSharedBufferSource, from, size);
    return writeBuffer(buffer, at, data.slice(from, size === undefined ? undefined : from + size));
  };
}
