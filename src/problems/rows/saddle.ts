import { saddleShader } from '../../shaders/problems/saddle.gen.js';
import { defineProblem } from '../problem.js';

/**
 * A saddle: f = x² - y², with a way out along y, on which a start is hardly. Not bounded below.
 */
export const saddle = defineProblem({
  name: 'saddle',
  title: 'the saddle',
  formula: ['f = x² - y²'],
  paper: "the lecture's saddle",
  use: 'How long a rule stays where the gradient is small.',
  shader: saddleShader,
  fields: {},
  dimension: () => 2,
  start: () => [1, 1e-3],
  minima: () => [],
  saddles: () => [[0, 0]],
  window: [
    [-1.5, 1.5],
    [-1.5, 1.5],
  ],
});
