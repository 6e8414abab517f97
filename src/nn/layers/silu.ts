import { elementwise } from '../elementwise.js';
import { factoryOf } from '../layer.js';

const row = elementwise({
  name: 'silu',
  title: 'SiLU',
  kernel: 'silu',
  // 1/√E[y²] for x ~ N(0, 1), where PyTorch's calculate_gain has nothing: what its value is for relu.
  gain: () => 1.6765324703311333,
});

/**
 * The sigmoid linear unit, also called swish, as torch.nn.SiLU.
 *
 *     y = x / (1 + exp(-x))
 *
 * Gain of initial weights: 1.68, for which a standard normal input keeps its mean square.
 *
 * @example silu()
 *
 * Paper: Elfwing, Uchibe, Doya 2017, "Sigmoid-Weighted Linear Units for Neural Network Function Approximation in Reinforcement Learning", https://arxiv.org/abs/1702.03118
 */
export const silu = factoryOf(row);
