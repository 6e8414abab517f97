import { type CommonHyper, checkUpdate, commonDefaults, complete, prepare, type ReferenceRule } from '../rule.js';

export type SophiaHyper = CommonHyper & {
  readonly lr: number;
  readonly betas: readonly [number, number];
  readonly rho: number;
  readonly batchSize: number;
  /** Of a trainer: steps from one `curvature` to the next. */
  readonly updateInterval: number;
};

/**
 * Sophia-G, as the paper and the authors' SophiaG.
 *
 *     p = p · (1 - lr · weightDecay)
 *     m = beta1 · m + (1 - beta1) · g
 *     p = p - lr · sign(m) · min(|m| / (rho · batchSize · h + 1e-15), 1)
 *
 * and apart from that, of the gradient of labels that are drawn from the model:
 *
 *     h = beta2 · h + (1 - beta2) · ĝ²
 *
 * Liu et al. 2023, "Sophia: a scalable stochastic second-order optimizer for language model pre-training".
 */
export const sophia: ReferenceRule<SophiaHyper> = {
  defaults: {
    ...{ lr: 1e-4, betas: [0.965, 0.99], rho: 0.04, batchSize: 5120, updateInterval: 10 },
    ...{ ...commonDefaults, weightDecay: 0.1, decoupledWeightDecay: true },
  },

  slots() {
    return ['exp_avg', 'hessian'];
  },

  update(param, grad, state, t, hyper = {}) {
    const full = complete('sophia', this.defaults, hyper);
    const { lr, betas, rho, batchSize } = full;
    checkUpdate(param, grad, state, t, this.slots(hyper));
    const [momentum, curvature] = [state.exp_avg!, state.hessian!];
    const gradient = prepare(param, grad, full);
    for (let i = 0; i < param.length; i++) {
      const m = betas[0] * momentum[i]! + (1 - betas[0]) * gradient[i]!;
      const ratio = Math.min(Math.abs(m) / (rho * batchSize * curvature[i]! + 1e-15), 1);
      param[i] = param[i]! - lr * Math.sign(m) * ratio;
      momentum[i] = m;
    }
  },

  curvature(grad, state, hyper = {}) {
    const [, beta2] = complete('sophia', this.defaults, hyper).betas;
    const h = state.hessian!;
    for (let i = 0; i < h.length; i++) h[i] = beta2 * h[i]! + (1 - beta2) * grad[i]! ** 2;
  },
};
