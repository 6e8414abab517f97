import { number } from '../../gpu/fields.js';
import { noisyQuadraticShader } from '../../shaders/problems/noisy_quadratic.gen.js';
import { defineProblem } from '../problem.js';
import { checkSpectrum, spectrum } from '../spectrum.js';

/**
 * A quadratic whose gradient is noisy, as a mini-batch’s is: g = h·x + sigma·ξ, ξ nearly normal, a number of the seed, the step and
 * the element. Values and Hessian have no noise. SGD settles at f = Σ lr·sigma²/(2(2 - lr·h)) on average.
 */
export const noisyQuadratic = defineProblem({
  name: 'noisyQuadratic',
  title: 'a noisy quadratic',
  formula: ['f = ½ Σ h x²', 'g = h·x + sigma·ξ, ξ nearly normal'],
  paper: 'Schaul, Zhang & LeCun 2013, No more pesky learning rates',
  use: 'What noise leaves of a rate, and why rates decay.',
  shader: noisyQuadraticShader,
  fields: { spectrum, sigma: number('standard deviation of the noise', 1, { min: 0 }) },
  dimension: ({ spectrum }) => spectrum.length,
  start: ({ spectrum }) => (spectrum.length === 2 ? [-7, 2] : spectrum.map(() => 1)),
  minima: ({ spectrum }) => (spectrum.every((h) => h > 0) ? [{ x: spectrum.map(() => 0), value: 0 }] : []),
  data: ({ spectrum, sigma }) => Float32Array.of(...spectrum, sigma),
  check: checkSpectrum,
  window: [
    [-8, 8],
    [-3, 3],
  ],
});
