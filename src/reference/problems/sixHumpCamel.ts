import { plane } from '../problem.js';

/** (4 - 2.1x² + x⁴/3)x² + xy + (4y² - 4)y². */
export const sixHumpCamel = plane({
  value: (x, y) => 4 * x ** 2 - 2.1 * x ** 4 + x ** 6 / 3 + x * y + 4 * y ** 4 - 4 * y ** 2,
  gradient: (x, y) => [8 * x - 8.4 * x ** 3 + 2 * x ** 5 + y, x - 8 * y + 16 * y ** 3],
  hessian: (x, y) => [8 - 25.2 * x ** 2 + 10 * x ** 4, 1, 48 * y ** 2 - 8],
});
