import { helicalValleyShader } from '../../shaders/problems/helical_valley.gen.js';
import { defineProblem } from '../problem.js';

/**
 * The helical valley of Fletcher and Powell: 100(z - 10θ)² + 100(r - 1)² + z², θ the angle of (x, y) in turns, -1/4 to 3/4.
 */
export const helicalValley = defineProblem({
  name: 'helicalValley',
  title: 'the helical valley',
  formula: [
    'f = 100(z - 10θ)² + 100(r - 1)² + z²',
    'θ = the angle of (x, y) in turns, from -1/4 to 3/4; r = √(x² + y²)',
  ],
  paper: 'number 7 of Moré, Garbow & Hillstrom 1981, Testing unconstrained optimization software, ACM TOMS 7(1)',
  use: 'A valley that winds: no direction serves for long.',
  shader: helicalValleyShader,
  fields: {},
  dimension: () => 3,
  start: () => [-1, 0, 0],
  minima: () => [{ x: [1, 0, 0], value: 0 }],
  window: [
    [-1.5, 1.5],
    [-1.5, 1.5],
  ],
});
