import { type CommonHyper, checkUpdate, commonDefaults, complete, prepare, type ReferenceRule } from '../rule.js';

export type AsgdHyper = CommonHyper & {
  readonly lr: number;
  readonly lambd: number;
  readonly alpha: number;
  readonly t0: number;
};

/**
 * Averaged stochastic gradient descent, as torch.optim.ASGD.
 *
 *     g = (maximize ? -grad : grad) + weightDecay · p
 *     eta = lr / (1 + lambd · lr · (t - 1))^alpha           eta = lr at t = 1
 *     p = p · (1 - lambd · eta) - eta · g
 *     mu = 1 / max(1, t - 1 - t0)
 *     ax = ax + mu · (p - ax)                               ax = p while mu = 1
 *
 * PyTorch computes eta and mu after each update for the next one, hence t - 1; with a rate that changes it uses the rate
 * of the update before, where this uses that of the update itself.
 *
 * Polyak, Juditsky 1992, "Acceleration of stochastic approximation by averaging"; the form is Bottou's.
 */
export const asgd: ReferenceRule<AsgdHyper> = {
  defaults: { lr: 1e-2, lambd: 1e-4, alpha: 0.75, t0: 1e6, ...commonDefaults },

  slots(hyper = {}) {
    complete('asgd', this.defaults, hyper);
    return ['ax'];
  },

  update(param, grad, state, t, hyper = {}) {
    const full = complete('asgd', this.defaults, hyper);
    const { lr, lambd, alpha, t0 } = full;
    checkUpdate(param, grad, state, t, this.slots(hyper));
    const average = state.ax!;
    const gradient = prepare(param, grad, full);
    const done = t - 1;
    const eta = lr / (1 + lambd * lr * done) ** alpha;
    for (let i = 0; i < param.length; i++) {
      const p = param[i]! * (1 - lambd * eta) - eta * gradient[i]!;
      param[i] = p;
      average[i] = done - t0 > 1 ? average[i]! + (p - average[i]!) / (done - t0) : p;
    }
  },
};
