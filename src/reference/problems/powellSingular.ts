import { leastSquares } from '../problem.js';

/** The Hessian of a·(p_i - b·p_j)². */
function square(i: number, j: number, a: number, b: number): number[][] {
  const rows = Array.from({ length: 4 }, () => [0, 0, 0, 0]);
  rows[i]![i] = 2 * a;
  rows[i]![j] = -2 * a * b;
  rows[j]![i] = -2 * a * b;
  rows[j]![j] = 2 * a * b * b;
  return rows;
}

/** (x + 10y)² + 5(z - w)² + (y - 2z)⁴ + 10(x - w)⁴. */
export const powellSingular = leastSquares(([x, y, z, w]) => {
  const [c, d] = [y! - 2 * z!, x! - w!];
  const [five, ten] = [Math.sqrt(5), Math.sqrt(10)];
  return [
    { r: x! + 10 * y!, by: [1, 10, 0, 0] },
    { r: five * (z! - w!), by: [0, 0, five, -five] },
    { r: c ** 2, by: [0, 2 * c, -4 * c, 0], hessian: () => square(1, 2, 1, 2) },
    { r: ten * d ** 2, by: [2 * ten * d, 0, 0, -2 * ten * d], hessian: () => square(0, 3, ten, 1) },
  ];
});
