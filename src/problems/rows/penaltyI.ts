import { integer } from '../../gpu/fields.js';
import { penaltyIShader } from '../../shaders/problems/penalty_i.gen.js';
import { defineProblem } from '../problem.js';

const FAINT = 1e-5;

/** All elements are equal there: the root of 2a(x - 1) + 4(n x² - 1/4)x, by Newton's method. */
function minimum(n: number) {
  let x = 0.5 / Math.sqrt(n);
  for (let i = 0; i < 20; i++)
    x -= (2 * FAINT * (x - 1) + 4 * (n * x * x - 0.25) * x) / (2 * FAINT + 12 * n * x * x - 1);
  return { x: new Array<number>(n).fill(x), value: n * FAINT * (x - 1) ** 2 + (n * x * x - 0.25) ** 2 };
}

/**
 * The penalty function I: 1e-5 Σ (x - 1)² + (Σ x² - 1/4)², a sphere with a faint pull along it.
 */
export const penaltyI = defineProblem({
  name: 'penaltyI',
  title: 'the penalty function I',
  formula: ['f = 1e-5 Σ (x - 1)² + (Σ x² - ¼)²'],
  paper: 'number 23 of Moré, Garbow & Hillstrom 1981, Testing unconstrained optimization software, ACM TOMS 7(1)',
  use: 'Two scales that differ by a factor of 1e5.',
  shader: penaltyIShader,
  fields: { n: integer('dimensions', 10, { min: 2, max: 4096 }) },
  dimension: ({ n }) => n,
  start: ({ n }) => Array.from({ length: n }, (_, i) => i + 1),
  minima: ({ n }) => [minimum(n)],
  window: [
    [-2, 10],
    [-2, 10],
  ],
});
