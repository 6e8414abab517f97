/** What the trials of a search train, from their configurations. No Node here: a page imports this. */
import { DownhillError, minimizers, type Rule, resolveRule, rules } from '../../src/index.js';
import { type Params, type TrainingMetric, type TrainingObjective, training } from '../../src/search/index.js';
import type { TrainConfig } from '../train/config.js';
import type { JobData } from '../train/data.js';
import { modelOf } from '../train/model.js';
import { scheduleOf } from '../train/schedule.js';
import { wrapperOf } from '../train/wrap.js';

/** Trials are trained side by side, which rules cannot be that look at their loss at points of their own. */
export function checkSearchable({ optimizer: { name } }: Pick<TrainConfig, 'optimizer'>): void {
  if (!Object.hasOwn(minimizers, name)) return;
  throw new DownhillError(
    'OPTION-RANGE',
    `${name} finds the length of its steps itself, and cannot be trained beside others.`,
    `Take another --optimizer, or run downhill train --optimizer ${name} by itself.`,
  );
}

/** The update rule of a configuration that is trained for so many steps. @throws DownhillError OPTION-RANGE for a minimizer */
export function ruleOf(config: TrainConfig, steps: number): Rule {
  checkSearchable(config);
  const schedule = scheduleOf(config, steps);
  const { name, hyper } = config.optimizer;
  return resolveRule(rules, name, schedule ? { ...hyper, lr: schedule } : hyper);
}

export interface ObjectiveParts {
  /** Of a trial with no parameters of its own. */
  readonly config: TrainConfig;
  readonly data: JobData;
  readonly metric: TrainingMetric;
  /** Of a trial that is trained to its end. */
  readonly steps: number;
  /** The configuration of a trial. @throws DownhillError where its parameters make none */
  readonly of: (params: Params) => TrainConfig;
}

export function objectiveFrom(parts: ObjectiveParts): TrainingObjective {
  const { config, data, metric, steps } = parts;
  let last: { readonly key: string; readonly config: TrainConfig } | undefined;
  const of = (params: Params): TrainConfig => {
    const key = JSON.stringify(params);
    if (last?.key !== key) last = { key, config: parts.of(params) };
    return last.config;
  };
  const { data: _, seed: __, in: ___, ...identity } = config;
  return training({
    model: (params) => modelOf(of(params)),
    rule: (params) => ruleOf(of(params), steps),
    data: data.train,
    validation: data.validation!,
    batchSize: (params) => of(params).batchSize ?? data.train.samples,
    sampling: config.sampling,
    metric,
    more: (params) => {
      const { wrappers, penalty, clip, augment, dropLast } = of(params);
      return {
        ...(wrappers && { wrappers: wrappers.map(wrapperOf) }),
        ...(penalty && { penalty }),
        ...(clip && { clip }),
        ...(augment && { augment }),
        ...(dropLast && { dropLast }),
      };
    },
    identity,
  });
}
