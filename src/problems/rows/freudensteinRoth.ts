import { freudensteinRothShader } from '../../shaders/problems/freudenstein_roth.gen.js';
import { defineProblem } from '../problem.js';

/**
 * Freudenstein and Roth: (-13 + x + ((5 - y)y - 2)y)² + (-29 + x + ((y + 1)y - 14)y)². Most ways end in the local minimum of value 48.98.
 */
export const freudensteinRoth = defineProblem({
  name: 'freudensteinRoth',
  title: 'Freudenstein and Roth',
  formula: ['f = (-13 + x + ((5 - y)y - 2)y)² + (-29 + x + ((y + 1)y - 14)y)²'],
  paper: 'number 2 of Moré, Garbow & Hillstrom 1981, Testing unconstrained optimization software, ACM TOMS 7(1)',
  use: 'Ends at a local minimum where f is far from 0: rounding of f shows.',
  shader: freudensteinRothShader,
  fields: {},
  dimension: () => 2,
  start: () => [0.5, -2],
  minima: () => [{ x: [5, 4], value: 0 }],
  window: [
    [-5, 20],
    [-3, 6],
  ],
});
