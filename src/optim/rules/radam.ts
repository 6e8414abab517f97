import { number, pair } from '../../gpu/fields.js';
import { radamShader } from '../../shaders/optim/radam.gen.js';
import { common, convention, defineRule, type RuleText } from '../rule.js';

/**
 * RAdam: Adam that leaves out the division by √v̂ while too few gradients were seen for it to be trusted, and then takes
 * it in by degrees; a warm-up that needs no tuning.
 *
 *   g += weightDecay·p;  m = β₁m + (1-β₁)g;  v = β₂v + (1-β₂)g²;  ρ∞ = 2/(1-β₂) - 1;  ρₜ = ρ∞ - 2tβ₂ᵗ/(1-β₂ᵗ)
 *   ρₜ > 5:  p -= lr·r·m̂·√(1-β₂ᵗ)/(√v + eps),  r² = (ρₜ-4)(ρₜ-2)ρ∞ / ((ρ∞-4)(ρ∞-2)ρₜ);  else p -= lr·m̂,  m̂ = m/(1-β₁ᵗ)
 *
 * State: two values per parameter. Defaults as PyTorch's. `convention: 'optax'`: ρₜ ≥ 5, and eps beside the corrected
 * root: r·m̂/(√v̂ + eps).
 *
 * @example radam({ lr: 1e-3 })
 * @throws DownhillError HYPER-RANGE, HYPER-TYPE, HYPER-UNKNOWN.
 * Paper: Liu et al. 2020, On the variance of the adaptive learning rate and beyond, https://arxiv.org/abs/1908.03265.
 */
export const radam = defineRule({
  name: 'radam',
  title: 'RAdam',
  formula: [
    'm = β₁m + (1-β₁)g; v = β₂v + (1-β₂)g²; ρ∞ = 2/(1-β₂) - 1; ρₜ = ρ∞ - 2tβ₂ᵗ/(1-β₂ᵗ)',
    'ρₜ > 5: p -= lr·r·m/(1-β₁ᵗ) / ((√v + eps)/√(1-β₂ᵗ)), r² = (ρₜ-4)(ρₜ-2)ρ∞ / ((ρ∞-4)(ρ∞-2)ρₜ)',
    'else p -= lr·m/(1-β₁ᵗ); optax: eps beside √(v/(1-β₂ᵗ))',
  ],
  paper: 'https://arxiv.org/abs/1908.03265',
  use: "Where Adam needs a warm-up and you would rather not tune one. Its first steps are plain momentum's: mind the rate.",
  shader: radamShader,
  fields: {
    lr: number('learning rate', 1e-3, { min: 0 }),
    betas: pair('decay of the averages of g and g²', [0.9, 0.999], { min: 0, below: 1 }),
    eps: number('added to the denominator', 1e-8, { min: 2 ** -126 }),
    ...common(),
    convention: convention('optax'),
  },
  conventions: { optax: {} },
  slots: () => ['exp_avg', 'exp_avg_sq'],
  encodings: { exp_avg: 'signed', exp_avg_sq: 'positive' },
  perRow: { exp_avg_sq: 'beta2_c' },
  derive: (t, { lr, betas, eps, convention }) => {
    const optax = convention === 'optax';
    const correction = 1 - betas[1] ** t;
    const longest = 2 / (1 - betas[1]) - 1;
    const length = longest - (2 * t * betas[1] ** t) / correction;
    const rectified = optax ? length >= 5 : length > 5;
    const square = ((length - 4) * (length - 2) * longest) / ((longest - 4) * (longest - 2) * length);
    const scale = 1 / Math.sqrt(correction);
    return {
      step_size: (lr * (rectified ? Math.sqrt(square) : 1)) / (1 - betas[0] ** t),
      beta1_c: 1 - betas[0],
      beta2_c: 1 - betas[1],
      v_scale: scale,
      eps: optax ? eps : eps * scale,
      rectified: rectified ? 1 : 0,
    };
  },
});

/** What the row computes, for `shaders/manifest.json`. */
export const text: RuleText = {
  scalars: [
    "optax = convention == 'optax'",
    'correction = 1 - betas[1]^t',
    'rho_inf = 2 / (1 - betas[1]) - 1',
    'rho = rho_inf - 2 * t * betas[1]^t / correction',
    'rectified = (optax ? rho >= 5 : rho > 5) ? 1 : 0',
    'r2 = (rho - 4) * (rho - 2) * rho_inf / ((rho_inf - 4) * (rho_inf - 2) * rho)',
    'step_size = lr * (rectified == 1 ? sqrt(r2) : 1) / (1 - betas[0]^t)',
    'beta1_c = 1 - betas[0]',
    'beta2_c = 1 - betas[1]',
    'v_scale = 1 / sqrt(correction)',
    'eps = optax ? eps : eps * v_scale',
  ],
};
