import { leastSquares } from '../problem.js';

/** (x + 2y - 7)² + (2x + y - 5)². */
export const booth = leastSquares(([x, y]) => [
  { r: x! + 2 * y! - 7, by: [1, 2] },
  { r: 2 * x! + y! - 5, by: [2, 1] },
]);
