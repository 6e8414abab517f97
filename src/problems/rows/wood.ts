import { woodShader } from '../../shaders/problems/wood.gen.js';
import { defineProblem } from '../problem.js';

/**
 * Wood’s function: two bent valleys that lean on each other. Near (-1, 1, -1, 1), f = 7.88, it is nearly flat, and careless stopping rules end.
 */
export const wood = defineProblem({
  name: 'wood',
  title: 'Wood',
  formula: ['f = 100(y - x²)² + (1 - x)² + 90(w - z²)² + (1 - z)² + 10(y + w - 2)² + (y - w)²/10'],
  paper:
    'Colville 1968; number 14 of Moré, Garbow & Hillstrom 1981, Testing unconstrained optimization software, ACM TOMS 7(1)',
  use: 'A plateau of value 7.88 on the way, which is no minimum.',
  shader: woodShader,
  fields: {},
  dimension: () => 4,
  start: () => [-3, -1, -3, -1],
  minima: () => [{ x: [1, 1, 1, 1], value: 0 }],
  window: [
    [-4, 4],
    [-4, 4],
  ],
});
