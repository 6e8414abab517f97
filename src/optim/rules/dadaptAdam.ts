import { flag, number, pair } from '../../gpu/fields.js';
import { dadaptAdamApplyShader } from '../../shaders/optim/dadapt_adam/apply.gen.js';
import { dadaptAdamEstimateShader } from '../../shaders/optim/dadapt_adam/estimate.gen.js';
import { dadaptAdamSumsShader } from '../../shaders/optim/dadapt_adam/sums.gen.js';
import { common, defineRule, type RuleText } from '../rule.js';

/**
 * D-Adaptation of Adam: no rate to tune: it estimates how far the solution is from below and goes by that.
 *
 *   u = d·rate·g;  r = √β₂·r + (1-√β₂)·Σ u·s/(√v + eps);  s = √β₂·s + (1-√β₂)·u
 *   m = β₁m + (1-β₁)·u;  v = β₂v + (1-β₂)·g²;  p -= m / (√v + eps)
 *   d = max(d, d̂),  d̂ = r / ((1-√β₂)·Σ|s|), over all tensors; r takes s and v as they were before
 *
 * Leave `lr` at 1, or make it a schedule that ends at 0, such as `cosine(1, …)`: what a step moves is d·lr. Reports show lr alone; d
 * is in `(await optimizer.read()).scalars.d[0]` and in `state()`. It starts at `d0` and only grows; `growthRate` 1.02 makes it grow
 * slowly. `useBiasCorrection` multiplies the rate by √(1-β₂ᵗ)/(1-β₁ᵗ), as optax' `dadapt_adamw` always does; that is this with
 * `decoupledWeightDecay`. Groups may have rates of their own, and share d; `d0`, `growthRate` and the second of `betas` for it are those
 * of the first group that is not frozen.
 *
 * State: three values per parameter and four numbers. Three passes: four dispatches a step, no read-back. Defaults as the authors'.
 * `prodigy` is their later rule: its estimate grows faster.
 *
 * @example dadaptAdam({ weightDecay: 0.01, decoupledWeightDecay: true })
 * @throws DownhillError HYPER-RANGE, HYPER-TYPE, HYPER-UNKNOWN.
 * Paper: Defazio & Mishchenko 2023, Learning-rate-free learning by D-adaptation, https://arxiv.org/abs/2301.07733.
 */
export const dadaptAdam = defineRule({
  name: 'dadaptAdam',
  title: 'D-Adaptation of Adam',
  formula: [
    'u = d·rate·g; r = √β₂·r + (1-√β₂)·Σ u·s/(√v + eps); s = √β₂·s + (1-√β₂)·u',
    'm = β₁m + (1-β₁)·u; v = β₂v + (1-β₂)·g²; p -= m / (√v + eps) + d·rate·weightDecay·p',
    'd = max(d, min(d̂, d·growthRate)), d̂ = r / ((1-√β₂)·Σ|s|), over all tensors; r takes s and v as they were before',
  ],
  paper: 'https://arxiv.org/abs/2301.07733',
  use: 'When no rate is to be tuned and Prodigy’s fourth value per parameter is too much.',
  shader: dadaptAdamApplyShader,
  fields: {
    lr: number('learning rate, in units of d', 1, { min: 0 }),
    betas: pair('decay of the averages of d·g and g²', [0.9, 0.999], { min: 0, below: 1 }),
    eps: number('added to the denominator', 1e-8, { min: 2 ** -126 }),
    d0: number('first estimate of the distance, lower than it is', 1e-6, { min: 2 ** -126 }),
    growthRate: number('what d grows by in a step at most; the default is no limit', 1e30, { min: 1 }),
    useBiasCorrection: flag("Adam's correction for averages that start at 0"),
    ...common(),
  },
  slots: () => ['exp_avg', 'exp_avg_sq', 's'],
  derive: (t, { lr, betas: [beta1, beta2], eps, d0, growthRate, ...hyper }) => ({
    decay: 0, // at the rate d·lr
    rate: hyper.useBiasCorrection ? (lr * Math.sqrt(1 - beta2 ** t)) / (1 - beta1 ** t) : lr,
    beta1_c: 1 - beta1,
    beta2_c: 1 - beta2,
    root_c: 1 - Math.sqrt(beta2),
    eps,
    weight_decay: hyper.decoupledWeightDecay ? hyper.weightDecay : 0,
    d0,
    growth_rate: growthRate,
  }),
  passes: (step) => {
    const { param, grad, hyper } = step;
    const [exp_avg, exp_avg_sq, s] = ['exp_avg', 'exp_avg_sq', 's'].map((slot) => step.slot(slot));
    const distance = step.scalars('d', [0, 0, 0, 0]);
    const before = { exp_avg_sq: exp_avg_sq!, s: s! };
    const { ops, partial } = step.sums('sums', dadaptAdamSumsShader, { param, grad, ...before, distance });
    return [
      ...ops,
      step.kernel('estimate', {
        shader: dadaptAdamEstimateShader,
        constants: {
          FIRST: Math.max(
            step.groups.findIndex(({ frozen }) => !frozen),
            0,
          ),
        },
        buffers: { hyper, partial, distance },
        groups: 1,
      }),
      ...step.elementwise('apply', dadaptAdamApplyShader, { param, grad, exp_avg: exp_avg!, ...before, distance }),
    ];
  },
});

/** What the row computes, for `shaders/manifest.json`. */
export const text: RuleText = {
  scalars: [
    'decay = 0',
    'rate = useBiasCorrection ? lr * sqrt(1 - betas[1]^t) / (1 - betas[0]^t) : lr',
    'beta1_c = 1 - betas[0]',
    'beta2_c = 1 - betas[1]',
    'root_c = 1 - sqrt(betas[1])',
    'weight_decay = decoupledWeightDecay ? weightDecay : 0',
    'growth_rate = growthRate',
  ],
};
