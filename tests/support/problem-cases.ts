import type { Problem } from '../../src/problems/problem.js';
import { problems } from '../../src/problems/rows.gen.js';
import { randomFloats } from './gpu.js';

/** Every problem as it is, and those of many dimensions with some more. */
export const problemCases: readonly (readonly [string, Problem])[] = [
  ...Object.entries(problems).map(([name, make]) => [name, make()] as const),
  ['rosenbrock of 100', problems.rosenbrock({ n: 100 })],
  ['styblinskiTang of 7', problems.styblinskiTang({ n: 7 })],
  ['rastrigin of 67', problems.rastrigin({ n: 67 })],
  ['ackley of 5', problems.ackley({ n: 5 })],
  ['quadratic of 130', problems.quadratic({ spectrum: Array.from({ length: 130 }, (_, i) => 0.01 * 1.08 ** i) })],
  ['a saddle of 3', problems.quadratic({ spectrum: [2, -1, 0.5] })],
  ['noisyQuadratic of 5', problems.noisyQuadratic({ spectrum: [1, 2, 3, 4, 5], sigma: 0.3 })],
  ['trigonometric of 33', problems.trigonometric({ n: 33 })],
];

/** Points of a problem: where it starts, its first minimum, and some of the window; as f32 has them. */
export function pointsOf({ row, n, start, minima }: Problem): Float32Array[] {
  const [[left, right]] = row.window;
  const drawn = [1, 2, 3].map((seed) =>
    randomFloats(n, 100 + seed).map((u, i) => {
      // Further dimensions from near the start: sums of many terms stay as large as in the problem's own runs.
      if (i > 1) return start[i]! + u / 4;
      const [from, to] = row.window[i] ?? [left, right];
      return from + ((to - from) * (u + 1)) / 2;
    }),
  );
  const known = [start, ...minima.slice(0, 1).map(({ x }) => x)];
  return [...known.map((x) => Float32Array.from(x)), ...drawn];
}
