import { boothShader } from '../../shaders/problems/booth.gen.js';
import { defineProblem } from '../problem.js';

/**
 * Booth’s function: (x + 2y - 7)² + (2x + y - 5)², a quadratic whose axes lie askew (eigenvalues 2 and 18).
 */
export const booth = defineProblem({
  name: 'booth',
  title: 'Booth',
  formula: ['f = (x + 2y - 7)² + (2x + y - 5)²'],
  paper: 'Jamil & Yang 2013, A literature survey of benchmark functions, number 17',
  use: 'What rules that scale every axis by itself make of a valley that lies across them.',
  shader: boothShader,
  fields: {},
  dimension: () => 2,
  start: () => [-8, -8],
  minima: () => [{ x: [1, 3], value: 0 }],
  window: [
    [-10, 10],
    [-10, 10],
  ],
});
