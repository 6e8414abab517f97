import { type CommonHyper, checkUpdate, commonDefaults, complete, prepare, type ReferenceRule } from '../rule.js';

export type AdagradHyper = CommonHyper & {
  readonly lr: number;
  readonly lrDecay: number;
  readonly initialAccumulatorValue: number;
  readonly eps: number;
  readonly convention: 'pytorch' | 'keras';
};

/**
 * Adagrad, as torch.optim.Adagrad, or as keras.optimizers.Adagrad where that differs.
 *
 *     g = (maximize ? -grad : grad) + weightDecay · p
 *     s = s + g²                                  s = initialAccumulatorValue before t = 1
 *     r = lr / (1 + (t - 1) · lrDecay)
 *     p = p - r · g / (sqrt(s) + eps)             keras: p - r · g / sqrt(s + eps)
 *
 * Duchi, Hazan, Singer 2011, "Adaptive subgradient methods for online learning and stochastic optimization".
 */
export const adagrad: ReferenceRule<AdagradHyper> = {
  defaults: {
    lr: 1e-2,
    lrDecay: 0,
    initialAccumulatorValue: 0,
    eps: 1e-10,
    ...commonDefaults,
    convention: 'pytorch',
  },

  slots(hyper = {}) {
    complete('adagrad', this.defaults, hyper);
    return ['sum'];
  },

  initial(_, hyper = {}) {
    return complete('adagrad', this.defaults, hyper).initialAccumulatorValue;
  },

  update(param, grad, state, t, hyper = {}) {
    const full = complete('adagrad', this.defaults, hyper);
    const { lr, lrDecay, eps, convention } = full;
    checkUpdate(param, grad, state, t, this.slots(hyper));
    const sum = state.sum!;
    const gradient = prepare(param, grad, full);
    const rate = lr / (1 + (t - 1) * lrDecay);
    for (let i = 0; i < param.length; i++) {
      const g = gradient[i]!;
      const s = sum[i]! + g * g;
      sum[i] = s;
      const denominator = convention === 'keras' ? Math.sqrt(s + eps) : Math.sqrt(s) + eps;
      param[i] = param[i]! - (rate * g) / denominator;
    }
  },
};
