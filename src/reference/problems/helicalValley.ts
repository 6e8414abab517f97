import { leastSquares } from '../problem.js';

const TURN = 2 * Math.PI;

/** 100(z - 10θ)² + 100(r - 1)² + z², θ in turns from -1/4 to 3/4; on the axis, where there is no angle, derivatives are 0. */
export const helicalValley = leastSquares(([x, y, z]) => {
  const r2 = x! ** 2 + y! ** 2;
  const r = Math.sqrt(r2);
  const turn = Math.atan2(y!, x!) / TURN;
  const theta = turn < -1 / 4 || (turn === -1 / 4 && x! < 0) ? turn + 1 : turn;
  const [tx, ty] = r === 0 ? [0, 0] : [-y! / (TURN * r2), x! / (TURN * r2)];
  const [rx, ry] = r === 0 ? [0, 0] : [x! / r, y! / r];
  // ∇²θ = [2xy, y² - x²; y² - x², -2xy]/(2πr⁴), ∇²r = [y², -xy; -xy, x²]/r³.
  const t4 = r === 0 ? 0 : 1 / (TURN * r2 ** 2);
  const r3 = r === 0 ? 0 : 1 / (r2 * r);
  return [
    {
      r: 10 * (z! - 10 * theta),
      by: [-100 * tx, -100 * ty, 10],
      hessian: () => [
        [-100 * 2 * x! * y! * t4, -100 * (y! ** 2 - x! ** 2) * t4, 0],
        [-100 * (y! ** 2 - x! ** 2) * t4, 100 * 2 * x! * y! * t4, 0],
        [0, 0, 0],
      ],
    },
    {
      r: 10 * (r - 1),
      by: [10 * rx, 10 * ry, 0],
      hessian: () => [
        [10 * y! ** 2 * r3, -10 * x! * y! * r3, 0],
        [-10 * x! * y! * r3, 10 * x! ** 2 * r3, 0],
        [0, 0, 0],
      ],
    },
    { r: z!, by: [0, 0, 1] },
  ];
});
