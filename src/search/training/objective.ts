import type { Dataset } from '../../data/dataset.js';
import { fingerprint } from '../../data/fingerprint.js';
import { DownhillError, show } from '../../gpu/errors.js';
import { checkChoice, checkInteger, checkOptions } from '../../gpu/fields.js';
import { SAMPLINGS, type Sampling } from '../../kernels/account.js';
import { checkModel, type Model } from '../../nn/model.js';
import { modelToJson } from '../../nn/model-json.js';
import { checkRule, type Rule } from '../../optim/rule.js';
import { checkData, TRAINER_DEFAULTS } from '../../train/options.js';
import type { TrainerOptions } from '../../train/types.js';
import type { Method } from '../method.js';
import type { ObjectiveKind } from '../runner.js';
import { sample } from '../sample.js';
import { type Params, type ParamsOf, type Space, valueAt } from '../space.js';
import type { Direction } from '../trial.js';

/** Options of a trainer that a trial may have as well. */
export type TrialOptions = Pick<
  TrainerOptions,
  'groups' | 'clip' | 'accumulate' | 'wrappers' | 'penalty' | 'augment' | 'average' | 'dropLast' | 'state'
>;

/** Options of {@link training}. */
export interface TrainingOptions<P = Params> {
  /** One for all trials, or made of a trial's parameters. */
  readonly model: Model | ((params: P) => Model);
  /** The update rule of a trial. */
  readonly rule: (params: P) => Rule;
  readonly data: Dataset;
  /** What a trial is judged by: data that it is not trained on. Keep the test part out of it. */
  readonly validation: Dataset;
  /** Default 64, or all samples where there are fewer. */
  readonly batchSize?: number | ((params: P) => number);
  /** Default 'shuffle'. */
  readonly sampling?: Sampling;
  /** What is compared, of the validation data: 'loss' (less is better, the default), or 'accuracy' (more is). */
  readonly metric?: TrainingMetric;
  /** What else the trainer of a trial has. */
  readonly more?: (params: P) => TrialOptions;
  /**
   * For the log: JSON that says which training this is beside model, data and metric, since no file holds functions. A log whose
   * identity is another one is refused.
   */
  readonly identity?: unknown;
}

export const TRAINING_METRICS = ['loss', 'accuracy'] as const;
export type TrainingMetric = (typeof TRAINING_METRICS)[number];

/** A training as an objective: made by {@link training}. */
export interface TrainingObjective extends ObjectiveKind {
  readonly kind: 'training';
  readonly options: TrainingOptions;
  readonly metric: TrainingMetric;
  readonly direction: Direction;
  /** What a trial is, made of its parameters. @throws DownhillError where it cannot be */
  trial(params: Params): TrialSetup;
  /** Looks at a space before anything is trained. @throws DownhillError */
  check(space: Space, method: Method): void;
}

/** One trial's training, but for its seed. */
export interface TrialSetup {
  readonly model: Model;
  readonly rule: Rule;
  readonly batchSize: number;
  readonly more: TrialOptions;
  /** Of trials that can be trained in the same dispatches. */
  readonly shape: string;
}

const OPTIONS = ['model', 'rule', 'data', 'validation', 'batchSize', 'sampling', 'metric', 'more', 'identity'] as const;

/**
 * Training a network, as the objective of a search: for so many steps, then judged by validation data. Trials whose networks have one shape
 * train together; those of other shapes in turn.
 *
 * @example training({ model, data, validation, rule: ({ lr }) => adam({ lr }) })
 * @throws DownhillError OPTION-*
 */
export function training<P = Params>(options: TrainingOptions<P>): TrainingObjective {
  checkOptions('training', options, OPTIONS);
  const given = options as unknown as TrainingOptions;
  const { model, rule, data, validation, metric = 'loss', sampling = TRAINER_DEFAULTS.sampling, identity } = given;
  if (typeof rule !== 'function') {
    throw new DownhillError(
      'OPTION-TYPE',
      `training: rule must be a function of a trial's parameters, got ${show(rule)}.`,
      'Pass ({ lr }) => adam({ lr }).',
    );
  }
  const fixed = typeof model === 'function' ? undefined : checkModel('training', model);
  checkChoice('training: sampling', sampling, SAMPLINGS);
  checkChoice('training: metric', metric, TRAINING_METRICS);
  for (const each of [data, validation]) if (fixed) checkData(fixed, each);
  const trial = (params: Params) => setup({ ...given, sampling }, params);
  return {
    ...{ kind: 'training', options: { ...given, sampling }, metric, copies: true, trial },
    direction: metric === 'accuracy' ? 'maximize' : 'minimize',
    identity: {
      ...{ metric, sampling, data: fingerprint(data), validation: fingerprint(validation) },
      ...(fixed && { model: modelToJson(fixed) }),
      ...(typeof given.batchSize === 'number' && { batchSize: given.batchSize }),
      ...(identity !== undefined && { identity }),
    },
    check: (space, method) => checkTrials(space, method, trial),
  };
}

function setup(
  { model, rule, data, validation, batchSize, sampling, more }: TrainingOptions,
  params: Params,
): TrialSetup {
  const made = checkModel('training', typeof model === 'function' ? model(params) : model);
  if (typeof model === 'function') for (const each of [data, validation]) checkData(made, each);
  const usual = Math.min(TRAINER_DEFAULTS.batchSize, data.samples);
  const wanted = (typeof batchSize === 'function' ? batchSize(params) : batchSize) ?? usual;
  const rows = sampling === 'full' ? data.samples : checkInteger('training: batchSize', wanted, 1, data.samples);
  const rest = more?.(params) ?? {};
  // Wrappers, averages and groups are looked at by the kernels that they need; functions in them do not matter to these.
  const shape = JSON.stringify([modelToJson(made), rows, rest]);
  return { model: made, rule: checkRule('training', rule(params)), batchSize: rows, more: rest, shape };
}

/** A trial must be possible at all, and one that is copied be of one shape. */
function checkTrials(space: Space, { row }: Method, trial: (params: Params) => TrialSetup): void {
  const middle = sample(space, 0, 0);
  const first = trial(middle);
  if (!row.copies) return;
  for (const [name, parameter] of Object.entries(space)) {
    const values = parameter.kind === 'choice' ? parameter.values : [0, 0.5, 1].map((unit) => valueAt(parameter, unit));
    const other = values.find((value) => {
      const { shape, rule } = trial({ ...middle, [name]: value });
      return shape !== first.shape || rule.row !== first.rule.row;
    });
    if (other === undefined) continue;
    throw new DownhillError(
      'OPTION-RANGE',
      `${row.name} copies weights and state from trial to trial, but ${name} changes the network, its batch or its rule.`,
      `Leave ${name} out of the space, or use halving.`,
    );
  }
}

/** Types a training by its space: `trainingFor(space)({ … })` knows what `params` has. */
export const trainingFor =
  <const S extends Space>(_space: S) =>
  (options: TrainingOptions<ParamsOf<S>>): TrainingObjective =>
    training(options);
