import { type CommonHyper, checkUpdate, commonDefaults, complete, prepare, type ReferenceRule } from '../rule.js';

export type AdaBeliefHyper = CommonHyper & {
  readonly lr: number;
  /** Decay rates of the mean gradient and of the squared deviation from it. */
  readonly betas: readonly [number, number];
  readonly eps: number;
};

/**
 * AdaBelief, as the paper and as the authors' code without rectification.
 *
 *     p = p · (1 - lr · weightDecay)
 *     m = beta1 · m + (1 - beta1) · g
 *     s = beta2 · s + (1 - beta2) · (g - m)² + eps          with the new m; eps stays in s
 *     p = p - lr · (m / (1 - beta1^t)) / (sqrt(s / (1 - beta2^t)) + eps)
 *
 * Zhuang et al. 2020, "AdaBelief optimizer: adapting stepsizes by the belief in observed gradients".
 */
export const adabelief: ReferenceRule<AdaBeliefHyper> = {
  defaults: { lr: 1e-3, betas: [0.9, 0.999], eps: 1e-16, ...commonDefaults, decoupledWeightDecay: true },

  slots() {
    return ['exp_avg', 'exp_avg_var'];
  },

  update(param, grad, state, t, hyper = {}) {
    const full = complete('adabelief', this.defaults, hyper);
    const { lr, betas, eps } = full;
    checkUpdate(param, grad, state, t, this.slots(hyper));
    const [beta1, beta2] = betas;
    const mean = state.exp_avg!;
    const variance = state.exp_avg_var!;
    const gradient = prepare(param, grad, full);
    for (let i = 0; i < param.length; i++) {
      const g = gradient[i]!;
      const m = beta1 * mean[i]! + (1 - beta1) * g;
      const s = beta2 * variance[i]! + (1 - beta2) * (g - m) ** 2 + eps;
      mean[i] = m;
      variance[i] = s;
      param[i] = param[i]! - (lr * (m / (1 - beta1 ** t))) / (Math.sqrt(s / (1 - beta2 ** t)) + eps);
    }
  },
};
