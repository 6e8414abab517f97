import { elementwise } from '../elementwise.js';
import { factoryOf } from '../layer.js';

const row = elementwise({
  name: 'gelu',
  title: 'GELU',
  kernel: 'gelu',
  // 1/√E[y²] for x ~ N(0, 1), where PyTorch's calculate_gain has nothing: what its value is for relu.
  gain: () => 1.5335304411955724,
});

/**
 * The Gaussian error linear unit in its exact form, torch.nn.GELU's default; Φ is the distribution function of the standard
 * normal.
 *
 *     y = x · Φ(x) = x · (1 + erf(x / sqrt(2))) / 2
 *
 * Gain of initial weights: 1.53, for which a standard normal input keeps its mean square.
 *
 * @example gelu()
 *
 * Paper: Hendrycks, Gimpel 2016, "Gaussian Error Linear Units (GELUs)", https://arxiv.org/abs/1606.08415
 */
export const gelu = factoryOf(row);
