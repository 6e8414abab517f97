import { DownhillError } from '../../gpu/errors.js';
import { integer, number } from '../../gpu/fields.js';
import type { Plan } from '../method.js';
import { compareValues, type Entry, type History, type Task } from '../trial.js';

/* What methods that end trials early share: rungs, and who goes on from one to the next. */

export interface RungOptions {
  readonly eta: number;
  readonly firstRung: number;
}

export const rungFields = (eta: number) => ({
  eta: integer('of so many trials the best one goes on', eta, { min: 2, max: 100 }),
  firstRung: number('share of the steps after which is chosen for the first time', 1 / 16, { above: 0, max: 1 }),
});

/** The steps at which is chosen, the last one the trial's end. A short training has fewer rungs than its options say. */
export function rungSteps(steps: number, { eta, firstRung }: RungOptions): number[] {
  const rungs: number[] = [];
  for (let share = firstRung; share < 1 - 1e-9; share *= eta) {
    const step = Math.max(1, Math.round(steps * share));
    if (step < steps && step !== rungs.at(-1)) rungs.push(step);
  }
  return [...rungs, steps];
}

export function checkRungs(name: string, { trials }: Plan, { eta }: RungOptions): void {
  if (trials >= eta) return;
  throw new DownhillError(
    'OPTION-RANGE',
    `${name} lets one of ${eta} trials go on, but there are ${trials} trials.`,
    `Allow ${eta} trials, or use random.`,
  );
}

/** The best of a rung, at most `count`, best first; those that failed are not among them. */
export function bestOf(entries: readonly Entry[], count: number, { direction }: Plan): Entry[] {
  const compare = compareValues(direction);
  return entries
    .filter(({ value }) => value !== null)
    .sort((a, b) => compare(a.value, b.value) || a.trial - b.trial)
    .slice(0, count);
}

/** A trial's next stretch. */
export function promoted(trial: number, history: History, to: number): Task {
  const last = history.tasksOf(trial).at(-1)!;
  const { params, bracket, rung = 0 } = last;
  return { trial, params, from: last.to, to, rung: rung + 1, ...(bracket !== undefined && { bracket }) };
}

/**
 * Synchronous halving of some trials: the tasks of its next rung. Nothing while one is running, and nothing at the end.
 *
 * @param tasks all that were asked of these trials
 * @param first steps of the first rung, by which of `rungs` this bracket begins
 */
export function nextRung(plan: Plan, eta: number, rungs: readonly number[], tasks: readonly Task[], history: History) {
  const last = Math.max(...tasks.map(({ to }) => to));
  const running = tasks.some((task) => !history.entry(task));
  // Behind the last, whatever a log says that it was: the first again would go on for ever.
  const next = rungs.find((rung) => rung > last);
  if (running || next === undefined) return [];
  const here = tasks.filter(({ to }) => to === last).map((task) => history.entry(task)!);
  const survivors = bestOf(here, Math.max(1, Math.floor(here.length / eta)), plan);
  return survivors.map(({ trial }) => promoted(trial, history, next));
}
