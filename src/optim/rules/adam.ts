import { flag, number, pair } from '../../gpu/fields.js';
import { adamShader } from '../../shaders/optim/adam.gen.js';
import { common, convention, defineRule, type RuleText } from '../rule.js';

/**
 * Adam: the gradient divided by a running root mean square of itself, both averages corrected for their start at 0.
 *
 *   g += weightDecay·p;  m = β₁m + (1-β₁)g;  v = β₂v + (1-β₂)g²
 *   p -= lr·m̂ / (√v̂ + eps),  m̂ = m/(1-β₁ᵗ),  v̂ = v/(1-β₂ᵗ);  with `amsgrad` v̂ is the largest v so far, corrected
 *
 * State: two values per parameter, three with `amsgrad`. Defaults and formula as PyTorch's. `convention: 'keras'`: eps
 * beside the uncorrected root, p -= lr·√(1-β₂ᵗ)/(1-β₁ᵗ)·m/(√v + eps), and decoupled decay; 'optax': `amsgrad` takes the
 * maximum of the corrected v̂.
 *
 * @example adam({ lr: 1e-3, betas: [0.9, 0.999] })
 * @throws DownhillError HYPER-RANGE, HYPER-TYPE, HYPER-UNKNOWN.
 * Paper: Kingma & Ba 2015, https://arxiv.org/abs/1412.6980; AMSGrad: Reddi et al. 2018.
 */
export const adam = defineRule({
  name: 'adam',
  title: 'Adam',
  formula: [
    'm = β₁m + (1-β₁)g; v = β₂v + (1-β₂)g²',
    'p -= lr·m/(1-β₁ᵗ) / (√(v/(1-β₂ᵗ)) + eps); amsgrad: v by its maximum so far, optax: v/(1-β₂ᵗ) by its maximum',
    'keras: p -= lr·√(1-β₂ᵗ)/(1-β₁ᵗ)·m / (√v + eps)',
  ],
  paper: 'https://arxiv.org/abs/1412.6980',
  use: 'A good first choice: needs little tuning, copes with gradients of very different sizes.',
  shader: adamShader,
  fields: {
    lr: number('learning rate', 1e-3, { min: 0 }),
    betas: pair('decay of the averages of g and g²', [0.9, 0.999], { min: 0, below: 1 }),
    eps: number('added to the denominator', 1e-8, { min: 2 ** -126 }),
    amsgrad: flag('divide by the largest second moment so far'),
    ...common(),
    convention: convention('keras', 'optax'),
  },
  conventions: { keras: { eps: 1e-7, decoupledWeightDecay: true }, optax: {} },
  slots: ({ amsgrad }) => ['exp_avg', 'exp_avg_sq', ...(amsgrad ? ['max_exp_avg_sq'] : [])],
  encodings: { exp_avg: 'signed', exp_avg_sq: 'positive', max_exp_avg_sq: 'positive-16' },
  perRow: { exp_avg_sq: 'beta2_c' },
  derive: (t, { lr, betas, eps, amsgrad, convention }) => {
    const correction = 1 - betas[1] ** t;
    const scale = 1 / Math.sqrt(correction);
    const corrected = amsgrad && convention === 'optax';
    return {
      step_size: lr / (1 - betas[0] ** t),
      beta1_c: 1 - betas[0],
      beta2_c: 1 - betas[1],
      v_scale: corrected ? 1 : scale,
      max_scale: corrected ? 1 / correction : 1,
      eps: convention === 'keras' ? eps * scale : eps,
      amsgrad: amsgrad ? 1 : 0,
    };
  },
});

/** What the row computes, for `shaders/manifest.json`. */
export const text: RuleText = {
  scalars: [
    'correction = 1 - betas[1]^t',
    'scale = 1 / sqrt(correction)',
    "corrected = amsgrad and convention == 'optax'",
    'step_size = lr / (1 - betas[0]^t)',
    'beta1_c = 1 - betas[0]',
    'beta2_c = 1 - betas[1]',
    'v_scale = corrected ? 1 : scale',
    'max_scale = corrected ? 1 / correction : 1',
    "eps = convention == 'keras' ? eps * scale : eps",
    'amsgrad = amsgrad ? 1 : 0',
  ],
  slots: { max_exp_avg_sq: 'amsgrad' },
};
