import { sixHumpCamelShader } from '../../shaders/problems/six_hump_camel.gen.js';
import { defineProblem } from '../problem.js';

/**
 * The six-hump camel: (4 - 2.1x² + x⁴/3)x² + xy + (4y² - 4)y². Six minima, of which two are the lowest.
 */
export const sixHumpCamel = defineProblem({
  name: 'sixHumpCamel',
  title: 'the six-hump camel',
  formula: ['f = (4 - 2.1x² + x⁴/3)x² + xy + (4y² - 4)y²'],
  paper: 'Dixon & Szegő 1978, The global optimization problem',
  use: 'Minima of unlike depth close together.',
  shader: sixHumpCamelShader,
  fields: {},
  dimension: () => 2,
  start: () => [-1.5, 0.5],
  minima: () => [
    { x: [0.08984201310031806, -0.7126564030207396], value: -1.0316284534898774 },
    { x: [-0.08984201310031806, 0.7126564030207396], value: -1.0316284534898774 },
  ],
  window: [
    [-2, 2],
    [-1.2, 1.2],
  ],
});
