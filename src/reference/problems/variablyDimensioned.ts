import { leastSquares } from '../problem.js';

/** Σ (x_k - 1)² + s² + s⁴, s = Σ k(x_k - 1). */
export const variablyDimensioned = leastSquares((x) => {
  const s = x.reduce((sum, value, i) => sum + (i + 1) * (value - 1), 0);
  return [
    ...x.map((value, i) => ({ r: value - 1, by: x.map((_, j) => (i === j ? 1 : 0)) })),
    { r: s, by: x.map((_, j) => j + 1) },
    {
      r: s * s,
      by: x.map((_, j) => 2 * s * (j + 1)),
      hessian: () => x.map((_, i) => x.map((_, j) => 2 * (i + 1) * (j + 1))),
    },
  ];
});
