import { DownhillError, show } from '../gpu/errors.js';
import { checkDevice, checkInteger, checkOptions } from '../gpu/fields.js';
import { checkRule, type Rule } from '../optim/rule.js';
import { checkPoint, checkProblem, type Problem } from '../problems/problem.js';
import { POINT } from '../train/problem-objective.js';
import { minimizeOnCpu } from './on-cpu.js';
import type { CheckedRun, MinimizeOptions, MinimizeRun, Trajectory } from './types.js';

/** Numbers of all ways together: 512 MiB in float64. */
const MOST_NUMBERS = 2 ** 26;
const MAX_SEED = 2 ** 32 - 1;

/**
 * Minimizes an analytic function with an update rule, and gives the whole way.
 *
 * On a device the steps are recorded as a training's are, many to a submit, and the way is read at its end, once. On `'cpu'` it
 * runs on the float64 references of problem and rule, without WebGPU: the same numbers to rounding, as long as the way does not
 * magnify it. Points are where gradients are taken: of schedule-free rules those between the steps' and the average.
 *
 * @param where a device, or `'cpu'`
 * @param options.start where to start; default the problem's own
 * @param options.steps how many steps; default 100
 * @param options.seed of the noise of a noisy problem; default 0
 * @throws DownhillError before any GPU work: OPTION-*, also where a device gets a function of one's own; SHAPE-MISMATCH for a start of another length, HYPER-*, LIMIT-BINDING where
 *   the device cannot hold the way; DEVICE-LOST.
 * @example
 * const way = await minimize('cpu', rosenbrock(), adam({ lr: 0.1 }), { steps: 500 });
 * way.values.at(-1);
 */
export async function minimize(
  where: GPUDevice | 'cpu',
  problem: Problem,
  rule: Rule,
  options: MinimizeOptions = {},
): Promise<Trajectory> {
  checkOptions('minimize', options, ['start', 'steps', 'seed']);
  const { steps, ...run } = options;
  const [way] = await minimizeAll(where, problem, [{ rule, ...run }], { ...(steps !== undefined && { steps }) });
  return way!;
}

/**
 * The same with several rules, starts and seeds: on a device those of one rule, whatever its hyper-parameters, take their steps in
 * the same dispatches.
 *
 * @returns the ways, in the order of `runs`
 * @throws DownhillError as {@link minimize}
 * @example
 * const rates = [0.01, 0.1, 0.9];
 * const ways = await minimizeAll(device, ravine(), rates.map((lr) => ({ rule: sgd({ lr }) })), { steps: 200 });
 */
export async function minimizeAll(
  where: GPUDevice | 'cpu',
  problem: Problem,
  runs: readonly MinimizeRun[],
  options: Pick<MinimizeOptions, 'steps'> = {},
): Promise<Trajectory[]> {
  if (where !== 'cpu') checkDevice("minimize, where it is not 'cpu',", where);
  checkProblem('minimize', problem);
  checkOptions('minimize', options, ['steps']);
  if (!Array.isArray(runs))
    throw new DownhillError('OPTION-TYPE', `runs must be a list, got ${show(runs)}.`, 'Pass [{ rule }].');
  const checked = Array.from(runs, (run: MinimizeRun, i) =>
    checkRun(runs.length > 1 ? `runs[${i}]` : 'minimize', problem, run),
  );
  const numbers = Math.max(problem.n * runs.length, 1);
  const steps = checkInteger('steps', options.steps ?? 100, 1, Math.floor(MOST_NUMBERS / numbers) - 1);
  if (where === 'cpu') {
    // One after the other: all at once, each would take its turn before anything else has one.
    const ways: Trajectory[] = [];
    for (const run of checked) ways.push(await minimizeOnCpu(problem, run, steps));
    return ways;
  }
  const { minimizeOnDevice } = await import('./on-device.js');
  return minimizeOnDevice(where, problem, checked, steps);
}

function checkRun(where: string, problem: Problem, run: MinimizeRun): CheckedRun {
  checkOptions(where, run, ['rule', 'start', 'seed']);
  const rule = checkRule(where, run.rule);
  const { row } = rule;
  if (row.curvature) {
    throw new DownhillError(
      'OPTION-RANGE',
      `${where}: ${row.title} divides by a curvature of labels drawn from a model, and an analytic function has no labels.`,
      'Choose another rule.',
    );
  }
  row.checkTensors?.(where, [{ name: POINT, shape: [problem.n] }]);
  return {
    rule,
    start: checkPoint(`${where}: start`, problem, run.start ?? problem.start),
    seed: checkInteger(`${where}: seed`, run.seed ?? 0, 0, MAX_SEED),
  };
}
