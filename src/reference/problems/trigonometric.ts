import { leastSquares } from '../problem.js';

/** Σ_k (n - Σ_j cos x_j + k(1 - cos x_k) - sin x_k)². */
export const trigonometric = leastSquares((x) => {
  const lacking = x.reduce((sum, value) => sum + 1 - Math.cos(value), 0);
  return x.map((own, i) => {
    const k = i + 1;
    const at = (j: number, all: number, more: number) => all + (i === j ? more : 0);
    return {
      r: lacking + k * (1 - Math.cos(own)) - Math.sin(own),
      by: x.map((value, j) => at(j, Math.sin(value), k * Math.sin(own) - Math.cos(own))),
      hessian: () =>
        x.map((value, j) => x.map((_, l) => (j === l ? at(j, Math.cos(value), k * Math.cos(own) + Math.sin(own)) : 0))),
    };
  });
});
