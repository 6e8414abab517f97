import { leastSquares } from '../problem.js';

/** (-13 + x + ((5 - y)y - 2)y)² + (-29 + x + ((y + 1)y - 14)y)². */
export const freudensteinRoth = leastSquares(([x, y]) => [
  {
    r: -13 + x! + 5 * y! ** 2 - y! ** 3 - 2 * y!,
    by: [1, 10 * y! - 3 * y! ** 2 - 2],
    hessian: () => [
      [0, 0],
      [0, 10 - 6 * y!],
    ],
  },
  {
    r: -29 + x! + y! ** 3 + y! ** 2 - 14 * y!,
    by: [1, 3 * y! ** 2 + 2 * y! - 14],
    hessian: () => [
      [0, 0],
      [0, 6 * y! + 2],
    ],
  },
]);
