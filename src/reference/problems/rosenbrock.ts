import type { ReferenceProblem } from '../problem.js';

/** The residuals of a pair: a = y - x², b = 1 - x. */
const pairOf = (x: ArrayLike<number>, i: number) => {
  const first = i - (i % 2);
  return { x: x[first]!, a: x[first + 1]! - x[first]! ** 2, b: 1 - x[first]! };
};

/** Σ over pairs: 100a² + b². */
export const rosenbrock: ReferenceProblem = {
  value: (x) =>
    Array.from(x).reduce((sum, _, i) => {
      const { a, b } = pairOf(x, i);
      return i % 2 === 0 ? sum + 100 * a ** 2 + b ** 2 : sum;
    }, 0),
  gradient: (x) =>
    Float64Array.from(x, (_, i) => {
      const pair = pairOf(x, i);
      return i % 2 === 0 ? -400 * pair.x * pair.a - 2 * pair.b : 200 * pair.a;
    }),
  product: (x, v) =>
    Float64Array.from(x, (_, i) => {
      const pair = pairOf(x, i);
      // [800x² - 400a + 2, -400x; -400x, 200]
      if (i % 2 === 1) return -400 * pair.x * v[i - 1]! + 200 * v[i]!;
      return (800 * pair.x ** 2 - 400 * pair.a + 2) * v[i]! - 400 * pair.x * v[i + 1]!;
    }),
};
