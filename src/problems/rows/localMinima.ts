import { localMinimaShader } from '../../shaders/problems/local_minima.gen.js';
import { defineProblem } from '../problem.js';

/**
 * Three valleys beside each other, tilted: f = x²(x² - 4)²/16 + x/4 + y². Which one a rule ends in depends on how far its steps
 * carry it; the lowest is the left one.
 */
export const localMinima = defineProblem({
  name: 'localMinima',
  title: 'three valleys',
  formula: ['f = x²(x² - 4)²/16 + x/4 + y²'],
  paper: "made for this library, after the lecture's pictures of local minima",
  use: 'Which minimum a rule ends in: momentum may carry it past the nearest.',
  shader: localMinimaShader,
  fields: {},
  dimension: () => 2,
  start: () => [2.6, 1.5],
  minima: () => [
    { x: [-2.029279909200428, 0], value: -0.5037377077904293 },
    { x: [-0.1270443228886561, 0], value: -0.01575081194833946 },
    { x: [1.966248797686306, 0], value: 0.4958922738451222 },
  ],
  saddles: () => [
    [-1.0556904842040047, 0],
    [1.2457659186067824, 0],
  ],
  window: [
    [-3, 3],
    [-2, 2],
  ],
});
