import { defineMethod, type Plan } from '../method.js';
import { sample } from '../sample.js';
import { History, type Task } from '../trial.js';
import { bestOf, checkRungs, promoted, type RungOptions, rungFields, rungSteps } from './rungs.js';

/**
 * The asynchronous rule: what one worker that is free should do. A trial goes on when it is among the best 1/eta of those that have
 * come to its rung so far, the highest rung first; else a new one begins. Nothing where neither can be now.
 *
 * @param history tasks without a result are running elsewhere
 */
export function ashaDecision(plan: Plan, options: RungOptions, history: History): Task | undefined {
  const rungs = rungSteps(plan.steps, options);
  for (let rung = rungs.length - 2; rung >= 0; rung--) {
    const here = history.tasks
      .filter(({ to }) => to === rungs[rung])
      .flatMap((task) => {
        const entry = history.entry(task);
        return entry ? [entry] : [];
      });
    const best = bestOf(here, Math.floor(here.length / options.eta), plan);
    const found = best.find(({ trial, to }) => history.tasksOf(trial).at(-1)!.to === to);
    if (found) return promoted(found.trial, history, rungs[rung + 1]!);
  }
  const trial = history.tasks.filter(({ from }) => from === 0).length;
  if (trial >= plan.trials) return undefined;
  return { trial, params: sample(plan.space, plan.seed, trial), from: 0, to: rungs[0]!, rung: 0 };
}

/**
 * Asynchronous successive halving (ASHA): no rung waits for its slowest trial, which is what many workers need; here
 * `workers` tasks are decided at a time and run together.
 *
 * Paper: Li et al. 2020, "A system for massively parallel hyperparameter tuning", https://arxiv.org/abs/1810.05934.
 *
 * @example asha({ eta: 4 })
 */
export const asha = defineMethod({
  name: 'asha',
  title: 'halving without waiting for a rung to be full, for many workers',
  paper: 'https://arxiv.org/abs/1810.05934',
  fields: rungFields(4),
  check: (plan, options) => checkRungs('asha', plan, options),
  next(plan, options, history) {
    const seen = new History();
    seen.ask(history.tasks);
    for (const entry of history.entries) seen.add(entry);
    const room = plan.workers - seen.pending().length;
    const decided: Task[] = [];
    while (decided.length < room) {
      const task = ashaDecision(plan, options, seen);
      if (!task) break;
      decided.push(task);
      seen.ask([task]);
    }
    return decided;
  },
});
