import { activationForms } from './activation.js';
import { batchNormForms } from './batch-norm.js';
import { denseForms } from './dense.js';
import { dropoutForms } from './dropout.js';
import { layerNormForms } from './layer-norm.js';
import { lossForms } from './loss.js';
import type { Form } from './op.js';

/** The forms of a network's ops: what takes two ops at once first. */
export const nnForms: readonly Form[] = [
  ...denseForms,
  ...activationForms,
  ...batchNormForms,
  ...layerNormForms,
  ...dropoutForms,
  ...lossForms,
];
