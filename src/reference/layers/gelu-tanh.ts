import { elementwise, logistic } from '../layer.js';

/** √(2/π)·(z + 0.044715·z³), twice: (1 + tanh(u))/2 = logistic(2u), without the difference that cancels far below 0. */
const twice = (z: number): number => 2 * Math.sqrt(2 / Math.PI) * (z + 0.044715 * z ** 3);

/** Its first two derivatives. */
const rise = (z: number): number => 2 * Math.sqrt(2 / Math.PI) * (1 + 3 * 0.044715 * z ** 2);
const bow = (z: number): number => 2 * Math.sqrt(2 / Math.PI) * 6 * 0.044715 * z;

/** z·(1 + tanh(√(2/π)(z + 0.044715 z³)))/2, PyTorch's approximate='tanh'. */
export const geluTanh = elementwise({
  value: (z) => z * logistic(twice(z)),
  slope: (z) => logistic(twice(z)) + z * logistic(twice(z)) * logistic(-twice(z)) * rise(z),
  bend(z) {
    const [s, rest] = [logistic(twice(z)), logistic(-twice(z))];
    return s * rest * (2 * rise(z) + z * ((rest - s) * rise(z) ** 2 + bow(z)));
  },
});
