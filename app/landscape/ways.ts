import { referenceDescent } from '../../src/reference/index.js';
import { curvaturesOf, functionOf, minimizeAll, type Problem, type Trajectory } from '../../src/trajectory/index.js';
import { problemOf as wordsOf } from '../shell/problem.js';
import { CONTENDERS, type Contender } from './contenders.js';
import { type FunctionChoice, OWN, problemOf } from './functions.js';

/* The ways of all contenders down a function, in float64 and without WebGPU. Nothing of the page here: a worker runs it. */

/** Where the rates come from: the best of a few for each; each rule's own default; one for all. */
export type RateMode = 'tuned' | 'default' | 'equal';

export interface WaysJob {
  readonly function: FunctionChoice;
  readonly start: readonly [number, number];
  readonly steps: number;
  /** Of the noise. */
  readonly seed: number;
  /** What f is to get below, above its lowest value. */
  readonly tolerance: number;
  readonly mode: RateMode;
  /** The rate of all, where they are equal. */
  readonly lr: number;
  /** Rates that a person typed, by contender. */
  readonly own: Readonly<Record<string, number>>;
}

/** Where one contender went, and what came of it. */
export interface Way {
  readonly key: string;
  readonly lr: number | undefined;
  readonly steps: number;
  /** [steps + 1, 2], the start first. */
  readonly points: Float64Array;
  readonly values: Float64Array;
  /** Steps until it is at the goal for the first time, and until it stays there. */
  readonly first: number | undefined;
  readonly stays: number | undefined;
  readonly diverged: boolean;
  /** Why it ended by itself. */
  readonly stopped: Trajectory['stopped'];
}

export interface Ways {
  readonly ways: readonly Way[];
  /** Contenders that have no way here, and why. */
  readonly failed: readonly (readonly [key: string, why: string])[];
  readonly goal: Goal;
  /** Those that are known, or of a formula that were found. */
  readonly minima: Problem['minima'];
  /** Where the curvatures are taken. */
  readonly at: 'minimum' | 'saddle' | 'start';
  readonly curvatures: ReturnType<typeof curvaturesOf>;
  readonly milliseconds: number;
}

/** A value to get below, or, where there is no minimum, a distance from the saddle's ridge. */
export type Goal =
  | { readonly kind: 'below'; readonly value: number; readonly lowest: number }
  | { readonly kind: 'beyond'; readonly distance: number }
  | { readonly kind: 'none' };

/** Two to a decade, from 0.001 to 10. */
export const RATES: readonly number[] = Array.from({ length: 9 }, (_, i) => 10 ** (i / 2 - 3));
/** A rate is judged by so many of the steps. */
const TRIAL_STEPS = 200;

/** @param cancelled whether nobody waits for the result any longer */
export async function waysOf(job: WaysJob, cancelled: () => Promise<boolean>): Promise<Ways | undefined> {
  const begun = performance.now();
  const problem = await problemFor(job);
  const goal = goalOf(problem, job.tolerance);
  const ways: Way[] = [];
  const failed: [string, string][] = [];
  for (const contender of CONTENDERS) {
    if (await cancelled()) return undefined;
    try {
      const lr = contender.rated ? await rateOf(contender, problem, goal, job) : undefined;
      ways.push(wayOf(contender.key, await go(contender, problem, lr, job), goal));
    } catch (error) {
      failed.push([contender.key, wordsOf(error).message]);
    }
  }
  const { minima, saddles } = problem;
  return {
    ...{ ways, failed, goal, minima, curvatures: curvaturesOf(problem) },
    at: minima.length > 0 ? 'minimum' : saddles.length > 0 ? 'saddle' : 'start',
    milliseconds: performance.now() - begun,
  };
}

/** With the minimum that a formula's minimizers find from the start, where they do. */
async function problemFor(job: WaysJob): Promise<Problem> {
  const problem = problemOf(job.function, job.start);
  if (job.function.name !== OWN) return problem;
  const ends: { x: number[]; value: number }[] = [];
  for (const contender of CONTENDERS.filter(({ rated }) => !rated)) {
    const { stopped, points, values } = await go(contender, problem, undefined, job);
    const x = [...points.slice(-2)];
    // A saddle has no slope, either.
    if (stopped === 'gradient' && curvaturesOf(problem, x).eigenvalues[1]! >= 0)
      ends.push({ x, value: values.at(-1)! });
  }
  const [lowest] = ends.sort((a, b) => a.value - b.value);
  return lowest ? problemOf(job.function, job.start, [lowest]) : problem;
}

type Walked = Pick<Trajectory, 'steps' | 'points' | 'values' | 'lr' | 'stopped'>;

