import { elementwise, logistic } from '../layer.js';

/** tanh(z). */
export const tanh = elementwise({
  value: Math.tanh,
  // 1 - tanh² = 4 s(2z) s(-2z), without the difference that vanishes for large z.
  slope: (z) => 4 * logistic(2 * z) * logistic(-2 * z),
  bend: (z) => -8 * Math.tanh(z) * logistic(2 * z) * logistic(-2 * z),
});
