import { elementwise } from '../elementwise.js';

/** y = 1 / (1 + exp(-x)). */
export const sigmoid = elementwise('sigmoid', 'Sigmoid', 'sigmoid');
