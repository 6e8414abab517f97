import { ravineShader } from '../../shaders/problems/ravine.gen.js';
import { defineProblem } from '../problem.js';

/**
 * The ravine of the lecture: f = x²/64 + y², 64 times as steep across as along. Gradient descent is stable below lr 1; the best
 * rate is 2/(2 + 1/32) = 0.98462, which leaves 63/65 of the distance at every step.
 */
export const ravine = defineProblem({
  name: 'ravine',
  title: 'the ravine',
  formula: ['f = x²/64 + y²'],
  paper: "the lecture's ill-conditioned quadratic",
  use: 'What a condition number costs, and what momentum saves of it.',
  shader: ravineShader,
  fields: {},
  dimension: () => 2,
  start: () => [-7, 2],
  minima: () => [{ x: [0, 0], value: 0 }],
  window: [
    [-8, 8],
    [-3, 3],
  ],
});
