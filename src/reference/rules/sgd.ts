import { type CommonHyper, checkUpdate, commonDefaults, complete, prepare, type ReferenceRule } from '../rule.js';

// A type, not an interface: only a type is assignable to the Record of a ReferenceRule of unknown hyper-parameters.
export type SgdHyper = CommonHyper & {
  readonly lr: number;
  readonly momentum: number;
  readonly dampening: number;
  readonly nesterov: boolean;
  /** Momentum as an exponentially weighted average with bias correction. */
  readonly ema: boolean;
  /** 'pytorch' or 'keras': the formula; the defaults stay PyTorch's. */
  readonly convention: string;
};

/**
 * Stochastic gradient descent with momentum, as torch.optim.SGD.
 *
 *     g = (maximize ? -grad : grad) + weightDecay · p
 *     b = g                                      at t = 1: the first gradient is not dampened
 *     b = momentum · b + (1 - dampening) · g     after
 *     d = nesterov ? g + momentum · b : b        d = g without momentum
 *     p = p - lr · d
 *
 * ema, the average that weighs the gradients by (1 - momentum) · momentum^k, divided by the sum of those weights:
 *
 *     b = momentum · b + (1 - momentum) · g
 *     p = p - lr · b / (1 - momentum^t)
 *
 * Keras, as keras.optimizers.SGD with velocity -b (so that a zero gradient leaves -0 as it is):
 *
 *     b = momentum · b + lr · g
 *     p = p - (nesterov ? momentum · b + lr · g : b)
 *
 * Polyak 1964, "Some methods of speeding up the convergence of iteration methods"; the Nesterov form is that of
 * Sutskever et al. 2013, "On the importance of initialization and momentum in deep learning".
 */
export const sgd: ReferenceRule<SgdHyper> = {
  defaults: {
    lr: 1e-3,
    momentum: 0,
    dampening: 0,
    nesterov: false,
    ema: false,
    ...commonDefaults,
    convention: 'pytorch',
  },

  slots(hyper = {}) {
    return complete('sgd', this.defaults, hyper).momentum === 0 ? [] : ['momentum_buffer'];
  },

  update(param, grad, state, t, hyper = {}) {
    const full = complete('sgd', this.defaults, hyper);
    const { lr, momentum, dampening, nesterov, ema, convention } = full;
    checkUpdate(param, grad, state, t, this.slots(hyper));
    const buffer = momentum === 0 ? undefined : state.momentum_buffer!;
    const gradient = prepare(param, grad, full);
    for (let i = 0; i < param.length; i++) {
      const g = gradient[i]!;
      let change = lr * g;
      if (buffer) {
        let b = momentum * buffer[i]!;
        if (ema) {
          b += (1 - momentum) * g;
          change = (lr * b) / (1 - momentum ** t);
        } else if (convention === 'keras') {
          b += lr * g;
          change = nesterov ? momentum * b + lr * g : b;
        } else {
          b = t === 1 ? g : b + (1 - dampening) * g;
          change = lr * (nesterov ? g + momentum * b : b);
        }
        buffer[i] = b;
      }
      param[i] = param[i]! - change;
    }
  },
};
