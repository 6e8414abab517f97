import {
  type CommonHyper,
  checkUpdate,
  commonDefaults,
  complete,
  meanSquares,
  prepare,
  type ReferenceRule,
} from '../rule.js';

export type NAdamHyper = CommonHyper & {
  readonly lr: number;
  readonly betas: readonly [number, number];
  readonly eps: number;
  /** psi, the exponent's factor in the momentum schedule; Keras has 1. */
  readonly momentumDecay: number;
  /** 'pytorch', 'keras' or 'optax'. */
  readonly convention: string;
};

/** mu_t. Keras' is PyTorch's with psi = 1, which is its default, not another formula. */
const momentumAt = (t: number, { betas, momentumDecay, convention }: NAdamHyper) =>
  convention === 'optax' ? betas[0] : betas[0] - 0.5 * betas[0] * Math.exp(t * momentumDecay * Math.log(0.96));

/**
 * NAdam, as torch.optim.NAdam.
 *
 *     g = (maximize ? -grad : grad) + weightDecay · p
 *     m = beta1 · m + (1 - beta1) · g
 *     v = beta2 · v + (1 - beta2) · g²
 *     mu_t = beta1 · (1 - 0.5 · 0.96^(t · momentumDecay))        optax: mu_t = beta1
 *     d = mu_t+1 / (1 - mu_1 ⋯ mu_t+1) · m + (1 - mu_t) / (1 - mu_1 ⋯ mu_t) · g
 *     p = p - lr · d / (sqrt(v / (1 - beta2^t)) + eps)
 *
 * The product is that of one and the same beta1 and momentumDecay at every step, unless `state` has a `mu_product` (of
 * length 1; 1 before the first update), which is then multiplied on as PyTorch does and serves schedules of them.
 *
 * Dozat 2016, "Incorporating Nesterov momentum into Adam".
 */
export const nadam: ReferenceRule<NAdamHyper> = {
  defaults: {
    lr: 2e-3,
    betas: [0.9, 0.999],
    eps: 1e-8,
    momentumDecay: 4e-3,
    ...commonDefaults,
    convention: 'pytorch',
  },

  slots(hyper = {}) {
    complete('nadam', this.defaults, hyper);
    return ['exp_avg', 'exp_avg_sq'];
  },

  update(param, grad, state, t, hyper = {}, width = 1) {
    const full = complete('nadam', this.defaults, hyper);
    const { lr, betas, eps } = full;
    checkUpdate(param, grad, state, t, this.slots(hyper));
    const [beta1, beta2] = betas;
    const first = state.exp_avg!;
    const second = state.exp_avg_sq!;
    const gradient = prepare(param, grad, full);
    const squares = meanSquares(gradient, width);
    const now = momentumAt(t, full);
    const next = momentumAt(t + 1, full);
    let product = 1;
    if (state.mu_product) {
      product = state.mu_product[0]! * now;
      state.mu_product[0] = product;
    } else for (let i = 1; i <= t; i++) product *= momentumAt(i, full);
    for (let i = 0; i < param.length; i++) {
      const g = gradient[i]!;
      const m = beta1 * first[i]! + (1 - beta1) * g;
      const v = beta2 * second[i]! + (1 - beta2) * squares[i]!;
      first[i] = m;
      second[i] = v;
      const ahead = (next * m) / (1 - product * next) + ((1 - now) * g) / (1 - product);
      param[i] = param[i]! - (lr * ahead) / (Math.sqrt(v / (1 - beta2 ** t)) + eps);
    }
  },
};
