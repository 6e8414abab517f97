import { type CommonHyper, checkUpdate, commonDefaults, complete, type ReferenceRule } from '../rule.js';
import { average, gammaAt, shareAt } from '../schedule-free.js';

export type ScheduleFreeAdamwHyper = CommonHyper & {
  readonly lr: number;
  readonly betas: readonly [number, number];
  readonly eps: number;
  readonly warmupSteps: number;
  readonly r: number;
  readonly weightLrPower: number;
};

/**
 * Schedule-free AdamW, the algorithm of the paper with the weights of AdamWScheduleFree (facebookresearch/schedule_free).
 *
 *     g = maximize ? -grad : grad, not decoupled + weightDecay · y
 *     v = beta2 · v + (1 - beta2) · g²,  d = g / (sqrt(v / (1 - beta2^t)) + eps), decoupled + weightDecay · y
 *     gamma = lr · min(1, t / warmupSteps),  w = t^r · (largest gamma so far)^weightLrPower,  c = w / (sum of w)
 *     z = z - gamma · d,  x = (1 - c) · x + c · z,  y = (1 - beta1) · z + beta1 · x
 *
 * The parameter is y, and z and x start there. Defazio et al. 2024, "The road less scheduled".
 */
export const scheduleFreeAdamw: ReferenceRule<ScheduleFreeAdamwHyper> = {
  defaults: {
    lr: 0.0025,
    betas: [0.9, 0.999],
    eps: 1e-8,
    warmupSteps: 0,
    r: 0,
    weightLrPower: 2,
    ...commonDefaults,
    decoupledWeightDecay: true,
  },

  slots(hyper = {}) {
    complete('scheduleFreeAdamw', this.defaults, hyper);
    return ['z', 'exp_avg_sq'];
  },

  update(param, grad, state, t, hyper = {}) {
    const full = complete('scheduleFreeAdamw', this.defaults, hyper);
    const { betas, eps, weightDecay, decoupledWeightDecay, maximize } = full;
    const [beta1, beta2] = betas;
    checkUpdate(param, grad, state, t, this.slots(hyper));
    const v = state.exp_avg_sq!;
    const rates = { gamma: gammaAt(t, full), c: shareAt(t, full, state), beta: beta1 };
    average(param, state.z!, t, rates, (i) => {
      const decay = weightDecay * param[i]!;
      const g = (maximize ? -grad[i]! : grad[i]!) + (decoupledWeightDecay ? 0 : decay);
      v[i] = beta2 * v[i]! + (1 - beta2) * g * g;
      return g / (Math.sqrt(v[i]! / (1 - beta2 ** t)) + eps) + (decoupledWeightDecay ? decay : 0);
    });
  },
};
