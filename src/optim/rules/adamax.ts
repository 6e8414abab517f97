import { number, pair } from '../../gpu/fields.js';
import { adamaxShader } from '../../shaders/optim/adamax.gen.js';
import { common, convention, defineRule, type RuleText } from '../rule.js';

/**
 * Adamax: Adam with the largest gradient so far, fading by β₂ per update, in place of the root mean square.
 *
 *   g += weightDecay·p;  m = β₁m + (1-β₁)g;  u = max(β₂u, |g| + eps)
 *   p -= lr·m/(1-β₁ᵗ) / u;  Keras: u = max(β₂u, |g|), divided by u + eps
 *
 * State: two values per parameter. Defaults and formula as PyTorch's. `convention: 'keras'` has lr 1e-3, eps 1e-7 and
 * decoupled decay.
 *
 * @example adamax({ lr: 2e-3, betas: [0.9, 0.999] })
 * @throws DownhillError HYPER-RANGE, HYPER-TYPE, HYPER-UNKNOWN.
 * Paper: Kingma & Ba 2015, section 7.1, https://arxiv.org/abs/1412.6980.
 */
export const adamax = defineRule({
  name: 'adamax',
  title: 'Adamax',
  formula: [
    'm = β₁m + (1-β₁)g; u = max(β₂u, |g| + eps)',
    'p -= lr·m/(1-β₁ᵗ) / u; keras: u = max(β₂u, |g|), divided by u + eps',
  ],
  paper: 'https://arxiv.org/abs/1412.6980',
  use: 'In place of Adam where gradients are rare or have outliers, as those of embeddings: no step is larger than about lr.',
  shader: adamaxShader,
  fields: {
    lr: number('learning rate', 2e-3, { min: 0 }),
    betas: pair('decay of the average of g and of the largest |g|', [0.9, 0.999], { min: 0, below: 1 }),
    eps: number('keeps the denominator above 0', 1e-8, { min: 2 ** -126 }),
    ...common(),
    convention: convention('keras'),
  },
  conventions: { keras: { lr: 1e-3, eps: 1e-7, decoupledWeightDecay: true } },
  slots: () => ['exp_avg', 'exp_inf'],
  encodings: { exp_avg: 'signed', exp_inf: 'positive' },
  derive: (t, { lr, betas, eps, convention }) => ({
    step_size: lr / (1 - betas[0] ** t),
    beta1_c: 1 - betas[0],
    beta2_c: 1 - betas[1],
    eps_inside: convention === 'keras' ? 0 : eps,
    eps_outside: convention === 'keras' ? eps : 0,
  }),
});

/** What the row computes, for `shaders/manifest.json`. */
export const text: RuleText = {
  scalars: [
    'step_size = lr / (1 - betas[0]^t)',
    'beta1_c = 1 - betas[0]',
    'beta2_c = 1 - betas[1]',
    "eps_inside = convention == 'keras' ? 0 : eps",
    "eps_outside = convention == 'keras' ? eps : 0",
  ],
};
