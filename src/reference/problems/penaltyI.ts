import { leastSquares } from '../problem.js';

/** 1e-5 Σ (x_k - 1)² + (Σ x_k² - 1/4)². */
export const penaltyI = leastSquares((x) => {
  const faint = Math.sqrt(1e-5);
  return [
    ...x.map((value, i) => ({ r: faint * (value - 1), by: x.map((_, j) => (i === j ? faint : 0)) })),
    {
      r: x.reduce((sum, value) => sum + value ** 2, 0) - 1 / 4,
      by: x.map((value) => 2 * value),
      hessian: () => x.map((_, i) => x.map((_, j) => (i === j ? 2 : 0))),
    },
  ];
});
