import { activationForms } from './activation.js';
import { denseForms } from './dense.js';
import { lossForms } from './loss.js';
import type { Form } from './op.js';

/** The forms of a network's ops: what takes two ops at once first. */
export const nnForms: readonly Form[] = [...denseForms, ...activationForms, ...lossForms];
