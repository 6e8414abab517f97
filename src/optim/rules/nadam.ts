import { DownhillError } from '../../gpu/errors.js';
import { type HyperOf, number, pair } from '../../gpu/fields.js';
import { nadamShader } from '../../shaders/optim/nadam.gen.js';
import { common, convention, defineRule, type RuleText } from '../rule.js';

const fields = {
  lr: number('learning rate', 2e-3, { min: 0 }),
  betas: pair('decay of the averages of g and g²', [0.9, 0.999], { min: 0, below: 1 }),
  eps: number('added to the denominator', 1e-8, { min: 2 ** -126 }),
  momentumDecay: number('how fast the momentum rises from β₁/2 to β₁', 4e-3, { min: 0 }),
  ...common(),
  convention: convention('keras', 'optax'),
};

/** The momentum of update t; optax has no schedule of it. */
const momentum = (t: number, { betas, momentumDecay, convention }: HyperOf<typeof fields>): number =>
  convention === 'optax' ? betas[0] : betas[0] * (1 - 0.5 * 0.96 ** (t * momentumDecay));

/**
 * NAdam: Adam with Nesterov's look-ahead, by a momentum that grows from β₁/2 to β₁.
 *
 *   g += weightDecay·p;  m = β₁m + (1-β₁)g;  v = β₂v + (1-β₂)g²;  μₜ = β₁·(1 - 0.96^(t·momentumDecay)/2);  Mₜ = μ₁⋯μₜ
 *   p -= lr·(μₜ₊₁m/(1-Mₜ₊₁) + (1-μₜ)g/(1-Mₜ)) / (√v̂ + eps),  v̂ = v/(1-β₂ᵗ)
 *
 * State: two values per parameter. Defaults as PyTorch's. `convention: 'keras'`: momentumDecay 1, its defaults, decoupled
 * decay; 'optax': μ = β₁ throughout, no momentumDecay.
 *
 * @example nadam({ lr: 2e-3 })
 * @throws DownhillError HYPER-RANGE, HYPER-TYPE, HYPER-UNKNOWN.
 * Paper: Dozat 2016, Incorporating Nesterov momentum into Adam, https://openreview.net/forum?id=OM0jvwB8jIp57ZJjtNEZ.
 */
export const nadam = defineRule({
  name: 'nadam',
  title: 'NAdam',
  formula: [
    'm = β₁m + (1-β₁)g; v = β₂v + (1-β₂)g²',
    'μₜ = β₁·(1 - 0.96^(t·momentumDecay)/2), optax: β₁; Mₜ = μ₁⋯μₜ',
    'p -= lr·(μₜ₊₁m/(1-Mₜ₊₁) + (1-μₜ)g/(1-Mₜ)) / (√(v/(1-β₂ᵗ)) + eps)',
  ],
  paper: 'https://openreview.net/forum?id=OM0jvwB8jIp57ZJjtNEZ',
  use: "Where Adam works and the gradient is not too noisy: the look-ahead often saves some of the first epochs' steps.",
  shader: nadamShader,
  fields,
  conventions: {
    keras: { lr: 1e-3, eps: 1e-7, momentumDecay: 1, decoupledWeightDecay: true },
    optax: { momentumDecay: 0 },
  },
  slots: () => ['exp_avg', 'exp_avg_sq'],
  encodings: { exp_avg: 'signed', exp_avg_sq: 'positive' },
  perRow: { exp_avg_sq: 'beta2_c' },
  carry: { start: [1], next: (t, hyper, [product = 1]) => [product * momentum(t, hyper)] },
  derive: (t, hyper, [product = 1]) => {
    const { lr, betas, eps } = hyper;
    const next = momentum(t + 1, hyper);
    return {
      grad_step: (lr * (1 - momentum(t, hyper))) / (1 - product),
      moment_step: (lr * next) / (1 - product * next),
      beta1_c: 1 - betas[0],
      beta2_c: 1 - betas[1],
      v_scale: 1 / Math.sqrt(1 - betas[1] ** t),
      eps,
    };
  },
  check: ({ convention, momentumDecay }) => {
    if (convention === 'optax' && momentumDecay !== 0) {
      throw new DownhillError(
        'HYPER-RANGE',
        `optax's NAdam has no momentum schedule, got momentumDecay ${momentumDecay}.`,
        "Leave momentumDecay out, or take convention 'pytorch' or 'keras'.",
      );
    }
  },
});

/** What the row computes, for `shaders/manifest.json`. */
export const text: RuleText = {
  scalars: [
    "mu = convention == 'optax' ? betas[0] : betas[0] * (1 - 0.5 * 0.96^(t * momentumDecay))",
    "mu_next = convention == 'optax' ? betas[0] : betas[0] * (1 - 0.5 * 0.96^((t + 1) * momentumDecay))",
    'product = product * mu',
    'grad_step = lr * (1 - mu) / (1 - product)',
    'moment_step = lr * mu_next / (1 - product * mu_next)',
    'beta1_c = 1 - betas[0]',
    'beta2_c = 1 - betas[1]',
    'v_scale = 1 / sqrt(1 - betas[1]^t)',
  ],
  carry: { product: '1' },
};
