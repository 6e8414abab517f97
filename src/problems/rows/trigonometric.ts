import { integer } from '../../gpu/fields.js';
import { trigonometricShader } from '../../shaders/problems/trigonometric.gen.js';
import { defineProblem } from '../problem.js';

/**
 * Spedicato’s trigonometric function: Σ (n - Σ cos x_j + k(1 - cos x_k) - sin x_k)².
 */
export const trigonometric = defineProblem({
  name: 'trigonometric',
  title: 'the trigonometric function',
  formula: ['f = Σ_k (n - Σ_j cos x_j + k(1 - cos x_k) - sin x_k)²'],
  paper: 'number 26 of Moré, Garbow & Hillstrom 1981, Testing unconstrained optimization software, ACM TOMS 7(1)',
  use: 'Small values, and a local minimum of 2.795e-5 for n = 10.',
  shader: trigonometricShader,
  fields: { n: integer('dimensions', 10, { min: 2, max: 1024 }) },
  dimension: ({ n }) => n,
  start: ({ n }) => new Array<number>(n).fill(1 / n),
  minima: ({ n }) => [{ x: new Array<number>(n).fill(0), value: 0 }],
  window: [
    [-1, 1],
    [-1, 1],
  ],
});
