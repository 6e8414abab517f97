import { complete, type ReferenceRule } from '../rule.js';
import { type AdamHyper, adam } from './adam.js';

/** Those of Adam. */
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
  defaults: { ...adam.defaults, weightDecay: 1e-2, decoupledWeightDecay: true },

  slots(hyper = {}) {
    return adam.slots(complete('adamw', this.defaults, hyper));
  },

  update(param, grad, state, t, hyper = {}, width = 1) {
    adam.update(param, grad, state, t, complete('adamw', this.defaults, hyper), width);
  },
};
