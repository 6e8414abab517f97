/** Trainings of one shape as a population: the same numbers as each by itself, in the dispatches of one. No Node here. */
import { createPopulation, type Population } from '../../src/index.js';
import { due, stopsOf } from './single.js';
import type { Place, Run, RunSpec } from './training.js';

/** @param members of equal model, data, batches, steps and options: they differ in rule and seed */
export async function trainTogether(
  lab: Place,
  members: readonly { readonly spec: RunSpec; readonly seed: number }[],
  told: (step: number, loss: number) => void,
): Promise<Run[]> {
  const { spec } = members[0]!;
  const { model, sampling, batchSize, steps, options, testEvery = 0 } = spec;
  const [data, test] = [spec.data ?? lab.train, spec.test ?? lab.test];
  const population = await createPopulation(lab.device, {
    ...{ model, data, sampling, ...(batchSize !== undefined && { batchSize }), ...options },
    members: members.map(({ spec: { rule }, seed }) => ({ rule: rule(), seed })),
  });
  const runs = members.map(
    ({ seed }): Run => ({
      ...{ seed, losses: [], lrs: [], seconds: [], after: [], tests: [], validations: [] },
      stepsPerEpoch: population.stepsPerEpoch,
    }),
  );
  try {
    for (const [from, to] of stopsOf(steps, [testEvery])) {
      if (lab.signal.aborted) break;
      await advance(population, runs, to - from, lab.signal, told);
      if (population.step < to) break;
      if (due(to, steps, testEvery))
        for (const [i, each] of (await tested(population, test)).entries()) runs[i]!.tests.push(each);
    }
    if (population.step === 0 || spec.tried) return runs;
    const finals = await tested(population, test);
    return runs.map((run, i) => ({ ...run, final: finals[i]! }));
  } finally {
    population.destroy();
  }
}

async function tested(population: Population, test: Place['test']) {
  const { step, losses, accuracies } = await population.evaluate(test);
  return Array.from(losses, (loss, i) => ({ step, loss, accuracy: accuracies?.[i] }));
}

async function advance(
  population: Population,
  runs: readonly Run[],
  steps: number,
  signal: AbortSignal,
  told: (step: number, loss: number) => void,
): Promise<void> {
  const before = runs[0]!.seconds.at(-1) ?? 0;
  const start = performance.now();
  try {
    for await (const { step, losses, lrs } of population.run({ steps, signal })) {
      const now = before + (performance.now() - start) / 1000;
      for (const [i, run] of runs.entries()) {
        run.losses.push(losses[i]!);
        run.lrs.push(lrs[i]!);
        run.seconds.push(now);
      }
      told(step, losses[0]!);
    }
  } catch (error) {
    if (!signal.aborted || error !== signal.reason) throw error;
  }
}
