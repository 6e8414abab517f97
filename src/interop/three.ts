import { DownhillError, show } from '../gpu/errors.js';
import type { TensorOptions } from '../optim/adopt.js';

/*
 * `downhill/interop/three`: three.js 0.187 with its WebGPURenderer. Storage attributes as tensors, updated where they lie and drawn from there.
 */

/** A StorageBufferAttribute, or another float32 attribute that a compute node uses. */
export interface ThreeAttribute {
  readonly itemSize: number;
  readonly count: number;
}

/** A WebGPURenderer after `await renderer.init()`, as far as it is used here; what its backend has of an attribute is internal. */
export interface ThreeRenderer {
  readonly backend: object;
}

interface Backend {
  readonly isWebGPUBackend?: boolean;
  readonly device?: GPUDevice;
  get(attribute: ThreeAttribute): { buffer?: GPUBuffer; _itemSize?: number; _paddedItemSize?: number };
}

function backendOf({ backend }: ThreeRenderer): Backend & { readonly device: GPUDevice } {
  const { isWebGPUBackend, device } = backend as Backend;
  if (isWebGPUBackend && device) return backend as Backend & { readonly device: GPUDevice };
  throw new DownhillError(
    'OPTION-TYPE',
    'The renderer has no WebGPU device: it is not initialised, or fell back to WebGL.',
    'Await renderer.init() first, where there is WebGPU.',
  );
}

/** The device that three.js works on: what an optimizer must be made on to share memory. */
export const deviceOf = (renderer: ThreeRenderer): GPUDevice => backendOf(renderer).device;

/** Where an attribute lies, and its elements; three.js pads vec3 of storage attributes to 16 bytes, and then says its itemSize is 4. */
function placeOf(renderer: ThreeRenderer, name: string, attribute: ThreeAttribute) {
  const {
    buffer,
    _itemSize: size = attribute.itemSize,
    _paddedItemSize: padded = size,
  } = backendOf(renderer).get(attribute);
  if (!buffer) {
    throw new DownhillError(
      'BUFFER-INVALID',
      `Tensor ${show(name)}: three.js makes the buffer of an attribute when it is used first.`,
      'Compute or draw with it once before, renderer.compute(node).',
    );
  }
  return {
    shape: size === 1 ? [attribute.count] : [attribute.count, size],
    range: padded === size ? { buffer } : { buffer, stride: 4 * padded },
  };
}

/**
 * One tensor for {@link createOptimizer}, of shape [count, itemSize].
 *
 * @param param updated in place; leave `needsUpdate` alone, which uploads the array on the CPU again
 * @param grad written by your compute nodes
 * @throws DownhillError OPTION-TYPE without WebGPU, BUFFER-INVALID before an attribute's first use, SHAPE-MISMATCH
 */
export function tensor(
  renderer: ThreeRenderer,
  name: string,
  param: ThreeAttribute,
  grad: ThreeAttribute,
  options: Pick<TensorOptions, 'group' | 'frozen'> = {},
): TensorOptions {
  const [own, other] = [placeOf(renderer, name, param), placeOf(renderer, name, grad)];
  if (`${own.shape}` !== `${other.shape}`) {
    const message = `Tensor ${show(name)}: its parameters have the shape [${own.shape}], its gradients [${other.shape}].`;
    throw new DownhillError('SHAPE-MISMATCH', message, 'Give both attributes one count and itemSize.');
  }
  return { name, shape: own.shape, param: own.range, grad: other.range, ...options };
}
