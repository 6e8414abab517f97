import { createPopulation, type Rule } from '../../src/index.js';
import type { Experiment } from '../experiment/config.js';
import { populationOf } from '../search/setup.js';
import { type Choice, defaultRate, ruleOf } from './members.js';

/* Each rule's rate by a short search: some rates round its default, all rules and rates in one population, from the run's start. */

/** Half decades from a hundredth of the default to ten times it. */
const FACTORS = [0.01, 0.03, 0.1, 0.3, 1, 3, 10] as const;
/** Share of a run, and how many steps at least. */
const [SHARE, LEAST] = [1 / 8, 20] as const;
/** As `LABEL` of together.ts. */
export const TUNING_LABEL = 'compare rates';
/** Of the losses, at the end, that decide. */
const LAST = 0.25;

/** What a search for rates takes, before it is begun. */
export function tuningCost(choices: readonly Choice[], steps: number) {
  const searched = choices.filter(({ name, lr }) => lr === undefined && defaultRate(name) !== undefined);
  const each = Math.min(steps, Math.max(LEAST, Math.ceil(steps * SHARE)));
  return { networks: searched.length * FACTORS.length, rates: FACTORS.length, steps: each };
}

/**
 * @returns a rate for each choice: the one with the lowest mean loss over the last quarter of its steps; undefined where the rule
 * has none, or no rate stayed finite
 */
export async function tuneRates(
  device: GPUDevice,
  experiment: Experiment,
  choices: readonly Choice[],
  { steps, signal, told }: { readonly steps: number; readonly signal: AbortSignal; told(done: number): void },
): Promise<(number | undefined)[]> {
  const tried: { readonly choice: number; readonly lr: number; readonly rule: Rule }[] = [];
  choices.forEach(({ name, lr }, choice) => {
    const usual = defaultRate(name);
    if (lr !== undefined || usual === undefined) return;
    for (const factor of FACTORS) {
      const rate = Number((usual * factor).toPrecision(3));
      tried.push({ choice, lr: rate, rule: ruleOf(name, rate) });
    }
  });
  const rates = choices.map(({ lr }) => lr);
  if (tried.length === 0) return rates;
  const population = await createPopulation(
    device,
    populationOf(
      experiment,
      tried.map(({ rule }) => rule),
      TUNING_LABEL,
    ),
  );
  const sums = new Float64Array(tried.length);
  try {
    for await (const { step, losses } of population.run({ steps, signal })) {
      told(step);
      if (step <= steps * (1 - LAST)) continue;
      for (const [i, loss] of losses.entries()) sums[i]! += loss;
    }
  } finally {
    population.destroy();
  }
  const lowest = rates.map(() => Number.POSITIVE_INFINITY);
  tried.forEach(({ choice, lr }, i) => {
    if (!(sums[i]! < lowest[choice]!)) return;
    lowest[choice] = sums[i]!;
    rates[choice] = lr;
  });
  return rates;
}
