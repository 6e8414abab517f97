import { integer, number } from '../../gpu/fields.js';
import { logisticRegressionShader } from '../../shaders/problems/logistic_regression.gen.js';
import { defineProblem } from '../problem.js';
import { FEATURES, samples } from '../samples.js';

/**
 * Logistic regression of 400 seeded samples with 50 features, with the penalty l2/2 |w|²: what training a model of one layer is.
 */
export const logisticRegression = defineProblem({
  name: 'logisticRegression',
  title: 'logistic regression',
  formula: ['f = mean of log(1 + exp(-a·w)) + l2/2 |w|², a = a sample times its label'],
  paper: 'Cox 1958, The regression analysis of binary sequences',
  use: 'A convex problem of 50 dimensions, as data make one.',
  shader: logisticRegressionShader,
  fields: {
    seed: integer('of the data', 0, { min: 0, max: 2 ** 32 - 1 }),
    l2: number('penalty of the weights', 1e-3, { min: 0 }),
  },
  dimension: () => FEATURES,
  start: () => new Array<number>(FEATURES).fill(0),
  minima: () => [],
  data: ({ seed, l2 }) => Float32Array.of(...samples(seed), l2),
  window: [
    [-2, 2],
    [-2, 2],
  ],
});
