import { separable } from '../problem.js';

/** ½ Σ x⁴ - 16x² + 5x. */
export const styblinskiTang = separable({
  value: (x) => (x ** 4 - 16 * x ** 2 + 5 * x) / 2,
  slope: (x) => 2 * x ** 3 - 16 * x + 2.5,
  curvature: (x) => 6 * x ** 2 - 16,
});
