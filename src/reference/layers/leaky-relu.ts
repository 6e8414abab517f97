import { elementwise } from '../layer.js';

/** PyTorch's default, stated here again: the oracle reads nothing from what it checks. */
const SLOPE = 0.01;

/** As PyTorch's: slope 0.01 at 0. */
export const leakyRelu = elementwise({
  value: (z) => (z > 0 ? z : SLOPE * z),
  slope: (z) => (z > 0 ? 1 : SLOPE),
});
