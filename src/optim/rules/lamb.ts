import { flag, number, pair } from '../../gpu/fields.js';
import { lambApplyShader } from '../../shaders/optim/lamb/apply.gen.js';
import { lambMomentsShader } from '../../shaders/optim/lamb/moments.gen.js';
import { lambNormsShader } from '../../shaders/optim/lamb/norms.gen.js';
import { lambTrustShader } from '../../shaders/optim/lamb/trust.gen.js';
import { common, defineRule, type RuleText } from '../rule.js';

/**
 * LAMB: Adam whose every tensor has a rate in proportion to its own norm, for very large batches.
 *
 *   m = β₁m + (1-β₁)g;  v = β₂v + (1-β₂)g²
 *   r = m̂ / (√v̂ + eps) + weightDecay·p,  m̂ = m/(1-β₁ᵗ),  v̂ = v/(1-β₂ᵗ)
 *   p -= lr·(‖p‖ / ‖r‖)·r, per tensor; the ratio is 1 where a norm is 0
 *
 * State: two values per parameter. Formula as the paper with φ(z) = z; optax' `lamb` has the same order, decay in r before the ratio,
 * and the same 1 for norms of 0; defaults as optax'. Four passes: five dispatches a step. `decoupledWeightDecay: false` adds the
 * decay to the gradient instead.
 *
 * Biases and the parameters of normalisation are usually left without ratio and decay: `{ tensors: '*.bias', adapt: false,
 * weightDecay: 0 }` in `groups` of a trainer, `group: { adapt: false, weightDecay: 0 }` beside the tensor in `createOptimizer`.
 *
 * @example lamb({ lr: 2e-3, weightDecay: 0.01 })
 * @throws DownhillError HYPER-RANGE, HYPER-TYPE, HYPER-UNKNOWN.
 * Paper: You et al. 2019, Large batch optimization for deep learning: training BERT in 76 minutes, https://arxiv.org/abs/1904.00962.
 */
export const lamb = defineRule({
  name: 'lamb',
  title: 'LAMB',
  formula: [
    'm = β₁m + (1-β₁)g; v = β₂v + (1-β₂)g²',
    'r = m/(1-β₁ᵗ) / (√(v/(1-β₂ᵗ)) + eps) + weightDecay·p',
    'p -= lr·(‖p‖ / ‖r‖)·r, per tensor; the ratio is 1 where a norm is 0',
  ],
  paper: 'https://arxiv.org/abs/1904.00962',
  use: 'Batches of thousands: the rate that fits one layer fits all, and need not be tuned anew for each batch size.',
  shader: lambApplyShader,
  fields: {
    lr: number('learning rate', 1e-3, { min: 0 }),
    betas: pair('decay of the averages of g and g²', [0.9, 0.999], { min: 0, below: 1 }),
    eps: number('added to the denominator', 1e-6, { min: 2 ** -126 }),
    adapt: flag('multiply the rate by the ratio; off for biases and normalisation', true),
    ...common({ decoupled: true }),
  },
  slots: () => ['exp_avg', 'exp_avg_sq'],
  derive: (t, { lr, betas: [beta1, beta2], eps, adapt, weightDecay, decoupledWeightDecay }) => ({
    lr,
    decay: 0, // part of the direction
    beta1_c: 1 - beta1,
    beta2_c: 1 - beta2,
    m_scale: 1 / (1 - beta1 ** t),
    v_scale: 1 / Math.sqrt(1 - beta2 ** t),
    eps,
    weight_decay: decoupledWeightDecay ? weightDecay : 0,
    adapt: adapt ? 1 : 0,
    trust: 1,
  }),
  perTensor: true,
  passes: (step) => {
    const { param, grad, hyper } = step;
    const direction = step.scratch('direction');
    const moments = { exp_avg: step.slot('exp_avg'), exp_avg_sq: step.slot('exp_avg_sq') };
    const norms = step.sums('norms', lambNormsShader, { param, direction });
    const { partial, begins } = norms;
    return [
      ...step.elementwise('moments', lambMomentsShader, { param, grad, ...moments, direction }),
      ...norms.ops,
      step.kernel('trust', {
        shader: lambTrustShader,
        constants: {},
        buffers: { hyper, partial, begins },
        groups: step.groups.length,
      }),
      ...step.elementwise('apply', lambApplyShader, { param, direction }),
    ];
  },
});

/** What the row computes, for `shaders/manifest.json`. */
export const text: RuleText = {
  scalars: [
    'decay = 0',
    'beta1_c = 1 - betas[0]',
    'beta2_c = 1 - betas[1]',
    'm_scale = 1 / (1 - betas[0]^t)',
    'v_scale = 1 / sqrt(1 - betas[1]^t)',
    'weight_decay = decoupledWeightDecay ? weightDecay : 0',
    'trust = 1',
  ],
};
