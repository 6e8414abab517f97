import { integer } from '../../gpu/fields.js';
import { styblinskiTangShader } from '../../shaders/problems/styblinski_tang.gen.js';
import { defineProblem } from '../problem.js';

/**
 * Styblinski and Tang: ½ Σ x⁴ - 16x² + 5x, with 2^n minima, one of them the lowest.
 */
export const styblinskiTang = defineProblem({
  name: 'styblinskiTang',
  title: 'Styblinski and Tang',
  formula: ['f = ½ Σ x⁴ - 16x² + 5x'],
  paper: 'Styblinski & Tang 1990, Experiments in nonconvex optimization',
  use: 'Many minima that differ in depth.',
  shader: styblinskiTangShader,
  fields: { n: integer('dimensions', 2, { min: 1, max: 2 ** 20 }) },
  dimension: ({ n }) => n,
  start: ({ n }) => new Array<number>(n).fill(0),
  minima: ({ n }) => [{ x: new Array<number>(n).fill(-2.903534027771177), value: -39.166165703771419 * n }],
  window: [
    [-5, 5],
    [-5, 5],
  ],
});
