import type { ReferenceProblem } from '../problem.js';

const TURN = 2 * Math.PI;

/** The two means that it is made of: r = √(Σ x²/n), e = exp(Σ cos(2πx)/n). */
function means(x: ArrayLike<number>) {
  const all = Array.from(x);
  const r = Math.sqrt(all.reduce((sum, value) => sum + value ** 2, 0) / all.length);
  return { r, e: Math.exp(all.reduce((sum, value) => sum + Math.cos(TURN * value), 0) / all.length) };
}

/** -20 exp(-r/5) - exp(Σ cos(2πx)/n) + e + 20; at r = 0, a cone's tip, gradient and product are 0. */
export const ackley: ReferenceProblem = {
  value(x) {
    const { r, e } = means(x);
    return 20 - 20 * Math.exp(-r / 5) + Math.E - e;
  },
  gradient(x) {
    const { r, e } = means(x);
    const cone = r === 0 ? 0 : (4 * Math.exp(-r / 5)) / r;
    return Float64Array.from(x, (value) => (cone * value + TURN * Math.sin(TURN * value) * e) / x.length);
  },
  product(x, v) {
    const { r, e } = means(x);
    if (r === 0) return new Float64Array(x.length);
    const n = x.length;
    const along = Array.from(v).reduce((sum, value, i) => sum + value * x[i]!, 0);
    const sines = Array.from(v).reduce((sum, value, i) => sum + value * Math.sin(TURN * x[i]!), 0);
    const cone = (4 * Math.exp(-r / 5)) / r;
    // d(cone)/dr = -cone·(1/r + 1/5), dr along v = (x·v)/(n r).
    const change = (-cone * (1 / r + 1 / 5) * along) / (n * r);
    return Float64Array.from(x, (value, i) => {
      const dents = Math.cos(TURN * value) * v[i]! - (Math.sin(TURN * value) * sines) / n;
      return (cone * v[i]! + change * value + TURN ** 2 * e * dents) / n;
    });
  },
};
