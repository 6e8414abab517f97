import { quadraticShader } from '../../shaders/problems/quadratic.gen.js';
import { defineProblem } from '../problem.js';
import { checkSpectrum, spectrum } from '../spectrum.js';

/**
 * A quadratic of a chosen spectrum: ½ Σ h x². Negative eigenvalues make it a saddle.
 */
export const quadratic = defineProblem({
  name: 'quadratic',
  title: 'a quadratic',
  formula: ['f = ½ Σ h x²'],
  paper: 'Nesterov 2004, Introductory Lectures on Convex Optimization',
  use: 'What a spectrum makes of a rule.',
  shader: quadraticShader,
  fields: { spectrum },
  dimension: ({ spectrum }) => spectrum.length,
  start: ({ spectrum }) => spectrum.map(() => 1),
  minima: ({ spectrum }) => (spectrum.every((h) => h > 0) ? [{ x: spectrum.map(() => 0), value: 0 }] : []),
  data: ({ spectrum }) => Float32Array.from(spectrum),
  check: checkSpectrum,
  window: [
    [-1.5, 1.5],
    [-1.5, 1.5],
  ],
});
