import type { Form } from '../op.js';
import { backwardForm } from './backward.js';
import { tileForms } from './tiles.js';

/** Forms that only GPUs are fast with, loaded when one asks for them: what takes several ops at once first. */
export const gpuForms: readonly Form[] = [backwardForm, ...tileForms];
