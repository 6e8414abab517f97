import { elementwise } from '../elementwise.js';
import { factoryOf } from '../layer.js';

const row = elementwise({
  name: 'sigmoid',
  title: 'Sigmoid',
  kernel: 'sigmoid',
  gain: () => 1,
});

/**
 * The logistic function, as torch.nn.Sigmoid.
 *
 *     y = 1 / (1 + exp(-x))
 *
 * Gain of initial weights: 1.
 *
 * @example sigmoid()
 */
export const sigmoid = factoryOf(row);
