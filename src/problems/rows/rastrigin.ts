import { integer } from '../../gpu/fields.js';
import { rastriginShader } from '../../shaders/problems/rastrigin.gen.js';
import { defineProblem } from '../problem.js';

/**
 * Rastrigin’s function: 10n + Σ x² - 10 cos 2πx, a bowl with a dent at every whole number.
 */
export const rastrigin = defineProblem({
  name: 'rastrigin',
  title: 'Rastrigin',
  formula: ['f = 10n + Σ x² - 10·cos 2πx'],
  paper: 'Rastrigin 1974, Systems of extremal control',
  use: 'A grid of local minima.',
  shader: rastriginShader,
  fields: { n: integer('dimensions', 2, { min: 1, max: 2 ** 20 }) },
  dimension: ({ n }) => n,
  start: ({ n }) => Array.from({ length: n }, (_, i) => (i % 2 === 0 ? 2.3 : -1.7)),
  minima: ({ n }) => [{ x: new Array<number>(n).fill(0), value: 0 }],
  window: [
    [-5.12, 5.12],
    [-5.12, 5.12],
  ],
});
