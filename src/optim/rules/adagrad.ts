import { number } from '../../gpu/fields.js';
import { adagradShader } from '../../shaders/optim/adagrad.gen.js';
import { common, convention, defineRule, type RuleText } from '../rule.js';

/**
 * Adagrad: every parameter's rate falls with the root of the sum of its squared gradients.
 *
 *   g += weightDecay·p;  s += g²  (before the first update s = initialAccumulatorValue)
 *   p -= lr/(1 + (t-1)·lrDecay) · g / (√s + eps);  Keras: g / √(s + eps)
 *
 * State: one value per parameter. Defaults and formula as PyTorch's. `convention: 'keras'` has lr 1e-3,
 * initialAccumulatorValue 0.1, eps 1e-7 inside the root and decoupled decay. optax computes what Keras does.
 *
 * @example adagrad({ lr: 0.01 })
 * @throws DownhillError HYPER-RANGE, HYPER-TYPE, HYPER-UNKNOWN.
 * Paper: Duchi, Hazan & Singer 2011, https://jmlr.org/papers/v12/duchi11a.html.
 */
export const adagrad = defineRule({
  name: 'adagrad',
  title: 'Adagrad',
  formula: ['s += g²', 'p -= lr/(1 + (t-1)·lrDecay) · g / (√s + eps); keras: g / √(s + eps)'],
  paper: 'https://jmlr.org/papers/v12/duchi11a.html',
  use: 'Sparse features, and convex problems without a schedule. Its rate only falls, too far for long training of networks.',
  shader: adagradShader,
  fields: {
    lr: number('learning rate', 1e-2, { min: 0 }),
    lrDecay: number('the rate is divided by 1 + lrDecay times the updates before', 0, { min: 0 }),
    initialAccumulatorValue: number('what the sum of squares starts with', 0, { min: 0 }),
    eps: number('added to the denominator', 1e-10, { min: 2 ** -126 }),
    ...common(),
    convention: convention('keras'),
  },
  conventions: { keras: { lr: 1e-3, initialAccumulatorValue: 0.1, eps: 1e-7, decoupledWeightDecay: true } },
  slots: () => ['sum'],
  // A schedule gives its value for the first update.
  initial: (_, { initialAccumulatorValue: value }) => (typeof value === 'function' ? value(0) : value),
  derive: (t, { lr, lrDecay, eps, convention }) => ({
    step_size: lr / (1 + (t - 1) * lrDecay),
    eps_inside: convention === 'keras' ? eps : 0,
    eps_outside: convention === 'keras' ? 0 : eps,
  }),
});

/** What the row computes, for `shaders/manifest.json`. */
export const text: RuleText = {
  scalars: [
    'step_size = lr / (1 + (t - 1) * lrDecay)',
    "eps_inside = convention == 'keras' ? eps : 0",
    "eps_outside = convention == 'keras' ? 0 : eps",
  ],
  initial: { sum: 'initialAccumulatorValue' },
};
