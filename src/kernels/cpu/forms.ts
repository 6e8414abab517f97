import type { Form } from '../op.js';
import { stationaryForms } from './stationary.js';
import { stepForms } from './step.js';
import { weightGradientForms } from './weight-gradient.js';

/** Forms that only CPU adapters are fast with, loaded when one asks for them: what takes several ops at once first. */
export const cpuForms: readonly Form[] = [...stepForms, ...stationaryForms, ...weightGradientForms];
