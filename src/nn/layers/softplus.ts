import { elementwise } from '../elementwise.js';
import { factoryOf } from '../layer.js';

const row = elementwise({
  name: 'softplus',
  title: 'Softplus',
  kernel: 'softplus',
  // 1/√E[y²] for x ~ N(0, 1), where PyTorch's calculate_gain has nothing: what its value is for relu.
  gain: () => 1.0418668355353287,
});

/**
 * A smooth positive part, as torch.nn.Softplus with its beta 1 and threshold 20 (beyond which y = x, to the last bit of f32).
 *
 *     y = log(1 + exp(x))
 *
 * Gain of initial weights: 1.04, for which a standard normal input keeps its mean square.
 *
 * @example softplus()
 *
 * Paper: Dugas et al. 2000, "Incorporating Second-Order Functional Knowledge for Better Option Pricing", https://papers.nips.cc/paper/1920-incorporating-second-order-functional-knowledge-for-better-option-pricing
 */
export const softplus = factoryOf(row);
