import { elementwise, logistic } from '../layer.js';

/** 1 / (1 + exp(-z)). */
export const sigmoid = elementwise({
  value: logistic,
  slope: (z) => logistic(z) * logistic(-z),
  bend: (z) => logistic(z) * logistic(-z) * (logistic(-z) - logistic(z)),
});
