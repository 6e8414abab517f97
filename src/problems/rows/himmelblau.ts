import { himmelblauShader } from '../../shaders/problems/himmelblau.gen.js';
import { defineProblem } from '../problem.js';

/**
 * Himmelblau’s function: (x² + y - 11)² + (x + y² - 7)², four minima of value 0.
 */
export const himmelblau = defineProblem({
  name: 'himmelblau',
  title: 'Himmelblau',
  formula: ['f = (x² + y - 11)² + (x + y² - 7)²'],
  paper: 'Himmelblau 1972, Applied Nonlinear Programming',
  use: 'Four equal minima: which one, from where.',
  shader: himmelblauShader,
  fields: {},
  dimension: () => 2,
  start: () => [0, 0],
  minima: () => [
    { x: [3, 2], value: 0 },
    { x: [-2.805118086952745, 3.131312518250573], value: 0 },
    { x: [-3.779310253377747, -3.2831859912861696], value: 0 },
    { x: [3.5844283403304917, -1.8481265269644034], value: 0 },
  ],
  window: [
    [-5, 5],
    [-5, 5],
  ],
});
