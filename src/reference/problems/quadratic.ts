import { type ReferenceGiven, separable } from '../problem.js';

const h = ({ spectrum }: ReferenceGiven, i: number) => (spectrum as readonly number[])[i]!;

/** ½ Σ h x². */
export const quadratic = separable({
  value: (x, i, given) => (h(given, i) * x ** 2) / 2,
  slope: (x, i, given) => h(given, i) * x,
  curvature: (_, i, given) => h(given, i),
});
