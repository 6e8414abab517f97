/** The ways of update rules down an analytic function of two dimensions: what its chapters have in common. */
import type { Rule } from '../../../src/index.js';
import { functionOf, minimizeAll, type Problem, stepsBelow, type Trajectory } from '../../../src/trajectory/index.js';
import { type Point, quantile, regionAbove } from '../../common/contours.js';
import { OPTIMIZERS, readOptimizers } from '../../common/optimizers.js';
import type { Bench, Curve, Outcome, Panel } from '../chapter.js';

/** Whose way is drawn. */
export const CONTENDERS = ['sgd', 'momentum', 'nesterov', 'adagrad', 'rmsprop', 'adam'] as const;

/** Lines of equal height, and points of the grid that they are found on. */
const LEVELS = 14;
const GRID = 121;
/** Rates that are tried where each rule gets its best: 1e-4 to 1, eight to a decade. Above it AdaGrad flies out and back in. */
export const RATES = Array.from({ length: 33 }, (_, i) => 10 ** (i / 8 - 4));

/** One rule's way. */
export interface Way {
  readonly name: string;
  readonly lr: number;
  readonly trajectory: Trajectory;
}

const ruleOf = (name: string, lr: number): Rule => OPTIMIZERS[name]!.make(lr);

export const contenders = (given: ReadonlyMap<string, string>): readonly string[] => {
  const text = given.get('optimizers');
  return text === undefined ? CONTENDERS : readOptimizers('--optimizers', text);
};

export const SURFACE_FLAGS = {
  optimizers: { value: 'NAMES', help: 'which ones', default: CONTENDERS.join(',') },
} as const;

/** The rate whose way stays below the tolerance soonest, else the one that ends lowest: tried in float64, without the device. */
async function bestRate(problem: Problem, name: string, steps: number, tolerance: number): Promise<number> {
  const runs = RATES.map((lr) => ({ rule: ruleOf(name, lr) }));
  const ways = await minimizeAll('cpu', problem, runs, { steps });
  const scores = ways.map((way) => {
    const end = way.values.at(-1)!;
    return [stepsBelow(way, tolerance).stays ?? Number.POSITIVE_INFINITY, Number.isNaN(end) ? Infinity : end] as const;
  });
  const better = ([a, x]: readonly [number, number], [b, y]: readonly [number, number]) => a < b || (a === b && x < y);
  return RATES[scores.reduce((best, score, i) => (better(score, scores[best]!) ? i : best), 0)]!;
}

/** @param rate of all, or 'best': for each its own, by the steps until f stays within `tolerance` of the minimum */
export async function waysOf(
  { device }: Bench,
  problem: Problem,
  names: readonly string[],
  { steps, rate }: { readonly steps: number; readonly rate: number | { readonly tolerance: number } },
): Promise<Way[]> {
  const rates: number[] = [];
  for (const name of names)
    rates.push(typeof rate === 'number' ? rate : await bestRate(problem, name, steps, rate.tolerance));
  const runs = names.map((name, i) => ({ rule: ruleOf(name, rates[i]!) }));
  const trajectories = await minimizeAll(device, problem, runs, { steps });
  return trajectories.map((trajectory, i) => ({ name: names[i]!, lr: rates[i]!, trajectory }));
}

const spread = (from: number, to: number) =>
  Array.from({ length: GRID }, (_, i) => from + ((to - from) * i) / (GRID - 1));

/** Rings at quantiles of the values, so that each band between them has as much room. */
function contoursOf(problem: Problem): Point[][] {
  const [[x0, x1], [y0, y1]] = problem.row.window;
  const { value } = functionOf(problem);
  const [xs, ys] = [spread(x0, x1), spread(y0, y1)];
  const values = ys.flatMap((y) => xs.map((x) => value([x, y])));
  const rings = Array.from({ length: LEVELS }, (_, i) =>
    regionAbove({ x: xs, y: ys, values }, quantile(values, ((i + 1) / (LEVELS + 1)) ** 1.3)),
  ).flat();
  return rings.map((ring) => [...ring, ring[0]!]);
}

/** The ways on the contours. */
export function wayPanel(problem: Problem, ways: readonly Way[]): Panel {
  const [rangeX, range] = problem.row.window;
  return {
    ...{ title: 'The ways', x: 'x', y: 'y', rangeX, range },
    contours: contoursOf(problem),
    curves: ways.map(({ name, trajectory: { points } }): Curve => {
      const at = (axis: number) => Array.from({ length: points.length / 2 }, (_, i) => points[2 * i + axis]!);
      return { name, x: at(0), y: at(1).map((each) => (Number.isFinite(each) ? each : null)) };
    }),
  };
}

/** Something of every point, by steps. */
export function stepPanel(
  ways: readonly Way[],
  panel: Pick<Panel, 'title' | 'y' | 'logY' | 'range'>,
  of: (trajectory: Trajectory, step: number) => number,
): Panel {
  return {
    x: 'step',
    ...panel,
    curves: ways.map(({ name, trajectory }): Curve => {
      const steps = Array.from(trajectory.values, (_, step) => step);
      const shown = (value: number) => (Number.isFinite(value) ? value : null);
      return { name, x: steps, y: steps.map((step) => shown(of(trajectory, step))) };
    }),
  };
}

export const rateText = (lr: number): string => String(Number(lr.toPrecision(2)));

/** What all have to say of how it was done. */
export const outcomeOf = (
  problem: Problem,
  ways: readonly Way[],
  rest: Pick<Outcome, 'panels' | 'table' | 'claims' | 'notes'>,
): Outcome => ({
  ...rest,
  more: {
    problem: { name: problem.row.name, formula: problem.row.formula, start: problem.start },
    rates: Object.fromEntries(ways.map(({ name, lr }) => [name, lr])),
  },
});
