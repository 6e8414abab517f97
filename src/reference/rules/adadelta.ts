import { type CommonHyper, checkUpdate, commonDefaults, complete, prepare, type ReferenceRule } from '../rule.js';

export type AdadeltaHyper = CommonHyper & {
  readonly lr: number;
  readonly rho: number;
  readonly eps: number;
  /** The formula is the same in both; only the defaults differ. */
  readonly convention: 'pytorch' | 'keras';
};

/**
 * Adadelta, as torch.optim.Adadelta and keras.optimizers.Adadelta.
 *
 *     g = (maximize ? -grad : grad) + weightDecay · p
 *     v = rho · v + (1 - rho) · g²                the new average is used in d
 *     d = sqrt(a + eps) / sqrt(v + eps) · g       a before this step
 *     a = rho · a + (1 - rho) · d²
 *     p = p - lr · d
 *
 * Zeiler 2012, "ADADELTA: an adaptive learning rate method", algorithm 1, where lr is 1.
 */
export const adadelta: ReferenceRule<AdadeltaHyper> = {
  defaults: { lr: 1, rho: 0.9, eps: 1e-6, ...commonDefaults, convention: 'pytorch' },

  slots(hyper = {}) {
    complete('adadelta', this.defaults, hyper);
    return ['square_avg', 'acc_delta'];
  },

  update(param, grad, state, t, hyper = {}) {
    const full = complete('adadelta', this.defaults, hyper);
    const { lr, rho, eps } = full;
    checkUpdate(param, grad, state, t, this.slots(hyper));
    const squares = state.square_avg!;
    const steps = state.acc_delta!;
    const gradient = prepare(param, grad, full);
    for (let i = 0; i < param.length; i++) {
      const g = gradient[i]!;
      const v = rho * squares[i]! + (1 - rho) * g * g;
      const d = (Math.sqrt(steps[i]! + eps) / Math.sqrt(v + eps)) * g;
      squares[i] = v;
      steps[i] = rho * steps[i]! + (1 - rho) * d * d;
      param[i] = param[i]! - lr * d;
    }
  },
};
