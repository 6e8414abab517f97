import { DownhillError } from '../../gpu/errors.js';
import { integer } from '../../gpu/fields.js';
import { rosenbrockShader } from '../../shaders/problems/rosenbrock.gen.js';
import { defineProblem } from '../problem.js';

/**
 * Rosenbrock’s valley: 100(y - x²)² + (1 - x)², a bent valley with a nearly flat floor (condition number 2508 at the minimum).
 * For more dimensions the extended form of Moré, Garbow & Hillstrom: pairs beside each other, so that n is even.
 */
export const rosenbrock = defineProblem({
  name: 'rosenbrock',
  title: 'Rosenbrock',
  formula: ['f = Σ 100(y - x²)² + (1 - x)² over the pairs (x, y)'],
  paper:
    'Rosenbrock 1960, An automatic method for finding the greatest or least value of a function; numbers 1 and 21 of Moré, Garbow & Hillstrom 1981, Testing unconstrained optimization software, ACM TOMS 7(1)',
  use: 'The usual test of a curved valley.',
  shader: rosenbrockShader,
  fields: { n: integer('dimensions', 2, { min: 2, max: 2 ** 20 }) },
  dimension: ({ n }) => n,
  start: ({ n }) => Array.from({ length: n }, (_, i) => (i % 2 === 0 ? -1.2 : 1)),
  minima: ({ n }) => [{ x: new Array<number>(n).fill(1), value: 0 }],
  check: ({ n }) => {
    if (n % 2 === 0) return;
    throw new DownhillError('OPTION-RANGE', `rosenbrock: n must be even, got ${n}.`, `Choose ${n - 1} or ${n + 1}.`);
  },
  window: [
    [-2, 2],
    [-1, 3],
  ],
});
