import { type CommonHyper, checkUpdate, commonDefaults, complete, prepare, type ReferenceRule } from '../rule.js';

export type RmspropHyper = CommonHyper & {
  readonly lr: number;
  readonly alpha: number;
  readonly eps: number;
  readonly momentum: number;
  readonly centered: boolean;
  /** Of the average of squares: optax's initial_scale. */
  readonly initialScale: number;
  readonly convention: 'pytorch' | 'keras' | 'optax';
};

/**
 * RMSprop, as torch.optim.RMSprop, or as keras.optimizers.RMSprop and optax.rmsprop, which share one formula.
 *
 *     g = (maximize ? -grad : grad) + weightDecay · p
 *     v = alpha · v + (1 - alpha) · g²            v = initialScale before t = 1
 *     m = alpha · m + (1 - alpha) · g             centered only
 *     w = centered ? max(v - m², 0) : v           a variance: below 0 only by rounding
 *     b = momentum · b + g / (sqrt(w) + eps)      keras, optax: momentum · b + lr · g / sqrt(w + eps)
 *     p = p - lr · b                              keras, optax: p - b
 *
 * Hinton 2012, "Neural networks for machine learning", lecture 6; centered: Graves 2013, "Generating sequences with
 * recurrent neural networks", equations 38 to 45.
 */
export const rmsprop: ReferenceRule<RmspropHyper> = {
  defaults: {
    lr: 1e-2,
    alpha: 0.99,
    eps: 1e-8,
    momentum: 0,
    centered: false,
    initialScale: 0,
    ...commonDefaults,
    convention: 'pytorch',
  },

  slots(hyper = {}) {
    const { momentum, centered } = complete('rmsprop', this.defaults, hyper);
    const slots = ['square_avg'];
    if (momentum !== 0) slots.push('momentum_buffer');
    if (centered) slots.push('grad_avg');
    return slots;
  },

  initial(slot, hyper = {}) {
    return slot === 'square_avg' ? complete('rmsprop', this.defaults, hyper).initialScale : 0;
  },

  update(param, grad, state, t, hyper = {}) {
    const full = complete('rmsprop', this.defaults, hyper);
    const { lr, alpha, eps, momentum, centered, convention } = full;
    checkUpdate(param, grad, state, t, this.slots(hyper));
    const squares = state.square_avg!;
    const buffer = momentum === 0 ? undefined : state.momentum_buffer!;
    const means = centered ? state.grad_avg! : undefined;
    const gradient = prepare(param, grad, full);
    for (let i = 0; i < param.length; i++) {
      const g = gradient[i]!;
      let v = alpha * squares[i]! + (1 - alpha) * g * g;
      squares[i] = v;
      if (means) {
        const m = alpha * means[i]! + (1 - alpha) * g;
        means[i] = m;
        v = Math.max(v - m * m, 0);
      }
      let step = convention === 'pytorch' ? g / (Math.sqrt(v) + eps) : (lr * g) / Math.sqrt(v + eps);
      if (buffer) {
        step += momentum * buffer[i]!;
        buffer[i] = step;
      }
      param[i] = param[i]! - (convention === 'pytorch' ? lr * step : step);
    }
  },
};
