import { bealeShader } from '../../shaders/problems/beale.gen.js';
import { defineProblem } from '../problem.js';

/**
 * Beale’s function: Σ (c_k - x(1 - y^k))², c = (1.5, 2.25, 2.625). Steep walls, and a valley as flat as they are steep.
 */
export const beale = defineProblem({
  name: 'beale',
  title: 'Beale',
  formula: ['f = (1.5 - x + xy)² + (2.25 - x + xy²)² + (2.625 - x + xy³)²'],
  paper:
    'Beale 1958, On an iterative method for finding a local minimum; number 5 of Moré, Garbow & Hillstrom 1981, Testing unconstrained optimization software, ACM TOMS 7(1)',
  use: 'Gradients of very different size in one run.',
  shader: bealeShader,
  fields: {},
  dimension: () => 2,
  start: () => [1, 1.5],
  minima: () => [{ x: [3, 0.5], value: 0 }],
  window: [
    [-4.5, 4.5],
    [-4.5, 4.5],
  ],
});
