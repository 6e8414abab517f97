import { leastSquares } from '../problem.js';

/** (x² + y - 11)² + (x + y² - 7)². */
export const himmelblau = leastSquares(([x, y]) => [
  {
    r: x! ** 2 + y! - 11,
    by: [2 * x!, 1],
    hessian: () => [
      [2, 0],
      [0, 0],
    ],
  },
  {
    r: x! + y! ** 2 - 7,
    by: [1, 2 * y!],
    hessian: () => [
      [0, 0],
      [0, 2],
    ],
  },
]);
