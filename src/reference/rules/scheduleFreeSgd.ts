import { type CommonHyper, checkUpdate, commonDefaults, complete, type ReferenceRule } from '../rule.js';
import { average, gammaAt, shareAt } from '../schedule-free.js';

export type ScheduleFreeSgdHyper = CommonHyper & {
  readonly lr: number;
  readonly momentum: number;
  readonly warmupSteps: number;
  readonly r: number;
  readonly weightLrPower: number;
};

/**
 * Schedule-free SGD, the algorithm of the paper with the weights of SGDScheduleFree (facebookresearch/schedule_free).
 *
 *     g = (maximize ? -grad : grad) + weightDecay · y       decoupled or not: it is the same here
 *     gamma = lr · min(1, t / warmupSteps),  w = t^r · (largest gamma so far)^weightLrPower,  c = w / (sum of w)
 *     z = z - gamma · g,  x = (1 - c) · x + c · z,  y = (1 - momentum) · z + momentum · x
 *
 * The parameter is y, and z and x start there. Defazio et al. 2024, "The road less scheduled".
 */
export const scheduleFreeSgd: ReferenceRule<ScheduleFreeSgdHyper> = {
  defaults: { lr: 1, momentum: 0.9, warmupSteps: 0, r: 0, weightLrPower: 2, ...commonDefaults },

  slots(hyper = {}) {
    complete('scheduleFreeSgd', this.defaults, hyper);
    return ['z'];
  },

  update(param, grad, state, t, hyper = {}) {
    const full = complete('scheduleFreeSgd', this.defaults, hyper);
    const { momentum, weightDecay, maximize } = full;
    checkUpdate(param, grad, state, t, this.slots(hyper));
    const rates = { gamma: gammaAt(t, full), c: shareAt(t, full, state), beta: momentum };
    average(param, state.z!, t, rates, (i) => (maximize ? -grad[i]! : grad[i]!) + weightDecay * param[i]!);
  },
};
