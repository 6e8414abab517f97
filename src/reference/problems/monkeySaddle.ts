import { plane } from '../problem.js';

/** x³ - 3xy². */
export const monkeySaddle = plane({
  value: (x, y) => x ** 3 - 3 * x * y ** 2,
  gradient: (x, y) => [3 * x ** 2 - 3 * y ** 2, -6 * x * y],
  hessian: (x, y) => [6 * x, -6 * y, -6 * x],
});
