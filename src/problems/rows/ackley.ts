import { integer } from '../../gpu/fields.js';
import { ackleyShader } from '../../shaders/problems/ackley.gen.js';
import { defineProblem } from '../problem.js';

/**
 * Ackley’s function: -20 exp(-r/5) - exp(Σ cos(2πx)/n) + e + 20, r = √(Σ x²/n). At its minimum it is a cone’s tip: there the
 * gradient is taken as 0.
 */
export const ackley = defineProblem({
  name: 'ackley',
  title: 'Ackley',
  formula: ['f = -20·exp(-r/5) - exp(Σ cos(2πx)/n) + e + 20', 'r = √(Σ x²/n)'],
  paper: 'Ackley 1987, A connectionist machine for genetic hillclimbing',
  use: 'A minimum that is not smooth: no rate settles in it.',
  shader: ackleyShader,
  fields: { n: integer('dimensions', 2, { min: 1, max: 4096 }) },
  dimension: ({ n }) => n,
  start: ({ n }) => Array.from({ length: n }, (_, i) => (i % 2 === 0 ? 2.3 : -1.7)),
  minima: ({ n }) => [{ x: new Array<number>(n).fill(0), value: 0 }],
  window: [
    [-5, 5],
    [-5, 5],
  ],
});
