import { type CommonHyper, checkUpdate, commonDefaults, complete, prepare, type ReferenceRule } from '../rule.js';

export type LionHyper = CommonHyper & {
  readonly lr: number;
  /** Weight of the momentum in the direction, and decay rate of the momentum. */
  readonly betas: readonly [number, number];
  readonly convention: string;
};

/**
 * Lion, as the authors' code (google/automl).
 *
 *     p = p · (1 - lr · weightDecay)
 *     c = beta1 · m + (1 - beta1) · g            with the momentum of the step before
 *     p = p - lr · sign(c)                       sign(0) = 0
 *     m = beta2 · m + (1 - beta2) · g
 *
 * Keras (`convention: 'keras'`) has the same formula and lr = 1e-3.
 *
 * Chen et al. 2023, "Symbolic discovery of optimization algorithms".
 */
export const lion: ReferenceRule<LionHyper> = {
  defaults: { lr: 1e-4, betas: [0.9, 0.99], convention: 'pytorch', ...commonDefaults, decoupledWeightDecay: true },

  slots() {
    return ['exp_avg'];
  },

  update(param, grad, state, t, hyper = {}) {
    const defaults = hyper.convention === 'keras' ? { ...this.defaults, lr: 1e-3 } : this.defaults;
    const full = complete('lion', defaults, hyper);
    const { lr, betas } = full;
    checkUpdate(param, grad, state, t, this.slots(hyper));
    const [beta1, beta2] = betas;
    const momentum = state.exp_avg!;
    const gradient = prepare(param, grad, full);
    for (let i = 0; i < param.length; i++) {
      const g = gradient[i]!;
      const m = momentum[i]!;
      param[i] = param[i]! - lr * Math.sign(beta1 * m + (1 - beta1) * g);
      momentum[i] = beta2 * m + (1 - beta2) * g;
    }
  },
};
