import { makeGroups } from '../../src/optim/groups.js';
import { checkOptimizerOptions } from '../../src/optim/optimizer-options.js';
import type { Rule } from '../../src/optim/rule.js';
import type { Problem } from '../../src/problems/problem.js';
import { problems } from '../../src/problems/rows.gen.js';
import { POINT, problemObjective } from '../../src/train/problem-objective.js';
import { Program } from '../../src/train/program.js';
import type { StepResult } from '../../src/train/step-columns.js';

/*
 * The 14 problems of shared/research/search-and-second-order.md, section 1.4, each with the counts there of T = 4 and T = 8
 * in float32: iterations to max|g| 1e-5, or to where float32 ends ('flat'). The samples of the logistic regression are others here than
 * there, so its value is that of the float64 reference; it takes fewer.
 */

export interface LbfgsCase {
  readonly problem: Problem;
  readonly start?: readonly number[];
  /** What it ends at: the value of the minimum. */
  readonly value: number;
  /** Iterations with 4 trials, and with 8. */
  readonly four: number;
  readonly eight: number;
}

export const lbfgsCases: Readonly<Record<string, LbfgsCase>> = {
  'Rosenbrock (2)': { problem: problems.rosenbrock(), value: 0, four: 32, eight: 33 },
  'Rosenbrock (10)': { problem: problems.rosenbrock({ n: 10 }), value: 0, four: 36, eight: 28 },
  'Rosenbrock (100)': { problem: problems.rosenbrock({ n: 100 }), value: 0, four: 31, eight: 33 },
  'Freudenstein-Roth': { problem: problems.freudensteinRoth(), value: 48.98425, four: 15, eight: 13 },
  Beale: { problem: problems.beale(), start: [1, 1], value: 0, four: 14, eight: 11 },
  'helical valley': { problem: problems.helicalValley(), value: 0, four: 26, eight: 25 },
  'Powell singular': { problem: problems.powellSingular(), value: 0, four: 36, eight: 30 },
  Wood: { problem: problems.wood(), value: 0, four: 69, eight: 68 },
  'Biggs EXP6': { problem: problems.biggsExp6(), value: 5.6557e-3, four: 38, eight: 34 },
  'variably dimensioned (10)': { problem: problems.variablyDimensioned(), value: 0, four: 12, eight: 8 },
  'trigonometric (10)': { problem: problems.trigonometric(), value: 2.795e-5, four: 26, eight: 29 },
  'penalty I (10)': { problem: problems.penaltyI(), value: 7.088e-5, four: 40, eight: 36 },
  'x²/64 + y²': { problem: problems.ravine(), start: [-8, 1], value: 0, four: 6, eight: 6 },
  'logistic regression': { problem: problems.logisticRegression(), value: 0.33287, four: 28, eight: 28 },
};

/** A problem with a minimizer, as a program. */
export function problemProgram(
  device: GPUDevice,
  rule: Rule,
  { problem, start }: Pick<LbfgsCase, 'problem' | 'start'>,
  more: object = {},
): Promise<Program> {
  const tensors = [{ name: POINT, frozen: false, rules: [rule] }];
  return Program.create(device, {
    label: 'test',
    objective: problemObjective(problem, ...(start ? [start] : [])),
    row: rule.row,
    groups: makeGroups(tensors, false),
    settings: checkOptimizerOptions({}),
    seeds: [0],
    submitMs: 1000,
    ...more,
  });
}

/** Runs a program to its end, or for so many steps. */
export async function runOut(program: Program, most = 1000): Promise<StepResult[]> {
  const results: StepResult[] = [];
  while (results.length < most && !program.updater.stopped) {
    const flight = program.scheduler.submit(most - results.length);
    if (!flight) break;
    results.push(...(await flight.results));
  }
  return results;
}
