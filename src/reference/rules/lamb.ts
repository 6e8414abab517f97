import { type CommonHyper, checkUpdate, commonDefaults, complete, prepare, type ReferenceRule } from '../rule.js';

export type LambHyper = CommonHyper & {
  readonly lr: number;
  /** Decay rates of the first and second moment. */
  readonly betas: readonly [number, number];
  readonly eps: number;
  /** Off: the ratio is 1. */
  readonly adapt: boolean;
};

const norm = (values: Float64Array) => Math.sqrt(values.reduce((sum, value) => sum + value * value, 0));

/**
 * LAMB, one tensor.
 *
 *     m = beta1 · m + (1 - beta1) · g;  v = beta2 · v + (1 - beta2) · g²
 *     r = (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) + eps) + weightDecay · p
 *     p = p - lr · ‖p‖ / ‖r‖ · r, the ratio 1 where either norm is 0
 *
 * You et al. 2019, algorithm 2 with phi(z) = z; optax.lamb.
 */
export const lamb: ReferenceRule<LambHyper> = {
  defaults: { lr: 1e-3, betas: [0.9, 0.999], eps: 1e-6, adapt: true, ...commonDefaults, decoupledWeightDecay: true },

  slots(hyper = {}) {
    complete('lamb', this.defaults, hyper);
    return ['exp_avg', 'exp_avg_sq'];
  },

  update(param, grad, state, t, hyper = {}) {
    const full = complete('lamb', this.defaults, hyper);
    const { lr, betas, eps, adapt, weightDecay, decoupledWeightDecay } = full;
    checkUpdate(param, grad, state, t, this.slots(hyper));
    const [beta1, beta2] = betas;
    // The decay is no shrinking before the step: it is in the direction.
    const own = decoupledWeightDecay ? 0 : weightDecay;
    const gradient = prepare(param, grad, { ...full, weightDecay: own, decoupledWeightDecay: false });
    const direction = new Float64Array(param.length);
    for (let i = 0; i < param.length; i++) {
      const g = gradient[i]!;
      const m = beta1 * state.exp_avg![i]! + (1 - beta1) * g;
      const v = beta2 * state.exp_avg_sq![i]! + (1 - beta2) * g * g;
      state.exp_avg![i] = m;
      state.exp_avg_sq![i] = v;
      const adam = m / (1 - beta1 ** t) / (Math.sqrt(v / (1 - beta2 ** t)) + eps);
      direction[i] = adam + (decoupledWeightDecay ? weightDecay * param[i]! : 0);
    }
    const [of, to] = [norm(param), norm(direction)];
    const ratio = adapt && of > 0 && to > 0 ? of / to : 1;
    for (let i = 0; i < param.length; i++) param[i] = param[i]! - lr * ratio * direction[i]!;
  },
};
