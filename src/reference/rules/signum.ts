import { type CommonHyper, checkUpdate, commonDefaults, complete, prepare, type ReferenceRule } from '../rule.js';

export type SignumHyper = CommonHyper & {
  readonly lr: number;
  readonly momentum: number;
};

/**
 * Signum, as MXNet's optimizer of that name, and with momentum 0 signSGD.
 *
 *     b = momentum · b + (1 - momentum) · g      b = g without momentum
 *     p = p - lr · sign(b)                       sign(0) = 0
 *
 * Bernstein, Wang, Azizzadenesheli, Anandkumar 2018, "signSGD: compressed optimisation for non-convex problems".
 */
export const signum: ReferenceRule<SignumHyper> = {
  defaults: { lr: 1e-3, momentum: 0.9, ...commonDefaults },

  slots(hyper = {}) {
    return complete('signum', this.defaults, hyper).momentum === 0 ? [] : ['momentum_buffer'];
  },

  update(param, grad, state, t, hyper = {}) {
    const full = complete('signum', this.defaults, hyper);
    const { lr, momentum } = full;
    checkUpdate(param, grad, state, t, this.slots(hyper));
    const gradient = prepare(param, grad, full);
    // Kept even where a schedule of the momentum passes through 0.
    const average = state.momentum_buffer ?? new Float64Array(param.length);
    for (let i = 0; i < param.length; i++) {
      average[i] = momentum * average[i]! + (1 - momentum) * gradient[i]!;
      param[i] = param[i]! - lr * Math.sign(average[i]!);
    }
  },
};
