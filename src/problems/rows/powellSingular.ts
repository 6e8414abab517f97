import { powellSingularShader } from '../../shaders/problems/powell_singular.gen.js';
import { defineProblem } from '../problem.js';

/**
 * Powell’s singular function: (x + 10y)² + 5(z - w)² + (y - 2z)⁴ + 10(x - w)⁴. The Hessian at the minimum has rank 2.
 */
export const powellSingular = defineProblem({
  name: 'powellSingular',
  title: 'Powell’s singular function',
  formula: ['f = (x + 10y)² + 5(z - w)² + (y - 2z)⁴ + 10(x - w)⁴'],
  paper: 'number 13 of Moré, Garbow & Hillstrom 1981, Testing unconstrained optimization software, ACM TOMS 7(1)',
  use: "A minimum where Newton's method slows down too.",
  shader: powellSingularShader,
  fields: {},
  dimension: () => 4,
  start: () => [3, -1, 0, 1],
  minima: () => [{ x: [0, 0, 0, 0], value: 0 }],
  window: [
    [-4, 4],
    [-4, 4],
  ],
});
