import { DownhillError } from '../../gpu/errors.js';
import type { Rule } from '../../optim/rule.js';
import { createPopulation, populationMemory } from '../../train/population.js';
import type { PopulationOptions } from '../../train/population-types.js';
import { createTrainer } from '../../train/trainer.js';
import type { TrainerOptions } from '../../train/types.js';

export interface RateOptions extends Pick<TrainerOptions, 'model' | 'data' | 'batchSize' | 'sampling' | 'label'> {
  readonly seed: number;
  readonly plan: 'pinned';
}

interface Watched {
  readonly signal: AbortSignal | undefined;
  readonly onStep: (done: number, of: number) => void;
}

/**
 * Trains one network with each of some rules, from the same start with the same batches: all together where they can be, else in turn.
 *
 * @returns losses of each step, by rule, up to the first that is not finite
 */
export async function trainRates(
  device: GPUDevice,
  options: RateOptions,
  rules: readonly Rule[],
  steps: number,
  watched: Watched,
): Promise<number[][]> {
  const { seed, ...rest } = options;
  const together: PopulationOptions = { ...rest, members: rules.map((rule) => ({ rule, seed })) };
  try {
    populationMemory(device, together);
  } catch (error) {
    if (!(error instanceof DownhillError)) throw error;
    return inTurn(device, options, rules, steps, watched);
  }
  const population = await createPopulation(device, together);
  const all: number[][] = rules.map(() => []);
  try {
    for await (const { step, losses } of population.run({ steps, ...signalOf(watched) })) {
      for (const [i, loss] of losses.entries()) if (Number.isFinite(all[i]!.at(-1) ?? 0)) all[i]!.push(loss);
      watched.onStep(step * rules.length, rules.length * steps);
    }
  } finally {
    population.destroy();
  }
  return all;
}

const signalOf = ({ signal }: Watched) => (signal ? { signal } : {});

async function inTurn(
  device: GPUDevice,
  options: RateOptions,
  rules: readonly Rule[],
  steps: number,
  watched: Watched,
): Promise<number[][]> {
  const all: number[][] = [];
  for (const [i, rule] of rules.entries()) {
    const trainer = await createTrainer(device, { ...options, rule });
    const losses: number[] = [];
    try {
      for await (const { step, loss } of trainer.run({ steps, ...signalOf(watched) })) {
        losses.push(loss);
        watched.onStep(i * steps + step, rules.length * steps);
        if (!Number.isFinite(loss)) break;
      }
    } finally {
      trainer.destroy();
    }
    all.push(losses);
  }
  return all;
}
