import { erfc } from '../erf.js';
import { elementwise } from '../layer.js';

/** Φ(z), the distribution function of the standard normal. */
const normal = (z: number): number => 0.5 * erfc(-z * Math.SQRT1_2);

/** z·Φ(z), PyTorch's default. */
export const gelu = elementwise({
  value: (z) => z * normal(z),
  slope: (z) => normal(z) + (z * Math.exp(-0.5 * z * z)) / Math.sqrt(2 * Math.PI),
  bend: (z) => ((2 - z * z) * Math.exp(-0.5 * z * z)) / Math.sqrt(2 * Math.PI),
});
