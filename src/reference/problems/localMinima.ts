import { plane } from '../problem.js';

/** x²(x² - 4)²/16 + x/4 + y², multiplied out: (x⁶ - 8x⁴ + 16x²)/16 + x/4 + y². */
export const localMinima = plane({
  value: (x, y) => (x ** 6 - 8 * x ** 4 + 16 * x ** 2) / 16 + x / 4 + y ** 2,
  gradient: (x, y) => [(6 * x ** 5 - 32 * x ** 3 + 32 * x) / 16 + 1 / 4, 2 * y],
  hessian: (x) => [(30 * x ** 4 - 96 * x ** 2 + 32) / 16, 0, 2],
});
