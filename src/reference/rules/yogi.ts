import { type CommonHyper, checkUpdate, commonDefaults, complete, prepare, type ReferenceRule } from '../rule.js';

export type YogiHyper = CommonHyper & {
  readonly lr: number;
  /** Decay rates of the first and second moment. */
  readonly betas: readonly [number, number];
  readonly eps: number;
  readonly initialAccumulatorValue: number;
  readonly convention: string;
};

/**
 * Yogi, as optax and pytorch_optimizer, but with m = 0 at the start; `convention: 'optax'` starts m as they do.
 *
 *     v = initialAccumulatorValue                before the first update; 'optax': m too
 *     m = beta1 · m + (1 - beta1) · g
 *     v = v - (1 - beta2) · sign(v - g²) · g²
 *     p = p - lr · (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) + eps)
 *     p = p - lr · sqrt(1 - beta2^t) / (1 - beta1^t) · m / (sqrt(v) + eps)     'keras': TensorFlow Addons
 *
 * Zaheer, Reddi, Sachan, Kale, Kumar 2018, "Adaptive methods for nonconvex optimization"; the paper has no corrections.
 */
export const yogi: ReferenceRule<YogiHyper> = {
  defaults: {
    lr: 1e-2,
    betas: [0.9, 0.999],
    eps: 1e-3,
    initialAccumulatorValue: 1e-6,
    convention: 'pytorch',
    ...commonDefaults,
  },

  slots() {
    return ['exp_avg', 'exp_avg_sq'];
  },

  initial(slot, hyper = {}) {
    const { initialAccumulatorValue, convention } = complete('yogi', this.defaults, hyper);
    return slot === 'exp_avg_sq' || convention === 'optax' ? initialAccumulatorValue : 0;
  },

  update(param, grad, state, t, hyper = {}) {
    const full = complete('yogi', this.defaults, hyper);
    const { lr, betas, eps, convention } = full;
    checkUpdate(param, grad, state, t, this.slots(hyper));
    const [beta1, beta2] = betas;
    const first = state.exp_avg!;
    const second = state.exp_avg_sq!;
    const gradient = prepare(param, grad, full);
    const one = 1 - beta1 ** t;
    const two = 1 - beta2 ** t;
    for (let i = 0; i < param.length; i++) {
      const g = gradient[i]!;
      const old = second[i]!;
      const m = beta1 * first[i]! + (1 - beta1) * g;
      const v = old - (1 - beta2) * Math.sign(old - g * g) * g * g;
      first[i] = m;
      second[i] = v;
      const step =
        convention === 'keras'
          ? ((Math.sqrt(two) / one) * m) / (Math.sqrt(v) + eps)
          : m / one / (Math.sqrt(v / two) + eps);
      param[i] = param[i]! - lr * step;
    }
  },
};
