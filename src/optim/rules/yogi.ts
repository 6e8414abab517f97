import { number, pair } from '../../gpu/fields.js';
import { yogiShader } from '../../shaders/optim/yogi.gen.js';
import { common, convention, defineRule, type RuleText } from '../rule.js';

/**
 * Yogi: Adam whose second moment moves by at most (1-β₂)g² per step, so that it cannot shrink fast after large gradients.
 *
 *   g += weightDecay·p;  m = β₁m + (1-β₁)g;  v -= (1-β₂)·sign(v - g²)·g²
 *   p -= lr·m̂ / (√v̂ + eps),  m̂ = m/(1-β₁ᵗ),  v̂ = v/(1-β₂ᵗ)
 *
 * State: two values per parameter; v starts at `initialAccumulatorValue`, m at 0. `convention: 'optax'`, and
 * pytorch_optimizer: m starts there too, which moves weights whose gradient is 0. `convention: 'keras'` is TensorFlow
 * Addons': eps beside the uncorrected root, lr·√(1-β₂ᵗ)·m̂ / (√v + eps). The paper corrects nothing. Where v is g² to its
 * last place, f32 may take the other sign.
 *
 * @example yogi({ lr: 1e-2 })
 * @throws DownhillError HYPER-RANGE, HYPER-TYPE, HYPER-UNKNOWN.
 * Paper: Zaheer et al. 2018, Adaptive methods for nonconvex optimization.
 */
export const yogi = defineRule({
  name: 'yogi',
  title: 'Yogi',
  formula: [
    'm = β₁m + (1-β₁)g; v -= (1-β₂)·sign(v - g²)·g², first v = initialAccumulatorValue, optax: and first m',
    'p -= lr·m/(1-β₁ᵗ) / (√(v/(1-β₂ᵗ)) + eps)',
  ],
  paper: 'https://papers.nips.cc/paper/8186-adaptive-methods-for-nonconvex-optimization',
  use: 'Where Adam is unsteady because gradients are rare or suddenly large. Take about 10 times Adam’s rate.',
  shader: yogiShader,
  fields: {
    lr: number('learning rate', 1e-2, { min: 0 }),
    betas: pair('decay of the average of g, and of the memory of g²', [0.9, 0.999], { min: 0, below: 1 }),
    eps: number('added to the denominator', 1e-3, { min: 2 ** -126 }),
    initialAccumulatorValue: number('where the second moment starts, with optax the first too', 1e-6, { min: 0 }),
    convention: convention('keras', 'optax'),
    ...common(),
  },
  slots: () => ['exp_avg', 'exp_avg_sq'],
  encodings: { exp_avg: 'signed', exp_avg_sq: 'positive' },
  initial: (slot, { initialAccumulatorValue: start, convention }) => {
    if (slot !== 'exp_avg_sq' && convention !== 'optax') return 0;
    return typeof start === 'function' ? start(0) : start;
  },
  derive: (t, { lr, betas, eps, convention }) => {
    const root = Math.sqrt(1 - betas[1] ** t);
    const inside = convention !== 'keras';
    return {
      step_size: ((inside ? 1 : root) * lr) / (1 - betas[0] ** t),
      beta1_c: 1 - betas[0],
      beta2_c: 1 - betas[1],
      v_scale: inside ? 1 / root : 1,
      eps,
    };
  },
});

/** What the row computes, for `shaders/manifest.json`. */
export const text: RuleText = {
  scalars: [
    "keras = convention == 'keras'",
    'root = sqrt(1 - betas[1]^t)',
    'step_size = (keras ? root : 1) * lr / (1 - betas[0]^t)',
    'beta1_c = 1 - betas[0]',
    'beta2_c = 1 - betas[1]',
    'v_scale = keras ? 1 : 1 / root',
  ],
  initial: {
    exp_avg: "convention == 'optax' ? initialAccumulatorValue : 0",
    exp_avg_sq: 'initialAccumulatorValue',
  },
};
