import { checkUpdate, complete, type ReferenceRule } from '../rule.js';

export type AdamHyper = {
  readonly lr: number;
  /** Decay rates of the first and second moment. */
  readonly betas: readonly [number, number];
  readonly eps: number;
  /** L2: weightDecay · p is added to the gradient. */
  readonly weightDecay: number;
  readonly amsgrad: boolean;
  readonly maximize: boolean;
};

/**
 * Adam, as torch.optim.Adam.
 *
 *     g = (maximize ? -grad : grad) + weightDecay · p
 *     m = beta1 · m + (1 - beta1) · g
 *     v = beta2 · v + (1 - beta2) · g²
 *     u = amsgrad ? max(u, v) : v                the maximum of raw second moments, corrected only afterwards
 *     p = p - lr / (1 - beta1^t) · m / (sqrt(u) / sqrt(1 - beta2^t) + eps)
 *
 * Kingma, Ba 2015, "Adam: a method for stochastic optimization"; AMSGrad: Reddi, Kale, Kumar 2018, "On the convergence
 * of Adam and beyond". PyTorch's page shows the maximum over corrected moments; its code, followed here, does not.
 */
export const adam: ReferenceRule<AdamHyper> = {
  defaults: { lr: 1e-3, betas: [0.9, 0.999], eps: 1e-8, weightDecay: 0, amsgrad: false, maximize: false },

  slots(hyper = {}) {
    const { amsgrad } = complete('adam', this.defaults, hyper);
    return amsgrad ? ['exp_avg', 'exp_avg_sq', 'max_exp_avg_sq'] : ['exp_avg', 'exp_avg_sq'];
  },

  update(param, grad, state, t, hyper = {}) {
    const { lr, betas, eps, weightDecay, amsgrad, maximize } = complete('adam', this.defaults, hyper);
    checkUpdate(param, grad, state, t, this.slots(hyper));
    const [beta1, beta2] = betas;
    const first = state.exp_avg!;
    const second = state.exp_avg_sq!;
    const largest = amsgrad ? state.max_exp_avg_sq! : undefined;
    const sign = maximize ? -1 : 1;
    const step = lr / (1 - beta1 ** t);
    const root = Math.sqrt(1 - beta2 ** t);
    for (let i = 0; i < param.length; i++) {
      const g = sign * grad[i]! + weightDecay * param[i]!;
      const m = beta1 * first[i]! + (1 - beta1) * g;
      let v = beta2 * second[i]! + (1 - beta2) * g * g;
      first[i] = m;
      second[i] = v;
      if (largest) {
        v = Math.max(largest[i]!, v);
        largest[i] = v;
      }
      param[i] = param[i]! - (step * m) / (Math.sqrt(v) / root + eps);
    }
  },
};