async function go(contender: Contender, problem: Problem, lr: number | undefined, job: WaysJob): Promise<Walked> {
  const { start, seed, steps } = job;
  if (!contender.rule) return descend(problem, start, steps);
  const [way] = await minimizeAll('cpu', problem, [{ rule: contender.rule(lr), start, seed }], { steps });
  return way!;
}

/** Gradient descent that searches for the length of each step. */
function descend(problem: Problem, start: readonly [number, number], steps: number): Walked {
  const { value, gradient } = functionOf(problem);
  const objective = (x: Float64Array) => ({ value: value(x), gradient: gradient(x) });
  const { rounds, stopped } = referenceDescent(objective, start, { rounds: steps });
  const way = [{ x: Float64Array.from(start), value: value(start) }, ...rounds];
  return {
    ...{ steps: rounds.length, lr: Float64Array.from(rounds, ({ step }) => step), stopped },
    points: Float64Array.from(way.flatMap(({ x }) => [...x])),
    values: Float64Array.from(way, (each) => each.value),
  };
}

async function rateOf(contender: Contender, problem: Problem, goal: Goal, job: WaysJob): Promise<number | undefined> {
  const own = job.own[contender.key];
  if (own !== undefined) return own;
  if (job.mode === 'equal') return job.lr;
  return job.mode === 'tuned' ? bestRate(contender, problem, goal, job) : undefined;
}

/**
 * The rate with which a way is at the goal for good soonest, or else ends lowest: of those that stay near the picture, where there
 * are such.
 */
async function bestRate({ key, rule }: Contender, problem: Problem, goal: Goal, job: WaysJob): Promise<number> {
  const { start, seed, steps } = job;
  const runs = RATES.map((lr) => ({ rule: rule!(lr), start, seed }));
  const ways = await minimizeAll('cpu', problem, runs, { steps: Math.min(steps, TRIAL_STEPS) });
  const scores = ways.map((way) => {
    const { stays, values, diverged } = wayOf(key, way, goal);
    // Without a bottom, who falls fastest is none the better for it.
    const end = goal.kind === 'beyond' || diverged ? Number.POSITIVE_INFINITY : values.at(-1)!;
    const far = goal.kind !== 'beyond' && leaves(way.points, problem, job.start);
    return [far ? 1 : 0, stays ?? Number.POSITIVE_INFINITY, end] as const;
  });
  const best = scores.reduce((least, score, i) => (precedes(score, scores[least]!) ? i : least), 0);
  return RATES[best]!;
}

/** Whether a way goes farther off than half a picture's width beside it. */
function leaves(points: ArrayLike<number>, { row }: Problem, start: readonly number[]): boolean {
  return row.window.some(([from, to], axis) => {
    const [low, high] = [Math.min(from, start[axis]!), Math.max(to, start[axis]!)];
    const room = (high - low) / 2;
    for (let i = axis; i < points.length; i += 2)
      if (!(points[i]! > low - room && points[i]! < high + room)) return true;
    return false;
  });
}

/** By the first number that differs. */
function precedes(a: readonly number[], b: readonly number[]): boolean {
  const i = a.findIndex((value, at) => value !== b[at]);
  return i >= 0 && a[i]! < b[i]!;
}

function goalOf({ minima, saddles }: Problem, tolerance: number): Goal {
  const [minimum] = minima;
  if (minimum) return { kind: 'below', value: minimum.value + tolerance, lowest: minimum.value };
  return saddles.length > 0 ? { kind: 'beyond', distance: 1 } : { kind: 'none' };
}

function wayOf(key: string, { steps, points, values, lr, stopped }: Walked, goal: Goal): Way {
  const there = Array.from(values, (value, step) =>
    goal.kind === 'below'
      ? value < goal.value
      : goal.kind === 'beyond' && Math.abs(points[2 * step + 1]!) > goal.distance,
  );
  const first = there.indexOf(true);
  const last = there.lastIndexOf(false);
  return {
    ...{ key, steps, stopped, points: points as Float64Array, values: values as Float64Array },
    lr: lr.length > 0 ? lr[0] : undefined,
    first: first < 0 ? undefined : first,
    stays: last === there.length - 1 ? undefined : last + 1,
    diverged: diverged(values, goal),
  };
}

/** Not finite, or in the end three times as far above the lowest value as at the start. */
function diverged(values: ArrayLike<number>, goal: Goal): boolean {
  const [start, end] = [values[0]!, values[values.length - 1]!];
  if (Number.isNaN(end) || end === Number.POSITIVE_INFINITY) return true;
  const lowest = goal.kind === 'below' ? goal.lowest : 0;
  return end > start && end - lowest > 3 * Math.max(Math.abs(start - lowest), 1e-12);
}
