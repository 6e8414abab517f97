import { leastSquares } from '../problem.js';

/** Σ_k (c e^(-ta) - d e^(-tb) + s e^(-tu) - y_k)², t = k/10, k = 1 … 13. */
export const biggsExp6 = leastSquares(([a, b, c, d, u, s]) =>
  Array.from({ length: 13 }, (_, i) => {
    const t = (i + 1) / 10;
    const y = Math.exp(-t) - 5 * Math.exp(-10 * t) + 3 * Math.exp(-4 * t);
    const [ea, eb, eu] = [Math.exp(-t * a!), Math.exp(-t * b!), Math.exp(-t * u!)];
    return {
      r: c! * ea - d! * eb + s! * eu - y,
      by: [-t * c! * ea, t * d! * eb, ea, -eb, -t * s! * eu, eu],
      hessian: () => [
        [t * t * c! * ea, 0, -t * ea, 0, 0, 0],
        [0, -t * t * d! * eb, 0, t * eb, 0, 0],
        [-t * ea, 0, 0, 0, 0, 0],
        [0, t * eb, 0, 0, 0, 0],
        [0, 0, 0, 0, t * t * s! * eu, -t * eu],
        [0, 0, 0, 0, -t * eu, 0],
      ],
    };
  }),
);
