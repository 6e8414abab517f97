/** The ways of a picture: each optimizer's, at a rate that is given or the best of a grid. */
import { type MinimizeRun, minimizeAll, stepsBelow, stepsBeyond, type Trajectory } from '../../src/trajectory/index.js';
import type { Contender, LandscapeCommand } from './options.js';

/** One optimizer's way, and what came of it. */
export interface Way {
  readonly name: string;
  /** Of a rule: minimizers find their own. */
  readonly lr: number | undefined;
  readonly trajectory: Trajectory;
  readonly final: { readonly x: readonly [number, number]; readonly value: number };
  /** Steps until f is below the tolerance for the first time, and until it stays there; where there is a minimum. */
  readonly first: number | undefined;
  readonly stays: number | undefined;
  /** Steps until |y| > 1, where there is none. */
  readonly left: number | undefined;
}

/** 1e-4 to 10, eight to a decade. */
export const GRID: readonly number[] = Array.from({ length: 41 }, (_, i) => 10 ** (i / 8) / 1e4);

/** The rate of the grid with which a contender's way stays below the tolerance soonest, or else ends lowest; in float64. */
async function bestRate(contender: Contender, command: LandscapeCommand): Promise<number> {
  const { problem, steps, tolerance } = command;
  const runs = GRID.map((lr) => runOf(contender, lr, command));
  const ways = await minimizeAll('cpu', problem, runs, { steps });
  const scores = ways.map((way) => {
    const end = way.values.at(-1)!;
    return {
      stays: stepsBelow(way, tolerance).stays ?? Number.POSITIVE_INFINITY,
      end: Number.isNaN(end) ? Infinity : end,
    };
  });
  const best = scores.reduce((least, score, i) => {
    const other = scores[least]!;
    return score.stays < other.stays || (score.stays === other.stays && score.end < other.end) ? i : least;
  }, 0);
  return GRID[best]!;
}

const runOf = (contender: Contender, lr: number, { start, seed }: LandscapeCommand): MinimizeRun => ({
  rule: contender.rule(lr),
  ...{ start, seed },
});

/** @param where 'cpu', or the device of `--in node` */
export async function waysOf(command: LandscapeCommand, where: GPUDevice | 'cpu'): Promise<Way[]> {
  const { problem, contenders, steps, tolerance } = command;
  const rateOf = async (each: Contender, i: number) =>
    each.rated ? (command.rates?.[i] ?? (await bestRate(each, command))) : undefined;
  const rates = await Promise.all(contenders.map(rateOf));
  const runs = contenders.map((contender, i) => runOf(contender, rates[i] ?? 1, command));
  const trajectories = await minimizeAll(where, problem, runs, { steps });
  return trajectories.map((trajectory, i) => {
    const { points, values } = trajectory;
    const known = problem.minima.length > 0;
    return {
      ...{ name: contenders[i]!.name, lr: rates[i], trajectory },
      final: { x: [points.at(-2)!, points.at(-1)!], value: values.at(-1)! },
      ...(known ? stepsBelow(trajectory, tolerance) : { first: undefined, stays: undefined }),
      left: known ? undefined : stepsBeyond(trajectory, 1, 1),
    };
  });
}
