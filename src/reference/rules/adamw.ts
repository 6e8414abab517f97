import { checkUpdate, complete, type ReferenceRule } from '../rule.js';
import { type AdamHyper, adam } from './adam.js';

/** Those of Adam; `weightDecay` is decoupled. */
export type AdamWHyper = AdamHyper;

/**
 * Adam with decoupled weight decay, as torch.optim.AdamW: the parameter decays first, the moments never see the decay.
 *
 *     p = p · (1 - lr · weightDecay)
 *     p = Adam's update of p with g = (maximize ? -grad : grad)
 *
 * Loshchilov, Hutter 2019, "Decoupled weight decay regularization".
 */
export const adamw: ReferenceRule<AdamWHyper> = {
  defaults: { lr: 1e-3, betas: [0.9, 0.999], eps: 1e-8, weightDecay: 1e-2, amsgrad: false, maximize: false },

  slots(hyper = {}) {
    return adam.slots(complete('adamw', this.defaults, hyper));
  },

  update(param, grad, state, t, hyper = {}) {
    const full = complete('adamw', this.defaults, hyper);
    // Before the first write: a refused call leaves the parameters as they were.
    checkUpdate(param, grad, state, t, this.slots(hyper));
    const keep = 1 - full.lr * full.weightDecay;
    for (let i = 0; i < param.length; i++) param[i] = param[i]! * keep;
    adam.update(param, grad, state, t, { ...full, weightDecay: 0 });
  },
};
