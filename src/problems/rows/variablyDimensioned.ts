import { integer } from '../../gpu/fields.js';
import { variablyDimensionedShader } from '../../shaders/problems/variably_dimensioned.gen.js';
import { defineProblem } from '../problem.js';

/**
 * The variably dimensioned function: Σ (x - 1)² + s² + s⁴, s = Σ k(x_k - 1).
 */
export const variablyDimensioned = defineProblem({
  name: 'variablyDimensioned',
  title: 'the variably dimensioned function',
  formula: ['f = Σ (x_k - 1)² + s² + s⁴, s = Σ k(x_k - 1)'],
  paper: 'number 25 of Moré, Garbow & Hillstrom 1981, Testing unconstrained optimization software, ACM TOMS 7(1)',
  use: 'A start whose value is huge.',
  shader: variablyDimensionedShader,
  fields: { n: integer('dimensions', 10, { min: 2, max: 4096 }) },
  dimension: ({ n }) => n,
  start: ({ n }) => Array.from({ length: n }, (_, i) => 1 - (i + 1) / n),
  minima: ({ n }) => [{ x: new Array<number>(n).fill(1), value: 0 }],
  window: [
    [-1, 3],
    [-1, 3],
  ],
});
