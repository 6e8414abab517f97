import { plane } from '../problem.js';

/** x²/64 + y². */
export const ravine = plane({
  value: (x, y) => x ** 2 / 64 + y ** 2,
  gradient: (x, y) => [x / 32, 2 * y],
  hessian: () => [1 / 32, 0, 2],
});
