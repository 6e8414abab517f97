import { elementwise } from '../elementwise.js';
import { factoryOf } from '../layer.js';

const row = elementwise({
  name: 'tanh',
  title: 'Tanh',
  kernel: 'tanh',
  gain: () => 5 / 3,
});

/**
 * The hyperbolic tangent, as torch.nn.Tanh.
 *
 *     y = tanh(x)
 *
 * Gain of initial weights: 5/3.
 *
 * @example tanh()
 */
export const tanh = factoryOf(row);
