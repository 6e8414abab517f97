import { elementwise, logistic } from '../layer.js';

/** Beyond it y = z: PyTorch's. */
const THRESHOLD = 20;

/** log(1 + exp(z)), PyTorch's with beta 1. */
export const softplus = elementwise({
  value: (z) => (z > THRESHOLD ? z : Math.log1p(Math.exp(z))),
  slope: (z) => (z > THRESHOLD ? 1 : logistic(z)),
  bend: (z) => (z > THRESHOLD ? 0 : logistic(z) * logistic(-z)),
});
