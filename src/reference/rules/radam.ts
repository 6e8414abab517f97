import {
  type CommonHyper,
  checkUpdate,
  commonDefaults,
  complete,
  meanSquares,
  prepare,
  type ReferenceRule,
} from '../rule.js';

export type RAdamHyper = CommonHyper & {
  readonly lr: number;
  readonly betas: readonly [number, number];
  readonly eps: number;
  /** 'pytorch' or 'optax'. */
  readonly convention: string;
};

/**
 * RAdam, as torch.optim.RAdam.
 *
 *     g = (maximize ? -grad : grad) + weightDecay · p
 *     m = beta1 · m + (1 - beta1) · g
 *     v = beta2 · v + (1 - beta2) · g²
 *     c = m / (1 - beta1^t)
 *     rho_inf = 2 / (1 - beta2) - 1
 *     rho = rho_inf - 2 · t · beta2^t / (1 - beta2^t)
 *     rho > 5:  r = sqrt((rho - 4) (rho - 2) rho_inf / ((rho_inf - 4) (rho_inf - 2) rho))
 *               p = p - lr · c · r · sqrt(1 - beta2^t) / (sqrt(v) + eps)
 *     else      p = p - lr · c
 *
 * optax: rho ≥ 5, and eps stands beside the corrected root: r · c / (sqrt(v / (1 - beta2^t)) + eps).
 *
 * Liu, Jiang, He, Chen, Liu, Gao, Han 2020, "On the variance of the adaptive learning rate and beyond". With beta2 =
 * 0.999 the first rectified update is t = 6.
 */
export const radam: ReferenceRule<RAdamHyper> = {
  defaults: { lr: 1e-3, betas: [0.9, 0.999], eps: 1e-8, ...commonDefaults, convention: 'pytorch' },

  slots(hyper = {}) {
    complete('radam', this.defaults, hyper);
    return ['exp_avg', 'exp_avg_sq'];
  },

  update(param, grad, state, t, hyper = {}, width = 1) {
    const full = complete('radam', this.defaults, hyper);
    const { lr, betas, eps, convention } = full;
    checkUpdate(param, grad, state, t, this.slots(hyper));
    const [beta1, beta2] = betas;
    const first = state.exp_avg!;
    const second = state.exp_avg_sq!;
    const gradient = prepare(param, grad, full);
    const squares = meanSquares(gradient, width);
    const rhoInf = 2 / (1 - beta2) - 1;
    const power = beta2 ** t;
    const rho = rhoInf - (2 * t * power) / (1 - power);
    const trusted = rho > 5 || (convention === 'optax' && rho === 5);
    const r = Math.sqrt(((rho - 4) * (rho - 2) * rhoInf) / ((rhoInf - 4) * (rhoInf - 2) * rho));
    for (let i = 0; i < param.length; i++) {
      const g = gradient[i]!;
      const m = beta1 * first[i]! + (1 - beta1) * g;
      const v = beta2 * second[i]! + (1 - beta2) * squares[i]!;
      first[i] = m;
      second[i] = v;
      let direction = m / (1 - beta1 ** t);
      if (trusted) {
        direction *=
          convention === 'optax'
            ? r / (Math.sqrt(v / (1 - power)) + eps)
            : (r * Math.sqrt(1 - power)) / (Math.sqrt(v) + eps);
      }
      param[i] = param[i]! - lr * direction;
    }
  },
};
