import { type CommonHyper, checkUpdate, commonDefaults, complete, prepare, type ReferenceRule } from '../rule.js';

export type AdanHyper = CommonHyper & {
  readonly lr: number;
  /** Decay rates of the averages of the gradient, of its difference, and of the squared look-ahead gradient. */
  readonly betas: readonly [number, number, number];
  readonly eps: number;
  readonly epsRoot: number;
  readonly noProx: boolean;
  readonly convention: string;
};

/**
 * Adan, as the authors' code (sail-sg/Adan); its betas are 1 minus those of the paper.
 *
 *     d = g - g_prev                             d = 0 at t = 1
 *     m = beta1 · m + (1 - beta1) · g
 *     v = beta2 · v + (1 - beta2) · d
 *     n = beta3 · n + (1 - beta3) · (g + beta2 · d)²
 *     u = (m / (1 - beta1^t) + beta2 · v / (1 - beta2^t)) / (sqrt(n / (1 - beta3^t) + epsRoot) + eps)
 *     p = (p - lr · u) / (1 + lr · weightDecay)
 *     p = p · (1 - lr · weightDecay) - lr · u    noProx
 *
 * optax (`convention: 'optax'`, whose defaults add noProx and epsRoot = 1e-8) has 1 - beta2 where the second and the third
 * use of beta2 stand here, in n and u. Without decoupledWeightDecay the decay is L2, as everywhere.
 *
 * Xie, Zhou, Li, Lin, Yan 2022, "Adan: adaptive Nesterov momentum algorithm for faster optimizing deep models".
 */
export const adan: ReferenceRule<AdanHyper> = {
  defaults: {
    lr: 1e-3,
    betas: [0.98, 0.92, 0.99],
    eps: 1e-8,
    epsRoot: 0,
    noProx: false,
    convention: 'pytorch',
    ...commonDefaults,
    decoupledWeightDecay: true,
  },

  slots() {
    return ['exp_avg', 'exp_avg_sq', 'exp_avg_diff', 'previous_grad'];
  },

  // The difference of gradients that are almost the same.
  lostBits: { exp_avg_diff: 5 },

  update(param, grad, state, t, hyper = {}) {
    const optax = hyper.convention === 'optax';
    const full = complete('adan', optax ? { ...this.defaults, noProx: true, epsRoot: 1e-8 } : this.defaults, hyper);
    const { lr, betas, eps, epsRoot, noProx, weightDecay, decoupledWeightDecay } = full;
    checkUpdate(param, grad, state, t, this.slots(hyper));
    const [beta1, beta2, beta3] = betas;
    const mix = optax ? 1 - beta2 : beta2;
    const prox = decoupledWeightDecay && !noProx;
    const gradient = prepare(param, grad, prox ? { ...full, weightDecay: 0 } : full);
    const first = state.exp_avg!;
    const second = state.exp_avg_sq!;
    const difference = state.exp_avg_diff!;
    const previous = state.previous_grad!;
    for (let i = 0; i < param.length; i++) {
      const g = gradient[i]!;
      const d = t === 1 ? 0 : g - previous[i]!;
      const m = beta1 * first[i]! + (1 - beta1) * g;
      const v = beta2 * difference[i]! + (1 - beta2) * d;
      const n = beta3 * second[i]! + (1 - beta3) * (g + mix * d) ** 2;
      first[i] = m;
      difference[i] = v;
      second[i] = n;
      previous[i] = g;
      const direction = m / (1 - beta1 ** t) + (mix * v) / (1 - beta2 ** t);
      const next = param[i]! - (lr * direction) / (Math.sqrt(n / (1 - beta3 ** t) + epsRoot) + eps);
      param[i] = prox ? next / (1 + lr * weightDecay) : next;
    }
  },
};
