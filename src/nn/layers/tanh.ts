import { elementwise } from '../elementwise.js';

/** y = tanh(x). */
export const tanh = elementwise('tanh', 'Tanh', 'tanh');
