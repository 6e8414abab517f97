import { flag, number, pair } from '../../gpu/fields.js';
import { prodigyApplyShader } from '../../shaders/optim/prodigy/apply.gen.js';
import { prodigyEstimateShader } from '../../shaders/optim/prodigy/estimate.gen.js';
import { prodigySumsShader } from '../../shaders/optim/prodigy/sums.gen.js';
import { common, defineRule, type RuleText } from '../rule.js';

/**
 * Prodigy: Adam without a rate to tune: it estimates how far the solution is and goes by that.
 *
 *   r = β₃·r + d²·rate·Σ g·(p₀ - p);  s = β₃·s + d²·rate·g;  d̂ = dCoef·r / Σ|s|, over all tensors
 *   m = β₁m + (1-β₁)·d·g;  v = β₂v + (1-β₂)·d²·g²
 *   p -= d·rate·(m / (√v + d'·eps) + weightDecay·p),  d' = max(d, d̂)
 *
 * Leave `lr` at 1, or make it a schedule that ends at 0, such as `cosine(1, …)`: what a step moves is d·lr. Reports show lr alone; d
 * is in `(await optimizer.read()).scalars.d[0]` and in `state()`. It starts at `d0` and only grows; `growthRate` 1.02 makes it grow
 * slowly, `dCoef` 0.5 or 2 is the way to smaller or larger steps. `safeguardWarmup` leaves lr out of s, for long warm-ups;
 * `useBiasCorrection` multiplies the rate by √(1-β₂ᵗ)/(1-β₁ᵗ), as optax always does. With beta3 0 it is √β₂. Groups may have rates of
 * their own, and share d; `d0`, `dCoef`, `growthRate` and `beta3` of it are those of the first group that is not frozen.
 *
 * State: four values per parameter and four numbers. p₀ - p is kept as the sum of the steps, exact where weights near 1 lose the
 * digits of steps of 1e-6; moments and s in units of d/2^-20 for the range of f32. Three passes: four dispatches a step, no read-back.
 * Defaults as the authors'.
 *
 * @example prodigy({ weightDecay: 0.01 })
 * @throws DownhillError HYPER-RANGE, HYPER-TYPE, HYPER-UNKNOWN.
 * Paper: Mishchenko & Defazio 2023, Prodigy: an expeditiously adaptive parameter-free learner, https://arxiv.org/abs/2306.06101.
 */
export const prodigy = defineRule({
  name: 'prodigy',
  title: 'Prodigy',
  formula: [
    'r = β₃·r + d²·rate·Σ g·(p₀ - p); s = β₃·s + d²·rate·g; d̂ = dCoef·r / Σ|s|, over all tensors',
    'm = β₁m + (1-β₁)·d·g; v = β₂v + (1-β₂)·d²·g²',
    "p -= d·rate·(m / (√v + d'·eps) + weightDecay·p); d = d' = max(d, min(d̂, d·growthRate))",
  ],
  paper: 'https://arxiv.org/abs/2306.06101',
  use: 'When no rate is to be tuned: it finds one near Adam’s best in some hundred steps. Takes twice Adam’s memory.',
  shader: prodigyApplyShader,
  fields: {
    lr: number('learning rate, in units of d', 1, { min: 0 }),
    betas: pair('decay of the averages of d·g and its square', [0.9, 0.999], { min: 0, below: 1 }),
    beta3: number('decay of s and r; 0 is the root of the second of betas', 0, { min: 0, below: 1 }),
    eps: number('added to the denominator, times d', 1e-8, { min: 2 ** -126 }),
    d0: number('first estimate of the distance, lower than it is', 1e-6, { min: 2 ** -126 }),
    dCoef: number('factor on the estimate', 1, { min: 2 ** -126 }),
    growthRate: number('what d grows by in a step at most; the default is no limit', 1e30, { min: 1 }),
    useBiasCorrection: flag("Adam's correction for averages that start at 0"),
    safeguardWarmup: flag('leave the rate out of s'),
    ...common({ decoupled: true }),
  },
  slots: () => ['exp_avg', 'exp_avg_sq', 's', 'delta'],
  derive: (t, { lr, betas: [beta1, beta2], beta3, eps, d0, dCoef, growthRate, ...hyper }) => {
    const rate = hyper.useBiasCorrection ? (lr * Math.sqrt(1 - beta2 ** t)) / (1 - beta1 ** t) : lr;
    return {
      decay: 0, // at the rate d·lr
      rate,
      s_rate: hyper.safeguardWarmup ? 1 : rate,
      beta1_c: 1 - beta1,
      beta2_c: 1 - beta2,
      beta3_c: 1 - (beta3 || Math.sqrt(beta2)),
      eps,
      weight_decay: hyper.decoupledWeightDecay ? hyper.weightDecay : 0,
      d0,
      d_coef: dCoef,
      growth_rate: growthRate,
    };
  },
  passes: (step) => {
    const { param, grad, hyper } = step;
    const [exp_avg, exp_avg_sq, s, delta] = ['exp_avg', 'exp_avg_sq', 's', 'delta'].map((slot) => step.slot(slot));
    const distance = step.scalars('d', [0, 0, 0, 0]);
    const { ops, partial } = step.sums('sums', prodigySumsShader, { param, grad, s: s!, delta: delta!, distance });
    const state = { exp_avg: exp_avg!, exp_avg_sq: exp_avg_sq!, s: s!, delta: delta! };
    return [
      ...ops,
      step.kernel('estimate', {
        shader: prodigyEstimateShader,
        constants: {
          FIRST: Math.max(
            step.groups.findIndex(({ frozen }) => !frozen),
            0,
          ),
        },
        buffers: { hyper, partial, distance },
        groups: 1,
      }),
      ...step.elementwise('apply', prodigyApplyShader, { param, grad, ...state, distance }),
    ];
  },
});

/** What the row computes, for `shaders/manifest.json`. */
export const text: RuleText = {
  scalars: [
    'decay = 0',
    'rate = useBiasCorrection ? lr * sqrt(1 - betas[1]^t) / (1 - betas[0]^t) : lr',
    's_rate = safeguardWarmup ? 1 : rate',
    'beta1_c = 1 - betas[0]',
    'beta2_c = 1 - betas[1]',
    'beta3_c = 1 - (beta3 == 0 ? sqrt(betas[1]) : beta3)',
    'weight_decay = decoupledWeightDecay ? weightDecay : 0',
    'd_coef = dCoef',
    'growth_rate = growthRate',
  ],
};
