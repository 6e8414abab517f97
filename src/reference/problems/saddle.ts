import { plane } from '../problem.js';

/** x² - y². */
export const saddle = plane({
  value: (x, y) => x ** 2 - y ** 2,
  gradient: (x, y) => [2 * x, -2 * y],
  hessian: () => [2, 0, -2],
});
