import { DownhillError, show } from '../gpu/errors.js';
import { inTurns } from '../gpu/turns.js';
import { hyperAt, isSteady, type Rule } from '../optim/rule.js';
import type { Problem } from '../problems/problem.js';
import { type ReferenceRule, type ReferenceTensor, referenceState, referenceStep } from '../reference/rule.js';
import { functionOf } from './function.js';
import type { CheckedRun, Trajectory } from './types.js';

/** A way in float64: the references of problem and rule. They are loaded here, so that a page has them only with `'cpu'`. */
export async function minimizeOnCpu(problem: Problem, run: CheckedRun, steps: number): Promise<Trajectory> {
  if (run.rule.row.minimizer) return minimizerOnCpu(problem, run, steps);
  return inTurns(wayOf(problem, await referenceOf(run.rule), run, steps));
}

function* wayOf(
  problem: Problem,
  reference: ReferenceRule,
  { rule, start, seed }: CheckedRun,
  steps: number,
): Generator<void, Trajectory, void> {
  const { n } = problem;
  const { value, gradient } = functionOf(problem);
  const points = new Float64Array((steps + 1) * n);
  const values = new Float64Array(steps + 1);
  const lr = new Float64Array(steps);
  const shape = [n];
  const param = Float64Array.from(start);
  let state: ReferenceTensor['state'] | undefined;
  const steady = isSteady(rule) ? (hyperAt(rule, 0) as Readonly<Record<string, unknown>>) : undefined;
  points.set(param);
  values[0] = value(param);
  for (let step = 0; step < steps; step++) {
    const hyper = steady ?? (hyperAt(rule, step) as Readonly<Record<string, unknown>>);
    // Slots of a whole run, as a device has them: those of its first settings.
    state ??= referenceState(reference, shape, hyper);
    lr[step] = (hyper as { readonly lr: number }).lr;
    const tensor = { shape, param, grad: gradient(param, { seed, step }), state };
    referenceStep(reference, [tensor], step + 1, hyper);
    points.set(param, (step + 1) * n);
    values[step + 1] = value(param);
    yield;
  }
  return { problem, rule, steps, points, values, lr };
}

/** The same of a rule that looks at several points for a step: its rounds are the steps. */
async function minimizerOnCpu(problem: Problem, { rule, start }: CheckedRun, most: number): Promise<Trajectory> {
  const { referenceMinimizers } = await import('../reference/minimizers.js');
  const reference = referenceMinimizers[rule.row.name];
  const hyper = rule.hyper as Readonly<Record<string, unknown>>;
  // Batches that differ are no problem's.
  if (!reference || hyper.stochastic === true) throw noReference(rule.row.name);
  const { value, gradient, product } = functionOf(problem);
  const objective = (x: Float64Array) => ({
    ...{ value: value(x), gradient: gradient(x) },
    product: (v: Float64Array) => product(x, v),
  });
  const { rounds, stopped } = reference(objective, start, { ...hyper, rounds: most });
  const way = [{ x: start, value: value(start) }, ...rounds];
  return {
    ...{ problem, rule, steps: rounds.length },
    points: Float64Array.from(way.flatMap(({ x }) => [...x])),
    values: Float64Array.from(way, (each) => each.value),
    // Newton's method has no rate: its step is the model's own.
    lr: new Float64Array(rounds.length).fill((hyper.lr as number | undefined) ?? 1),
    ...(stopped && { stopped }),
  };
}

const noReference = (name: string) =>
  new DownhillError(
    'OPTION-RANGE',
    `There is no float64 way of the rule ${show(name)} by steps: its reference, where there is one, goes by directions.`,
    "Pass a device in place of 'cpu', or call its reference of downhill/reference.",
  );

async function referenceOf({ row }: Rule): Promise<ReferenceRule> {
  const { referenceRules } = await import('../reference/rules.gen.js');
  const own = (referenceRules as Readonly<Record<string, ReferenceRule>>)[row.name];
  if (own) return own;
  throw noReference(row.name);
}
