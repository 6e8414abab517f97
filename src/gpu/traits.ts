import { describeAdapter } from './device.js';

/*
 * What forms are chosen by: what an adapter is, as far as it matters for speed. A form's kernels are valid everywhere its
 * features are; which one is fast is a property of the adapter.
 */

/** Drivers whose behaviour we have measured or read of. */
export type Family =
  | 'lavapipe'
  | 'swiftshader'
  | 'other-cpu'
  | 'nvidia'
  | 'amd'
  | 'apple'
  | 'intel'
  | 'adreno'
  | 'other-gpu';

export interface Traits {
  readonly family: Family;
  /** A software driver: kernels without barriers, one operand in registers. */
  readonly cpu: boolean;
  /** Lanes of a subgroup, where the device has the feature `subgroups` and all have one size; else 0. */
  readonly subgroup: number;
  /** Storage buffers that one kernel may bind: 8 everywhere, more on most. */
  readonly storageBuffers: number;
  /** Whether kernels may use f16. */
  readonly f16: boolean;
}

const FAMILIES: readonly (readonly [RegExp, Family])[] = [
  [/llvmpipe|lavapipe/i, 'lavapipe'],
  [/swiftshader/i, 'swiftshader'],
  [/nvidia|geforce|tesla|quadro/i, 'nvidia'],
  [/\bamd\b|radeon|\brdna/i, 'amd'],
  [/apple|metal-3/i, 'apple'],
  [/intel/i, 'intel'],
  [/adreno|qualcomm/i, 'adreno'],
];

export function traitsOf(device: GPUDevice): Traits {
  const { cpu, vendor, architecture, description, device: model } = describeAdapter(device);
  const text = [description, model, architecture, vendor].join(' ');
  const family = FAMILIES.find(([pattern]) => pattern.test(text))?.[1];
  const { subgroupMinSize = 0, subgroupMaxSize = 0 } = (device.adapterInfo ?? {}) as Partial<GPUAdapterInfo>;
  const { features, limits } = device;
  return {
    family: family ?? (cpu ? 'other-cpu' : 'other-gpu'),
    cpu,
    subgroup: features.has('subgroups') && subgroupMinSize === subgroupMaxSize ? subgroupMinSize : 0,
    storageBuffers: limits.maxStorageBuffersPerShaderStage,
    f16: features.has('shader-f16'),
  };
}
