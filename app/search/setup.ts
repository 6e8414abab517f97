import type { HyperValue } from '../../harness/train/config.js';
import type { PopulationOptions, Rule, TrainerOptions } from '../../src/index.js';
import { type Experiment, readExperiment } from '../experiment/config.js';
import { optionsOf } from '../experiment/options.js';
import { PageError } from '../shell/problem.js';
import type { Lab } from '../shell/views.js';

/* The experiment's form, with its data, for what trains more than one network of it. */

/** @throws PageError while a setting is wrong; what is wrong with files */
export async function setupOf(lab: Lab): Promise<Experiment> {
  const { settings } = lab.form;
  if (settings) return readExperiment(settings, lab.files);
  lab.form.focusProblem();
  throw new PageError('A setting of the experiment is wrong.', 'Change the one that is marked.');
}

/** The same experiment with another rule; a schedule goes by its rate. */
export const withRule = (experiment: Experiment, { row, hyper }: Rule): Experiment => ({
  ...experiment,
  config: { ...experiment.config, optimizer: { name: row.name, hyper: hyper as Record<string, HyperValue> } },
});

/** A population of the experiment: a member for each rule, all of one start on the same batches, as a run of the Train view. */
export function populationOf(experiment: Experiment, rules: readonly Rule[], label: string): PopulationOptions {
  const { rule: _, seed, plan: __, ...shared } = optionsOf(experiment);
  const members = rules.map((rule) => {
    const { rule: scheduled } = optionsOf(withRule(experiment, rule)) as { readonly rule: Rule };
    return { rule: scheduled, seed: seed ?? 0 };
  });
  return { ...(shared as Omit<PopulationOptions, 'members'>), members, plan: 'pinned', label };
}

/** What a range test takes of the experiment. */
export function rangeOf(experiment: Experiment) {
  const { model, data, batchSize, sampling, seed } = optionsOf(experiment) as TrainerOptions & PopulationOptions;
  return { model, data, ...(batchSize !== undefined && { batchSize }), ...(sampling && { sampling }), seed: seed ?? 0 };
}
