import {
  type CommonHyper,
  checkUpdate,
  commonDefaults,
  complete,
  meanSquares,
  prepare,
  type ReferenceRule,
} from '../rule.js';

export type AdamHyper = CommonHyper & {
  readonly lr: number;
  /** Decay rates of the first and second moment. */
  readonly betas: readonly [number, number];
  readonly eps: number;
  readonly amsgrad: boolean;
  /** 'pytorch', 'keras', 'optax' or 'notes': the formula; the defaults stay PyTorch's. 'notes' is here alone: no kernel has it. */
  readonly convention: string;
};

/**
 * Adam, as torch.optim.Adam.
 *
 *     g = (maximize ? -grad : grad) + weightDecay · p
 *     m = beta1 · m + (1 - beta1) · g
 *     v = beta2 · v + (1 - beta2) · g²
 *     u = amsgrad ? max(u, v) : v                the maximum of raw second moments, corrected only afterwards
 *     p = p - lr / (1 - beta1^t) · m / (sqrt(u) / sqrt(1 - beta2^t) + eps)
 *
 * Keras adds eps to the raw root, p = p - lr · sqrt(1 - beta2^t) / (1 - beta1^t) · m / (sqrt(u) + eps). optax takes the
 * maximum of the corrected moments, u = max(u, v / (1 - beta2^t)), and divides by sqrt(u) + eps.
 *
 * 'notes' is the lecture's code, which differs from the paper: it divides the moments that it keeps, so that every later step starts
 * from corrected ones and corrects them again, and has eps under the root. No amsgrad.
 *
 *     m = (beta1 · m + (1 - beta1) · g) / (1 - beta1^t)
 *     v = (beta2 · v + (1 - beta2) · g²) / (1 - beta2^t)
 *     p = p - lr · m / sqrt(v + eps)
 *
 * The divisors multiply up: to e^(π²/6 / (1 - beta)), about, of which v has more than m. `downhill compare adam-variants` shows what comes of it.
 *
 * Kingma, Ba 2015, "Adam: a method for stochastic optimization"; AMSGrad: Reddi, Kale, Kumar 2018, "On the convergence
 * of Adam and beyond". PyTorch's page shows the maximum over corrected moments; its code, followed here, does not.
 */
export const adam: ReferenceRule<AdamHyper> = {
  defaults: { lr: 1e-3, betas: [0.9, 0.999], eps: 1e-8, amsgrad: false, ...commonDefaults, convention: 'pytorch' },

  slots(hyper = {}) {
    const { amsgrad } = complete('adam', this.defaults, hyper);
    return amsgrad ? ['exp_avg', 'exp_avg_sq', 'max_exp_avg_sq'] : ['exp_avg', 'exp_avg_sq'];
  },

  update(param, grad, state, t, hyper = {}, width = 1) {
    const full = complete('adam', this.defaults, hyper);
    const { lr, betas, eps, amsgrad, convention } = full;
    checkUpdate(param, grad, state, t, this.slots(hyper));
    const [beta1, beta2] = betas;
    const first = state.exp_avg!;
    const second = state.exp_avg_sq!;
    const largest = amsgrad ? state.max_exp_avg_sq! : undefined;
    const gradient = prepare(param, grad, full);
    const squares = meanSquares(gradient, width);
    const step = lr / (1 - beta1 ** t);
    const root = Math.sqrt(1 - beta2 ** t);
    for (let i = 0; i < param.length; i++) {
      const g = gradient[i]!;
      const m = beta1 * first[i]! + (1 - beta1) * g;
      const v = beta2 * second[i]! + (1 - beta2) * squares[i]!;
      if (convention === 'notes') {
        first[i] = m / (1 - beta1 ** t);
        second[i] = v / (1 - beta2 ** t);
        param[i] = param[i]! - (lr * first[i]!) / Math.sqrt(second[i]! + eps);
        continue;
      }
      first[i] = m;
      second[i] = v;
      let rootOfV = Math.sqrt(v);
      let rootOfCorrected = rootOfV / root;
      if (largest) {
        largest[i] = Math.max(largest[i]!, convention === 'optax' ? v / (1 - beta2 ** t) : v);
        rootOfV = Math.sqrt(largest[i]!);
        rootOfCorrected = convention === 'optax' ? rootOfV : rootOfV / root;
      }
      const change =
        convention === 'keras' ? (step * root * m) / (rootOfV + eps) : (step * m) / (rootOfCorrected + eps);
      param[i] = param[i]! - change;
    }
  },
};
