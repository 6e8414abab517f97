import { elementwise } from '../elementwise.js';
import { factoryOf } from '../layer.js';

const row = elementwise({
  name: 'gelu-tanh',
  title: 'GELU by tanh',
  kernel: 'gelu-tanh',
  // 1/√E[y²] for x ~ N(0, 1), where PyTorch's calculate_gain has nothing: what its value is for relu.
  gain: () => 1.5335805216661884,
});

/**
 * The usual approximation of `gelu`, torch.nn.GELU with approximate='tanh'; it differs by at most 5e-4.
 *
 *     y = x · (1 + tanh(sqrt(2/π) · (x + 0.044715 x³))) / 2
 *
 * Gain of initial weights: 1.53, for which a standard normal input keeps its mean square.
 *
 * @example geluTanh()
 *
 * Paper: Hendrycks, Gimpel 2016, "Gaussian Error Linear Units (GELUs)", https://arxiv.org/abs/1606.08415
 */
export const geluTanh = factoryOf(row);
