import { elementwise } from '../elementwise.js';

/** y = x·Φ(x) in its exact (erf) form, PyTorch's default. */
export const gelu = elementwise('gelu', 'GELU', 'gelu');
