import { type CommonHyper, checkUpdate, commonDefaults, complete, type ReferenceRule } from '../rule.js';

export type LarsHyper = CommonHyper & {
  readonly lr: number;
  readonly momentum: number;
  readonly nesterov: boolean;
  readonly trustCoefficient: number;
  readonly eps: number;
  /** Off: the ratio is 1. */
  readonly adapt: boolean;
  readonly convention: string;
};

const norm = (values: Float64Array) => Math.sqrt(values.reduce((sum, value) => sum + value * value, 0));

/**
 * LARS, one tensor.
 *
 *     ratio = coefficient · ‖p‖ / (‖g‖ + weightDecay · ‖p‖ + eps), 1 where ‖p‖ or ‖g‖ is 0
 *     b = momentum · b + lr · ratio · (g + weightDecay · p);  p = p - b
 *     nesterov: p = p - (momentum · b + lr · ratio · (g + weightDecay · p))
 *
 * You et al. 2017, algorithm 1. optax.lars: with u = g + weightDecay · p the ratio is coefficient · ‖p‖ / (‖u‖ + eps), 1 where
 * ‖p‖ or ‖u‖ is 0. Norms are those before the decoupled decay, which is neither's.
 */
export const lars: ReferenceRule<LarsHyper> = {
  defaults: {
    lr: 1,
    momentum: 0.9,
    nesterov: false,
    trustCoefficient: 1e-3,
    eps: 0,
    adapt: true,
    convention: 'paper',
    ...commonDefaults,
  },

  slots(hyper = {}) {
    return complete('lars', this.defaults, hyper).momentum > 0 ? ['momentum_buffer'] : [];
  },

  update(param, grad, state, t, hyper = {}) {
    const full = complete('lars', this.defaults, hyper);
    const { lr, momentum, nesterov, trustCoefficient, eps, adapt, convention } = full;
    checkUpdate(param, grad, state, t, this.slots(hyper));
    const decay = full.decoupledWeightDecay ? 0 : full.weightDecay;
    const g = full.maximize ? grad.map((value) => -value) : grad;
    const u = g.map((value, i) => value + decay * param[i]!);
    const length = norm(param);
    const measured = norm(convention === 'optax' ? u : g);
    const below = convention === 'optax' ? measured + eps : measured + decay * length + eps;
    const ratio = adapt && length > 0 && measured > 0 ? (trustCoefficient * length) / below : 1;
    for (let i = 0; i < param.length; i++) {
      const move = lr * ratio * u[i]!;
      const b = momentum * (state.momentum_buffer?.[i] ?? 0) + move;
      if (momentum > 0) state.momentum_buffer![i] = b;
      const shrunk = full.decoupledWeightDecay ? param[i]! * (1 - lr * full.weightDecay) : param[i]!;
      param[i] = shrunk - (nesterov ? momentum * b + move : b);
    }
  },
};
