import { number } from '../../gpu/fields.js';
import { adadeltaShader } from '../../shaders/optim/adadelta.gen.js';
import { common, convention, defineRule, type RuleText } from '../rule.js';

/**
 * Adadelta: the gradient times the ratio of two running root mean squares, of past steps and of gradients.
 *
 *   g += weightDecay·p;  v = rho·v + (1-rho)·g²
 *   d = √(a + eps) / √(v + eps) · g;  a = rho·a + (1-rho)·d²;  p -= lr·d
 *
 * State: two values per parameter. Defaults as PyTorch's, where lr is 1. `convention: 'keras'` has the same formula with lr
 * 1e-3, rho 0.95, eps 1e-7 and decoupled decay.
 *
 * @example adadelta({ rho: 0.95 })
 * @throws DownhillError HYPER-RANGE, HYPER-TYPE, HYPER-UNKNOWN.
 * Paper: Zeiler 2012, https://arxiv.org/abs/1212.5701.
 */
export const adadelta = defineRule({
  name: 'adadelta',
  title: 'Adadelta',
  formula: ['v = rho·v + (1-rho)·g²', 'd = √(a + eps) / √(v + eps) · g; a = rho·a + (1-rho)·d²', 'p -= lr·d'],
  paper: 'https://arxiv.org/abs/1212.5701',
  use: 'When no rate is to be tuned. It starts slowly: the first steps have the size of √eps.',
  shader: adadeltaShader,
  fields: {
    lr: number('factor of the step', 1, { min: 0 }),
    rho: number('decay of the averages of g² and of the squared steps', 0.9, { min: 0, below: 1 }),
    eps: number('added inside both roots', 1e-6, { min: 2 ** -126 }),
    ...common(),
    convention: convention('keras'),
  },
  conventions: { keras: { lr: 1e-3, rho: 0.95, eps: 1e-7, decoupledWeightDecay: true } },
  slots: () => ['square_avg', 'acc_delta'],
  derive: (_, { lr, rho, eps }) => ({ lr, rho_c: 1 - rho, eps }),
});

/** What the row computes, for `shaders/manifest.json`. */
export const text: RuleText = { scalars: ['rho_c = 1 - rho'] };
