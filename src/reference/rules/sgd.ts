import { checkUpdate, complete, type ReferenceRule } from '../rule.js';

// A type, not an interface: only a type is assignable to the Record of a ReferenceRule of unknown hyper-parameters.
export type SgdHyper = {
  readonly lr: number;
  readonly momentum: number;
  readonly dampening: number;
  /** L2: weightDecay · p is added to the gradient. */
  readonly weightDecay: number;
  readonly nesterov: boolean;
  readonly maximize: boolean;
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
 * Polyak 1964, "Some methods of speeding up the convergence of iteration methods"; the Nesterov form is that of
 * Sutskever et al. 2013, "On the importance of initialization and momentum in deep learning".
 */
export const sgd: ReferenceRule<SgdHyper> = {
  defaults: { lr: 1e-3, momentum: 0, dampening: 0, weightDecay: 0, nesterov: false, maximize: false },

  slots(hyper = {}) {
    return complete('sgd', this.defaults, hyper).momentum === 0 ? [] : ['momentum_buffer'];
  },

  update(param, grad, state, t, hyper = {}) {
    const { lr, momentum, dampening, weightDecay, nesterov, maximize } = complete('sgd', this.defaults, hyper);
    checkUpdate(param, grad, state, t, this.slots(hyper));
    const buffer = momentum === 0 ? undefined : state.momentum_buffer!;
    const sign = maximize ? -1 : 1;
    for (let i = 0; i < param.length; i++) {
      const g = sign * grad[i]! + weightDecay * param[i]!;
      let direction = g;
      if (buffer) {
        const b = t === 1 ? g : momentum * buffer[i]! + (1 - dampening) * g;
        buffer[i] = b;
        direction = nesterov ? g + momentum * b : b;
      }
      param[i] = param[i]! - lr * direction;
    }
  },
};
