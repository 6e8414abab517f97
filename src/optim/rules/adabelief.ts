import { number, pair } from '../../gpu/fields.js';
import { adabeliefShader } from '../../shaders/optim/adabelief.gen.js';
import { common, defineRule, type RuleText } from '../rule.js';

/**
 * AdaBelief: Adam divided not by the size of the gradient but by how far it is from its running mean.
 *
 *   p -= lr·weightDecay·p
 *   m = β₁m + (1-β₁)g;  s = β₂s + (1-β₂)(g - m)² + eps
 *   p -= lr·m̂ / (√ŝ + eps),  m̂ = m/(1-β₁ᵗ),  ŝ = s/(1-β₂ᵗ)
 *
 * State: two values per parameter. Formula as in the paper and in optax. Defaults, and that the decay is decoupled, as
 * in the authors' code since 0.1; its rectification (RAdam's) is left out.
 *
 * @example adabelief({ lr: 1e-3, eps: 1e-8 })
 * @throws DownhillError HYPER-RANGE, HYPER-TYPE, HYPER-UNKNOWN.
 * Paper: Zhuang et al. 2020, AdaBelief optimizer, https://arxiv.org/abs/2010.07468.
 */
export const adabelief = defineRule({
  name: 'adabelief',
  title: 'AdaBelief',
  formula: ['m = β₁m + (1-β₁)g; s = β₂s + (1-β₂)(g - m)² + eps', 'p -= lr·m/(1-β₁ᵗ) / (√(s/(1-β₂ᵗ)) + eps)'],
  paper: 'https://arxiv.org/abs/2010.07468',
  use: 'In place of Adam on vision networks and GANs: long steps where gradients agree. eps 1e-8 brings it nearer to SGD.',
  shader: adabeliefShader,
  fields: {
    lr: number('learning rate', 1e-3, { min: 0 }),
    betas: pair('decay of the averages of g and of its deviation', [0.9, 0.999], { min: 0, below: 1 }),
    eps: number('added to the second moment at every step, and to the denominator', 1e-16, { min: 2 ** -126 }),
    ...common({ decoupled: true }),
  },
  slots: () => ['exp_avg', 'exp_avg_var'],
  encodings: { exp_avg: 'signed', exp_avg_var: 'positive' },
  derive: (t, { lr, betas, eps }) => ({
    step_size: lr / (1 - betas[0] ** t),
    beta1: betas[0],
    beta1_c: 1 - betas[0],
    beta2_c: 1 - betas[1],
    s_scale: 1 / Math.sqrt(1 - betas[1] ** t),
    eps,
  }),
});

/** What the row computes, for `shaders/manifest.json`. */
export const text: RuleText = {
  scalars: [
    'step_size = lr / (1 - betas[0]^t)',
    'beta1 = betas[0]',
    'beta1_c = 1 - betas[0]',
    'beta2_c = 1 - betas[1]',
    's_scale = 1 / sqrt(1 - betas[1]^t)',
  ],
};
