import { flag, number } from '../../gpu/fields.js';
import { rmspropShader } from '../../shaders/optim/rmsprop.gen.js';
import { common, convention, defineRule, on, type RuleText } from '../rule.js';

/**
 * RMSprop: the gradient divided by a running root mean square of itself, with momentum where wanted.
 *
 *   g += weightDecay·p;  v = alpha·v + (1-alpha)·g²  (before the first update v = initialScale)
 *   with `centered`  m = alpha·m + (1-alpha)·g, and v - m², not below 0, replaces v in the quotient
 *   b = momentum·b + g / (√v + eps);  p -= lr·b
 *   Keras and optax:  b = momentum·b + lr·g / √(v + eps);  p -= b
 *
 * State: one value per parameter, one more with momentum, one more with `centered`. Defaults and formula as PyTorch's.
 * `convention: 'keras'` has lr 1e-3, alpha 0.9 (its rho), eps 1e-7 and decoupled decay; 'optax' alpha 0.9 (its decay), eps
 * 1e-8 and no default rate: PyTorch's holds. With `centered`, gradients that hardly change make the quotient very large.
 *
 * @example rmsprop({ lr: 1e-3, momentum: 0.9 })
 * @throws DownhillError HYPER-RANGE, HYPER-TYPE, HYPER-UNKNOWN.
 * Paper: Hinton 2012, Neural networks for machine learning, lecture 6; centered: Graves 2013, https://arxiv.org/abs/1308.0850.
 */
export const rmsprop = defineRule({
  name: 'rmsprop',
  title: 'RMSprop',
  formula: [
    'v = alpha·v + (1-alpha)·g²; centered: m = alpha·m + (1-alpha)·g, and max(v - m², 0) in place of v below',
    'b = momentum·b + g / (√v + eps); p -= lr·b',
    'keras, optax: b = momentum·b + lr·g / √(v + eps); p -= b',
  ],
  paper: 'https://www.cs.toronto.edu/~tijmen/csc321/slides/lecture_slides_lec6.pdf',
  use: 'Recurrent networks and reinforcement learning: adapts like Adam, with half the state and no bias correction.',
  shader: rmspropShader,
  fields: {
    lr: number('learning rate', 1e-2, { min: 0 }),
    alpha: number('decay of the averages of g² and g', 0.99, { min: 0, below: 1 }),
    eps: number('added to the denominator', 1e-8, { min: 2 ** -126 }),
    momentum: number('momentum factor', 0, { min: 0, below: 1 }),
    centered: flag('divide by the standard deviation of the gradient, not by its root mean square'),
    initialScale: number('what the average of g² starts with', 0, { min: 0 }),
    ...common(),
    convention: convention('keras', 'optax'),
  },
  conventions: {
    keras: { lr: 1e-3, alpha: 0.9, eps: 1e-7, decoupledWeightDecay: true },
    optax: { alpha: 0.9 },
  },
  slots: ({ momentum, centered }) => [
    'square_avg',
    ...(on(momentum) ? ['momentum_buffer'] : []),
    ...(centered ? ['grad_avg'] : []),
  ],
  // A schedule gives its value for the first update.
  encodings: { square_avg: 'positive', momentum_buffer: 'signed' },
  initial: (slot, { initialScale: value }) =>
    slot === 'square_avg' ? (typeof value === 'function' ? value(0) : value) : 0,
  derive: (_, { lr, alpha, eps, momentum, centered, convention }) => {
    const outside = convention === 'pytorch';
    return {
      alpha_c: 1 - alpha,
      eps_inside: outside ? 0 : eps,
      eps_outside: outside ? eps : 0,
      momentum,
      lr_inside: outside ? 1 : lr,
      lr_outside: outside ? lr : 1,
      centered: centered ? 1 : 0,
    };
  },
});

/** What the row computes, for `shaders/manifest.json`. */
export const text: RuleText = {
  scalars: [
    "outside = convention == 'pytorch'",
    'alpha_c = 1 - alpha',
    'eps_inside = outside ? 0 : eps',
    'eps_outside = outside ? eps : 0',
    'lr_inside = outside ? 1 : lr',
    'lr_outside = outside ? lr : 1',
    'centered = centered ? 1 : 0',
  ],
  slots: { momentum_buffer: 'momentum != 0', grad_avg: 'centered' },
  initial: { square_avg: 'initialScale' },
};
