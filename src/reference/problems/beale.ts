import { leastSquares } from '../problem.js';

/** Σ_k (c_k - x + x·y^k)², c = (1.5, 2.25, 2.625). */
export const beale = leastSquares(([x, y]) =>
  [1.5, 2.25, 2.625].map((c, i) => {
    const k = i + 1;
    const slope = k * y! ** (k - 1);
    return {
      r: c - x! + x! * y! ** k,
      by: [y! ** k - 1, x! * slope],
      hessian: () => [
        [0, slope],
        [slope, k > 1 ? x! * k * (k - 1) * y! ** (k - 2) : 0],
      ],
    };
  }),
);
