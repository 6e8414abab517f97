import { elementwise } from '../elementwise.js';

/** y = x / (1 + exp(-x)), also called swish. */
export const silu = elementwise('silu', 'SiLU', 'silu');
