import { DownhillError } from '../../gpu/errors.js';
import { defineMethod, type Plan } from '../method.js';
import { sample } from '../sample.js';
import type { Task } from '../trial.js';
import { nextRung, type RungOptions, rungFields, rungSteps } from './rungs.js';

/**
 * Trials of each bracket, which begins at the rung of its number: as many as the paper's, ceil((s + 1) / (k + 1) · eta^k) for k = s … 0
 * with s + 1 rungs, in proportion to the trials there are; one each at least.
 */
export function brackets(plan: Plan, options: RungOptions): number[] {
  const s = rungSteps(plan.steps, options).length - 1;
  const sizes = Array.from({ length: s + 1 }, (_, i) => Math.ceil(((s + 1) / (s - i + 1)) * options.eta ** (s - i)));
  const sum = sizes.reduce((a, b) => a + b);
  const shares = sizes.map((size) => Math.max(1, Math.floor((size / sum) * plan.trials)));
  // What rounding left over goes to the first bracket, which is the cheapest for each trial.
  const left = plan.trials - shares.reduce((a, b) => a + b);
  return shares.map((share, i) => (i === 0 ? share + left : share));
}

/**
 * Hyperband: several successive halvings, from one that ends most trials early to one that ends none, which hedges against curves
 * that cross. Their first rungs run together.
 *
 * Paper: Li et al. 2018, "Hyperband: a novel bandit-based approach to hyperparameter optimization", JMLR 18.
 *
 * @example hyperband({ eta: 3 })
 */
export const hyperband = defineMethod({
  name: 'hyperband',
  title: 'several halvings that begin at different rungs',
  together: true,
  paper: 'https://arxiv.org/abs/1603.06560',
  fields: rungFields(3),
  check(plan, options) {
    const s = rungSteps(plan.steps, options).length;
    const least = s * options.eta;
    if (plan.trials >= least) return;
    throw new DownhillError(
      'OPTION-RANGE',
      `hyperband has ${s} brackets here, but there are ${plan.trials} trials.`,
      `Allow ${least} trials, or use halving.`,
    );
  },
  next(plan, options, history) {
    const { space, seed, steps } = plan;
    const rungs = rungSteps(steps, options);
    const counts = brackets(plan, options);
    if (history.tasks.length === 0) {
      let trial = 0;
      return counts.flatMap((count, bracket) =>
        Array.from({ length: count }, (): Task => {
          const params = sample(space, seed, trial);
          return { trial: trial++, params, from: 0, to: rungs[bracket]!, rung: 0, bracket };
        }),
      );
    }
    return counts.flatMap((_, bracket) => {
      const tasks = history.tasks.filter((task) => task.bracket === bracket);
      return nextRung(plan, options.eta, rungs, tasks, history);
    });
  },
});
