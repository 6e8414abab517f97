import { randomFloats } from './gpu.js';

/** Rows of three features of scales 1, 1000 and 0.001, in units of their own, a kind, and a nonlinear price far from 0. */
export function prices(rows: number): string {
  const random = randomFloats(3 * rows, 17);
  const lines = Array.from({ length: rows }, (_, i) => {
    const [a, b, c] = random.subarray(3 * i, 3 * i + 3) as unknown as [number, number, number];
    const price = 50_000 + 10_000 * (Math.sin(2 * a) + b * b + a * c);
    return [a, 5000 + 1000 * b, 0.001 * c, a > 0 ? 'up' : 'down', price].join(',');
  });
  return `a,b,c,kind,price\n${lines.join('\n')}\n`;
}
