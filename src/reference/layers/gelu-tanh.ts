import { elementwise, logistic } from '../layer.js';

/** √(2/π)·(z + 0.044715·z³), twice: (1 + tanh(u))/2 = logistic(2u), without the difference that cancels far below 0. */
const twice = (z: number): number => 2 * Math.sqrt(2 / Math.PI) * (z + 0.044715 * z ** 3);

/** z·(1 + tanh(√(2/π)(z + 0.044715 z³)))/2, PyTorch's approximate='tanh'. */
export const geluTanh = elementwise({
  value: (z) => z * logistic(twice(z)),
  slope: (z) =>
    logistic(twice(z)) +
    z * logistic(twice(z)) * logistic(-twice(z)) * 2 * Math.sqrt(2 / Math.PI) * (1 + 3 * 0.044715 * z ** 2),
});
