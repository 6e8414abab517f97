/** The losses every contender of a training scenario must give: those of the float64 reference. */
import { mlp } from '../../../src/index.js';
import { type ReferenceRule, referenceMlp, referenceRules, referenceState } from '../../../src/reference/index.js';
import type { Check, StepPeer, StepTask } from '../contract.js';
import { stepFlops } from './tasks.js';

/**
 * Relative difference allowed to a loss. Sums of up to 1024 products in f32, in whatever order a library takes them, and
 * some updates on top, leave 1e-6 and less; a wrong formula, a wrong mean or a forgotten bias shows in the second digit.
 */
const LOSS_TOLERANCE = 1e-4;
/** Seconds of float64 on one core are fair for a check, minutes are not: beyond, two steps say whether a step is right. */
const MANY_FLOPS = 1e9;

export interface ExpectedLosses {
  compare(peer: Pick<StepPeer, 'losses'>): Promise<Check>;
}

/** Computed when it is first asked for, once for all contenders. */
export function expectedLosses(task: StepTask, quick: boolean): ExpectedLosses {
  const usual = quick ? 5 : 10;
  const steps = stepFlops(task.sizes, task.batchSize) > MANY_FLOPS ? 2 : usual;
  let expected: number[] | undefined;
  return {
    async compare(peer) {
      expected ??= referenceRun(task, steps);
      return compareLosses(await peer.losses(steps), expected);
    },
  };
}

export function compareLosses(losses: readonly number[], expected: readonly number[]): Check {
  const errors = expected.map((loss, i) => Math.abs(losses[i]! - loss) / Math.max(Math.abs(loss), 1e-3));
  const worst = Math.max(...errors); // NaN where one is
  const limit = LOSS_TOLERANCE.toExponential(0);
  return {
    ok: losses.length === expected.length && worst <= LOSS_TOLERANCE,
    detail: `losses of ${expected.length} steps within ${worst.toExponential(1)} of float64 (limit ${limit})`,
  };
}

function referenceRun(task: StepTask, steps: number): number[] {
  const model = mlp({ sizes: task.sizes, activation: 'relu', loss: task.loss });
  const net = referenceMlp(model);
  const rule = (referenceRules as Readonly<Record<string, ReferenceRule>>)[task.rule]!;
  const parameters = task.weights.flatMap(({ w, b }) => [new Float64Array(w), new Float64Array(b)]);
  const states = parameters.map(({ length }) => referenceState(rule, length));
  const { x, labels, values } = task.batches[0]!;
  const losses: number[] = [];
  for (let t = 1; t <= steps; t++) {
    const { loss, gradients } = net.lossAndGradients(parameters, x, (labels ?? values)!, task.batchSize);
    losses.push(loss);
    for (const [i, parameter] of parameters.entries()) {
      rule.update(parameter, gradients[i]!, states[i]!, t, { lr: task.lr });
    }
  }
  return losses;
}
