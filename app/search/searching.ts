import type { TrainConfig } from '../../harness/train/config.js';
import { trainerOptions } from '../../harness/train/job.js';
import { scheduleOf } from '../../harness/train/schedule.js';
import type { Rule, TrainerOptions } from '../../src/index.js';
import {
  memoryLog,
  methods,
  type Params,
  type SearchEvent,
  type SearchResult,
  search,
  type TrainingMetric,
  type Trial,
  training,
  trialsOf,
} from '../../src/search/index.js';
import { configOf, type Experiment, readExperiment } from '../experiment/config.js';
import type { FileChooser } from '../experiment/files.js';
import { parse, type Texts } from '../experiment/settings.js';
import type { SearchPlan } from './cost.js';
import { trialTexts } from './space.js';

/* One search: from the form's experiment to trials. Its log is all that it is: it goes on from there, here or from a file. */

/** Share of the training part that trials are judged by, where the experiment holds out none: the command line's. */
const HELD_OUT = '0.2';

/** What a search is of. */
export interface SearchOf extends SearchPlan {
  readonly metric: TrainingMetric;
  /** The experiment that trials are made of. */
  readonly texts: Texts;
}

/** The settings that trials have in common, with a part held out to judge them by. */
export const judgedTexts = (texts: Texts): Texts =>
  (texts.validation ?? '').trim() === '' ? { ...texts, validation: HELD_OUT } : texts;

/** Reads the data. @throws PageError, DownhillError */
export async function experimentFor({ texts }: SearchOf, files: FileChooser): Promise<Experiment> {
  const { settings, problems } = parse(judgedTexts(texts));
  if (!settings) throw [...problems.values()][0];
  return readExperiment(settings, files);
}

/** The configuration of one trial. @throws DownhillError where its parameters make none */
export function trialConfig(texts: Texts, params: Params, { config, data }: Experiment): TrainConfig {
  const { settings, problems } = parse(trialTexts(judgedTexts(texts), params));
  if (!settings) throw [...problems.values()][0];
  const { sizes } = config.model;
  return configOf(settings, { features: data.train.features, classes: sizes.at(-1)! }, config.data);
}

function objectiveOf({ texts, metric, steps }: SearchOf, experiment: Experiment) {
  const { config, data } = experiment;
  let last: { readonly key: string; readonly options: TrainerOptions } | undefined;
  const of = (params: Params): TrainerOptions => {
    const key = JSON.stringify(params);
    if (last?.key === key) return last.options;
    const own = trialConfig(texts, params, experiment);
    const options = trainerOptions(own, data, scheduleOf(own, steps)) as TrainerOptions;
    last = { key, options };
    return options;
  };
  const { data: _, seed: __, in: ___, epochs: ____, ...identity } = config;
  return training({
    model: (params) => of(params).model,
    rule: (params) => of(params).rule as Rule,
    data: data.train,
    validation: data.validation!,
    batchSize: (params) => of(params).batchSize ?? data.train.samples,
    ...(config.sampling && { sampling: config.sampling }),
    metric,
    more: (params) => {
      const { wrappers, penalty, clip, augment, dropLast } = of(params);
      return {
        ...(wrappers && { wrappers }),
        ...(penalty && { penalty }),
        ...(clip && { clip }),
        ...(augment && { augment }),
        ...(dropLast && { dropLast }),
      };
    },
    identity,
  });
}

/** A search with its log. */
export class Searching {
  readonly log: ReturnType<typeof memoryLog>;
  /** Nothing is left to do. */
  ended: boolean;

  /** @param text of a log to go on with */
  constructor(
    readonly of: SearchOf,
    text = '',
    ended = false,
  ) {
    this.log = memoryLog(text);
    this.ended = ended;
  }

  get trials(): readonly Trial[] {
    if (this.log.text === '') return [];
    const { trials } = trialsOf(this.log.text);
    // A log alone does not tell who was given up from who waits.
    return this.ended
      ? trials.map((trial) => (trial.state === 'running' ? { ...trial, state: 'pruned' } : trial))
      : trials;
  }

  /**
   * Begins or goes on; what is done is in the log, however it ends.
   *
   * @throws DownhillError; the signal's reason
   */
  async run(
    device: GPUDevice,
    experiment: Experiment,
    signal: AbortSignal,
    onEvent: (event: SearchEvent) => void,
  ): Promise<SearchResult> {
    const { space, method, trials, steps, seed } = this.of;
    const result = await search(device, {
      ...{ space, method: methods[method](), seed, budget: { trials, steps }, seeds: [experiment.config.seed] },
      ...{ objective: objectiveOf(this.of, experiment), log: this.log, signal, onEvent },
    });
    this.ended = true;
    return result;
  }
}
