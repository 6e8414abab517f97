import { leastSquares } from '../problem.js';

/** The Hessian that has one number on its diagonal. */
const single = (i: number, value: number) =>
  [0, 1, 2, 3].map((row) => [0, 1, 2, 3].map((column) => (row === i && column === i ? value : 0)));

/** 100(y - x²)² + (1 - x)² + 90(w - z²)² + (1 - z)² + 10(y + w - 2)² + (y - w)²/10. */
export const wood = leastSquares(([x, y, z, w]) => {
  const [ninety, ten] = [Math.sqrt(90), Math.sqrt(10)];
  return [
    { r: 10 * (y! - x! ** 2), by: [-20 * x!, 10, 0, 0], hessian: () => single(0, -20) },
    { r: 1 - x!, by: [-1, 0, 0, 0] },
    { r: ninety * (w! - z! ** 2), by: [0, 0, -2 * ninety * z!, ninety], hessian: () => single(2, -2 * ninety) },
    { r: 1 - z!, by: [0, 0, -1, 0] },
    { r: ten * (y! + w! - 2), by: [0, ten, 0, ten] },
    { r: (y! - w!) / ten, by: [0, 1 / ten, 0, -1 / ten] },
  ];
});
