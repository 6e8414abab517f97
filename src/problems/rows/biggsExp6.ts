import { biggsExp6Shader } from '../../shaders/problems/biggs_exp6.gen.js';
import { defineProblem } from '../problem.js';

/**
 * Biggs’ EXP6: three exponentials fitted to 13 values, Σ (c e^(-ta) - d e^(-tb) + s e^(-tu) - y)², the point (a, b, c, d, u, s).
 */
export const biggsExp6 = defineProblem({
  name: 'biggsExp6',
  title: 'Biggs EXP6',
  formula: [
    'f = Σ (c·exp(-ta) - d·exp(-tb) + s·exp(-tu) - y_k)², t = k/10, k = 1 … 13',
    'y_k = exp(-t) - 5·exp(-10t) + 3·exp(-4t)',
  ],
  paper: 'number 18 of Moré, Garbow & Hillstrom 1981, Testing unconstrained optimization software, ACM TOMS 7(1)',
  use: 'A fit with a local minimum (0.00566) beside the exact one.',
  shader: biggsExp6Shader,
  fields: {},
  dimension: () => 6,
  start: () => [1, 2, 1, 1, 1, 1],
  minima: () => [{ x: [1, 10, 1, 5, 4, 3], value: 0 }],
  window: [
    [-2, 12],
    [-2, 12],
  ],
});
