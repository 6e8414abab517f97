import { type CommonHyper, checkUpdate, commonDefaults, complete, prepare, type ReferenceRule } from '../rule.js';

export type AdamaxHyper = CommonHyper & {
  readonly lr: number;
  /** Decay rates of the mean gradient and of the largest one. */
  readonly betas: readonly [number, number];
  readonly eps: number;
  readonly convention: 'pytorch' | 'keras';
};

/**
 * Adamax, as torch.optim.Adamax, or as keras.optimizers.Adamax where that differs.
 *
 *     g = (maximize ? -grad : grad) + weightDecay · p
 *     m = beta1 · m + (1 - beta1) · g
 *     u = max(beta2 · u, |g| + eps)               keras: max(beta2 · u, |g|)
 *     p = p - lr / (1 - beta1^t) · m / u          keras: m / (u + eps)
 *
 * Kingma, Ba 2015, "Adam: a method for stochastic optimization", algorithm 2, which has no eps.
 */
export const adamax: ReferenceRule<AdamaxHyper> = {
  defaults: { lr: 2e-3, betas: [0.9, 0.999], eps: 1e-8, ...commonDefaults, convention: 'pytorch' },

  slots(hyper = {}) {
    complete('adamax', this.defaults, hyper);
    return ['exp_avg', 'exp_inf'];
  },

  update(param, grad, state, t, hyper = {}) {
    const full = complete('adamax', this.defaults, hyper);
    const { lr, betas, eps, convention } = full;
    checkUpdate(param, grad, state, t, this.slots(hyper));
    const [beta1, beta2] = betas;
    const mean = state.exp_avg!;
    const largest = state.exp_inf!;
    const gradient = prepare(param, grad, full);
    const step = lr / (1 - beta1 ** t);
    for (let i = 0; i < param.length; i++) {
      const g = gradient[i]!;
      const m = beta1 * mean[i]! + (1 - beta1) * g;
      const u = Math.max(beta2 * largest[i]!, convention === 'keras' ? Math.abs(g) : Math.abs(g) + eps);
      mean[i] = m;
      largest[i] = u;
      param[i] = param[i]! - (step * m) / (convention === 'keras' ? u + eps : u);
    }
  },
};
