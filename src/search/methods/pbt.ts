import { DownhillError } from '../../gpu/errors.js';
import { integer, number } from '../../gpu/fields.js';
import { defineMethod, type Plan } from '../method.js';
import { sample, unitAt } from '../sample.js';
import { type Params, type Value, valueAt } from '../space.js';
import { compareValues, type History, type Task } from '../trial.js';

interface Options {
  readonly generations: number;
  readonly quantile: number;
  readonly up: number;
  readonly down: number;
  readonly resample: number;
}

/** Random numbers of a generation come behind those of the trial's first parameters. */
const PER_GENERATION = 4096;

const endOf = ({ steps }: Plan, { generations }: Options, generation: number): number =>
  Math.max(generation + 1, Math.round((steps * (generation + 1)) / generations));

/** Others near by: numbers by a factor, within their range; anything anew now and then, and choices only so. */
function explore(
  { space, seed }: Plan,
  { up, down, resample }: Options,
  params: Params,
  trial: number,
  at: number,
): Params {
  const draw = (i: number) => unitAt(seed, trial, PER_GENERATION * (at + 1) + i);
  return Object.fromEntries(
    Object.entries(space).map(([name, parameter], i): [string, Value] => {
      const value = params[name]!;
      if (draw(3 * i) < resample) return [name, valueAt(parameter, draw(3 * i + 1))];
      if (parameter.kind === 'choice') return [name, value];
      const { low, high } = parameter;
      const moved = (value as number) * (draw(3 * i + 2) < 0.5 ? up : down);
      const whole = parameter.kind === 'int' ? Math.round(moved) : Number(moved.toPrecision(6));
      return [name, Math.min(Math.max(whole, low), high)];
    }),
  );
}

/** The next generation: who is among the worst goes on from one of the best. */
function generationAfter(plan: Plan, options: Options, tasks: readonly Task[], at: number, history: History): Task[] {
  const compare = compareValues(plan.direction);
  const entries = tasks.map((task) => history.entry(task)!);
  const order = [...entries].sort((a, b) => compare(a.value, b.value) || a.trial - b.trial);
  const alive = order.filter(({ value }) => value !== null);
  if (alive.length === 0) return [];
  const few = Math.max(1, Math.floor(order.length * options.quantile));
  const best = alive.slice(0, few);
  const worst = new Set(
    [...order.slice(-few), ...order.filter(({ value }) => value === null)].map(({ trial }) => trial),
  );
  for (const { trial } of best) worst.delete(trial);
  return tasks.map(({ trial, params, to: from }): Task => {
    const to = endOf(plan, options, at);
    if (!worst.has(trial)) return { trial, params, from, to };
    const pick = unitAt(plan.seed, trial, PER_GENERATION * (at + 1) + PER_GENERATION - 1);
    const copy = best[Math.floor(pick * best.length)]!.trial;
    const source = tasks.find((task) => task.trial === copy)!.params;
    return { trial, params: explore(plan, options, source, trial, at), from, to, copy };
  });
}

/**
 * Population-based training: all trials train together; at the end of each generation the worst quarter takes over weights, state and
 * parameters of one of the best quarter (exploit), with the parameters moved by a factor of 1.2 or 0.8, or drawn anew (explore). What it finds
 * is a schedule of parameters, in the trial's `lineage`; only what a training can change on the way can be searched so.
 *
 * Paper: Jaderberg et al. 2017, "Population based training of neural networks", https://arxiv.org/abs/1711.09846.
 *
 * @example pbt({ generations: 10 })
 */
export const pbt = defineMethod({
  name: 'pbt',
  title: 'a population whose worst go on from its best, with other parameters',
  together: true,
  paper: 'https://arxiv.org/abs/1711.09846',
  copies: true,
  fields: {
    generations: integer('generations, which share the steps', 8, { min: 2, max: 10_000 }),
    quantile: number('share of the trials that is replaced, and copied', 0.25, { above: 0, max: 0.5 }),
    up: number('factor of a parameter, or', 1.2, { min: 1 }),
    down: number('as likely, this one', 0.8, { above: 0, max: 1 }),
    resample: number('how often a parameter is drawn anew instead', 0.25, { min: 0, max: 1 }),
  },
  check({ trials, steps }, { generations }) {
    if (trials < 2)
      throw new DownhillError('OPTION-RANGE', `pbt is of 2 trials at least, got ${trials}.`, 'Allow 8 or more.');
    if (steps < generations)
      throw new DownhillError(
        'OPTION-RANGE',
        `pbt has ${generations} generations, but trials have ${steps} steps.`,
        `Allow ${generations} steps, or fewer generations.`,
      );
  },
  next(plan, options, history) {
    const { space, seed, trials } = plan;
    const { tasks } = history;
    if (tasks.length === 0)
      return Array.from({ length: trials }, (_, trial) => ({
        ...{ trial, params: sample(space, seed, trial), from: 0, to: endOf(plan, options, 0) },
      }));
    const at = Math.round(tasks.length / trials);
    if (at >= options.generations || history.pending().length > 0) return [];
    return generationAfter(plan, options, tasks.slice(-trials), at, history);
  },
});
