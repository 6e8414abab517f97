import { elementwise } from '../elementwise.js';
import { factoryOf } from '../layer.js';

const row = elementwise({
  name: 'relu',
  title: 'ReLU',
  kernel: 'relu',
  gain: () => Math.SQRT2,
});

/**
 * The positive part, as torch.nn.ReLU; its slope at 0 is 0, and a NaN stays one.
 *
 *     y = max(x, 0)
 *
 * Gain of initial weights: sqrt(2).
 *
 * @example relu()
 *
 * Paper: Nair, Hinton 2010, "Rectified Linear Units Improve Restricted Boltzmann Machines", https://icml.cc/Conferences/2010/papers/432.pdf
 */
export const relu = factoryOf(row);
