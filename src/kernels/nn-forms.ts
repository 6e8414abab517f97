import { traitsOf } from '../gpu/traits.js';
import { activationForms } from './activation.js';
import { batchNormForms } from './batch-norm.js';
import { denseForms } from './dense.js';
import { dropoutForms } from './dropout.js';
import { layerNormForms } from './layer-norm.js';
import { lossForms } from './loss.js';
import type { Form } from './op.js';

/** The forms of a network's ops that run everywhere: what takes two ops at once first. */
export const nnForms: readonly Form[] = [
  ...denseForms,
  ...activationForms,
  ...batchNormForms,
  ...layerNormForms,
  ...dropoutForms,
  ...lossForms,
];

/**
 * The forms of a network's ops, those that suit the adapter first. What only some adapters are fast with is loaded here, so
 * that a page carries the kernels of one kind.
 *
 * @param all those of other kinds of adapters too, behind the rest: to compare them, or to take up a plan made elsewhere
 */
export async function loadForms(device: GPUDevice, all = false): Promise<readonly Form[]> {
  const { cpu } = traitsOf(device);
  const forCpu = cpu || all ? (await import('./cpu/forms.js')).cpuForms : [];
  const forGpu = !cpu || all ? (await import('./gpu/forms.js')).gpuForms : [];
  return cpu ? [...forCpu, ...nnForms, ...forGpu] : [...forGpu, ...nnForms, ...forCpu];
}
