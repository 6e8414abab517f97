import { elementwise, logistic } from '../layer.js';

/** z / (1 + exp(-z)). */
export const silu = elementwise({
  value: (z) => z * logistic(z),
  slope: (z) => logistic(z) * (1 + z * logistic(-z)),
  bend: (z) => logistic(z) * logistic(-z) * (2 + z * (logistic(-z) - logistic(z))),
});
