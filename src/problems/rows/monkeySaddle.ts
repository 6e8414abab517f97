import { monkeySaddleShader } from '../../shaders/problems/monkey_saddle.gen.js';
import { defineProblem } from '../problem.js';

/**
 * A saddle with three ways down: f = x³ - 3xy². At the origin gradient and Hessian are both 0. Not bounded below.
 */
export const monkeySaddle = defineProblem({
  name: 'monkeySaddle',
  title: 'the monkey saddle',
  formula: ['f = x³ - 3xy²'],
  paper: 'Hilbert & Cohn-Vossen 1932, Anschauliche Geometrie',
  use: 'A saddle that no second derivative tells.',
  shader: monkeySaddleShader,
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
