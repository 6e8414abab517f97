import { defineMethod } from '../method.js';
import { sample } from '../sample.js';
import { checkRungs, nextRung, rungFields, rungSteps } from './rungs.js';

/**
 * Successive halving, all trials of a rung together: random draws are trained for 1/16 of the steps, the better half of them for
 * 1/8, and so on to the end. Costs about (log2 16 + 2) / 2 · 1/16 of the steps of all: 3/16. A small learning rate often leads early and
 * loses late, or the other way round; where that is likely, begin later (`firstRung`), or use hyperband.
 *
 * Paper: Jamieson & Talwalkar 2016, "Non-stochastic best arm identification and hyperparameter optimization".
 *
 * @example halving({ eta: 2, firstRung: 1 / 16 })
 */
export const halving = defineMethod({
  name: 'halving',
  title: 'many for a few steps, the better half for twice as many, and so on',
  together: true,
  paper: 'https://arxiv.org/abs/1502.07943',
  fields: rungFields(2),
  check: (plan, options) => checkRungs('halving', plan, options),
  next(plan, options, history) {
    const { space, seed, trials, steps } = plan;
    const rungs = rungSteps(steps, options);
    if (history.tasks.length > 0) return nextRung(plan, options.eta, rungs, history.tasks, history);
    return Array.from({ length: trials }, (_, trial) => ({
      ...{ trial, params: sample(space, seed, trial), from: 0, to: rungs[0]!, rung: 0 },
    }));
  },
});
