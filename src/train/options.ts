import { stepsPerEpoch } from '../data/batching.js';
import type { Dataset } from '../data/dataset.js';
import { checkSameScaling, checkSameTargets, checkScaling, checkTargetScaling } from '../data/scaling.js';
import { isSource } from '../data/source.js';
import type { Samples } from '../data/upload.js';
import { requestDevice } from '../gpu/device.js';
import { DownhillError, show } from '../gpu/errors.js';
import {
  checkChoice,
  checkDevice,
  checkFlag,
  checkInteger,
  checkNumber,
  checkOptions,
  checkText,
} from '../gpu/fields.js';
import { MAX_STEP, SAMPLINGS, type Sampling } from '../kernels/account.js';
import type { LossFunction } from '../nn/loss.js';
import { checkMetrics, type Metric } from '../nn/metric.js';
import { metrics } from '../nn/metrics.js';
import { checkModel, type Model, tensorsOf } from '../nn/model.js';
import { checkTargets } from '../nn/targets.js';
import { checkAverage } from '../optim/averages/average.js';
import { changed, makeGroups } from '../optim/groups.js';
import { checkOptimizerOptions } from '../optim/optimizer-options.js';
import { checkRule, type Rule, type RuleRow } from '../optim/rule.js';
import { checkAugment } from './augment.js';
import type { CheckpointOptions } from './checkpoint-types.js';
import { groupTensors } from './groups.js';
import { checkPenalty } from './penalty.js';
import { checkRecover } from './recover-options.js';
import { usualSubmitMs } from './scheduler.js';
import type { EvaluateOptions, ProfileOptions, RunOptions, TrainerOptions, WeightsOptions } from './types.js';
import { checkReported, checkValidation } from './validation-options.js';
import type { WatchOptions } from './watch-report.js';

/* What a trainer is asked for, checked before any GPU work. */

const OPTIONS = [
  'model',
  'rule',
  'data',
  'batchSize',
  'sampling',
  'seed',
  'dropLast',
  'submitMs',
  'label',
  'stream',
  'groups',
  'clip',
  'skipNonFinite',
  'accumulate',
  'wrappers',
  'state',
  'penalty',
  'augment',
  'average',
  'recover',
  'plan',
  'plans',
  'planBudgetMs',
  'validation',
  'earlyStopping',
  'buffers',
] as const;
/** Of the options of {@link createTrainer}; with fewer samples than a batch, a batch is all of them. */
export const TRAINER_DEFAULTS = { batchSize: 64, sampling: 'shuffle', seed: 0, planBudgetMs: 2000 } as const;
export const MAX_SEED = 2 ** 32 - 1;

/** Options of {@link createTrainer}, checked and with their defaults. */
export type CheckedOptions = ReturnType<typeof checkTrainerOptions>;

export function checkTrainerOptions(device: GPUDevice, options: TrainerOptions) {
  checkDevice('createTrainer', device);
  checkOptions('createTrainer', options, OPTIONS);
  const { data } = options;
  const model = checkModel('createTrainer', options.model);
  const given = checkRule('createTrainer', options.rule);
  checkData(model, data);

  const sampling = checkChoice('sampling', options.sampling ?? TRAINER_DEFAULTS.sampling, SAMPLINGS);
  const full = sampling === 'full';
  if (full && options.batchSize !== undefined && options.batchSize !== data.samples) {
    throw new DownhillError(
      'OPTION-RANGE',
      `sampling 'full' takes all ${data.samples} samples in every step, but batchSize is ${show(options.batchSize)}.`,
      "Leave batchSize out, or choose 'shuffle' or 'replacement'.",
    );
  }
  const batchSize = full ? data.samples : (options.batchSize ?? Math.min(TRAINER_DEFAULTS.batchSize, data.samples));
  const { clip, skipNonFinite, accumulate, wrappers, state, label = 'train', plan = 'auto' } = options;
  const rows = checkInteger('batchSize', batchSize, 1, data.samples);
  const rule = drawnRule(given, model.loss, rows);
  const dropLast = checkFlag('dropLast', options.dropLast ?? false);
  checkSmallestBatch(model, data.samples, { rows, sampling, dropLast });
  const settings = checkOptimizerOptions({
    clip,
    skipNonFinite,
    accumulate,
    wrappers,
    state,
    label: checkText('label', label),
  });
  const steps = { stepsPerEpoch: stepsPerEpoch(data.samples, rows, dropLast), micro: settings.micro };
  const perTensor = settings.clip?.by === 'tensor' || rule.row.perTensor === true;
  const grouped = groupTensors(tensorsOf(model), [rule], options.groups);
  const frozen = new Set(grouped.filter((tensor) => tensor.frozen).map(({ name }) => name));
  rule.row.checkTensors?.(
    'createTrainer',
    tensorsOf(model).filter(({ name }) => !frozen.has(name)),
  );
  const groups = makeGroups(grouped, perTensor);
  const checkOther = (other: Dataset) => {
    checkData(model, other);
    checkSameScaling(data, other);
    checkSameTargets(data.targets, other.targets);
  };
  const validation = checkValidation(device, model, options, checkOther, steps);
  checkReported(
    groups.flatMap(({ rules }) => rules),
    model,
    validation !== undefined,
  );
  return {
    model,
    row: rule.row,
    data,
    rows,
    sampling,
    dropLast,
    average: checkOwnAverage(rule.row, options.average),
    stream: checkFlag('stream', options.stream ?? false),
    separate: checkChoice('buffers', options.buffers ?? 'arena', ['arena', 'separate']) === 'separate',
    submitMs: checkNumber('submitMs', options.submitMs ?? usualSubmitMs(), { above: 0 }),
    settings,
    augment: checkAugment(options.augment, model, data),
    penalty: checkPenalty(options.penalty, tensorsOf(model)),
    groups,
    validation,
    // Looked at where they are needed, before any GPU work: choose.ts.
    ...{ plan, plans: options.plans },
    planBudgetMs: checkNumber('planBudgetMs', options.planBudgetMs ?? TRAINER_DEFAULTS.planBudgetMs, { above: 0 }),
    recover: checkRecover(options.recover, globalThis.navigator?.gpu && requestDevice),
    seed: checkInteger('seed', options.seed ?? TRAINER_DEFAULTS.seed, 0, MAX_SEED),
  };
}

/** A rule that divides by a curvature: of gradients of labels drawn from the model, for the trainer's batches. */
function drawnRule(rule: Rule, { row: loss }: LossFunction, rows: number): Rule {
  const { name, curvature, fields } = rule.row;
  if (!curvature) return rule;
  if (!loss.drawn) {
    throw new DownhillError(
      'OPTION-RANGE',
      `${name} draws labels from the model, but ${loss.name} is no likelihood to draw them from.`,
      'Take softmaxCrossEntropy(), binaryCrossEntropy() or mse(), or another rule: adamw({ lr: 1e-3 }).',
    );
  }
  const { samples } = curvature;
  const given = (rule.hyper as Readonly<Record<string, unknown>>)[samples];
  if (given === fields[samples]!.default || given === rows) return changed(rule, { [samples]: rows });
  throw new DownhillError(
    'OPTION-RANGE',
    `${name}: ${samples} is ${show(given)}, but a gradient here is the mean over a batch of ${rows}.`,
    `Leave ${samples} out: the trainer has its own.`,
  );
}

/** Of a rule that averages the weights itself, what is evaluated is that. */
function checkOwnAverage({ name, evaluation }: RuleRow, average: unknown) {
  if (average === undefined) return undefined;
  if (!evaluation) return checkAverage('average', average);
  throw new DownhillError(
    'OPTION-RANGE',
    `${name} averages the weights itself, but there is an average beside it.`,
    'Leave average out.',
  );
}

/** Some layers need more than a row in every batch: batch norm a variance. */
function checkSmallestBatch(
  { layers }: Model,
  samples: number,
  { rows, sampling, dropLast }: { readonly rows: number; readonly sampling: Sampling; readonly dropLast: boolean },
): void {
  const place = layers.findIndex(({ row }) => (row.fewestRows ?? 1) > rows);
  const needs = (at: number) => `layers[${at}] (${layers[at]!.row.name}) needs ${layers[at]!.row.fewestRows} rows`;
  if (place >= 0) {
    throw new DownhillError(
      'OPTION-RANGE',
      `${needs(place)} in a training batch, but the batch size is ${rows}.`,
      `Set batchSize to at least ${layers[place]!.row.fewestRows}, or use layerNorm().`,
    );
  }
  const last = sampling === 'replacement' || dropLast ? 0 : samples % rows;
  const short = last === 0 ? -1 : layers.findIndex(({ row }) => (row.fewestRows ?? 1) > last);
  if (short < 0) return;
  throw new DownhillError(
    'OPTION-RANGE',
    `${needs(short)} in a training batch, but the last batch of an epoch has ${last}: ${samples} samples in batches of ${rows}.`,
    'Pass dropLast: true, or another batchSize.',
  );
}

/**
 * Model and data must fit, and the data be what it says: a data set is plain data that anybody can make or change.
 * Before anything is created.
 */
export function checkData(model: Model, data: Dataset): void {
  checkSamples(model, data);
  if (typeof data.targets !== 'object' || data.targets === null) throw noData();
  // Those of a source are looked at when it gives them.
  checkTargets(model.loss, data.targets, model.output, isSource(data) ? 0 : data.samples);
  if (data.targets.kind === 'values') checkTargetScaling(data.targets);
}

function noData(): DownhillError {
  return new DownhillError(
    'OPTION-TYPE',
    'The data is missing or of the wrong kind.',
    'Pass data: digits() or arrays({ x, y, classes }).',
  );
}

/** Samples must be what they say, and fit the model. */
export function checkSamples(model: Model, data: Samples): void {
  const { samples, features, x } = data ?? {};
  const whole = (value: unknown) => Number.isInteger(value) && (value as number) > 0;
  if (!whole(samples) || !whole(features) || !(x instanceof Uint8Array || x instanceof Float32Array)) throw noData();
  if (features !== model.input) {
    throw new DownhillError(
      'SHAPE-MISMATCH',
      `The model takes ${model.input} inputs, but a sample has ${features} features.`,
      `Make the first size ${features}.`,
    );
  }
  checkScaling(data);
  if (x.length === (isSource(data) ? 0 : samples * features)) return;
  throw new DownhillError(
    'DATA-MISMATCH',
    `The data says ${samples} samples of ${features} features: that needs ${samples * features} values; it holds ${x.length}.`,
    'Make it with arrays(), idx() or digits().',
  );
}

/** Which weights are asked for. */
export function checkWeights(where: string, options: WeightsOptions): WeightsOptions['weights'] {
  checkOptions(where, options, ['weights']);
  return options.weights;
}

/** Which weights and metrics an evaluation is asked for. */
export function checkEvaluateOptions({ loss, output }: Model, options: EvaluateOptions) {
  checkOptions('evaluate', options, ['weights', 'metrics']);
  const known = metrics as Readonly<Record<string, () => Metric>>;
  return { weights: options.weights, metrics: checkMetrics(options.metrics ?? [], known, loss, output) };
}

/**
 * How many steps a run is asked for.
 *
 * @param at where the trainer is
 */
export function checkRunOptions(
  options: RunOptions,
  at: { readonly step: number; readonly stepsPerEpoch: number },
): number {
  checkOptions('run', options, ['steps', 'epochs', 'signal', 'watch']);
  const { steps, epochs, signal } = options;
  if (signal !== undefined && typeof signal?.throwIfAborted !== 'function') {
    throw new DownhillError(
      'OPTION-TYPE',
      `signal must be an AbortSignal, got ${show(signal)}.`,
      'Pass `new AbortController().signal`.',
    );
  }
  if ((steps === undefined) === (epochs === undefined)) {
    throw new DownhillError(
      'OPTION-RANGE',
      'run needs either steps or epochs.',
      'Pass one of the two, such as { epochs: 10 }.',
    );
  }
  const room = MAX_STEP - at.step;
  return steps !== undefined
    ? checkInteger('steps', steps, 0, room)
    : checkInteger('epochs', epochs, 0, Math.floor(room / at.stepsPerEpoch)) * at.stepsPerEpoch;
}

export type CheckedWatchOptions = Required<WatchOptions>;

export function checkWatchOptions(options: WatchOptions): CheckedWatchOptions {
  checkOptions('watch', options, ['every', 'histograms']);
  const { every = 100, histograms = false } = options;
  return {
    every: checkInteger('watch.every', every, 1),
    histograms: checkFlag('watch.histograms', histograms),
  };
}

const MAX_PROFILED = 256;

export type CheckedProfileOptions = Required<ProfileOptions>;

/** @param room steps the trainer can still count */
export function checkProfileOptions(options: ProfileOptions, room: number): CheckedProfileOptions {
  checkOptions('profile', options, ['steps', 'separate']);
  const { steps = 16, separate = true } = options;
  if (typeof separate !== 'boolean') {
    throw new DownhillError('OPTION-TYPE', `separate must be true or false, got ${show(separate)}.`, 'Pass a boolean.');
  }
  return { steps: checkInteger('steps', steps, 1, Math.min(MAX_PROFILED, Math.floor(room / 2))), separate };
}

/** @returns whether the state of the training is wanted, too, and else which weights */
export function checkCheckpointOptions(options: CheckpointOptions = {}) {
  checkOptions('checkpoint', options, ['state', 'weights']);
  const state = checkFlag('checkpoint: state', options.state ?? true);
  if (state && options.weights !== undefined) {
    throw new DownhillError(
      'OPTION-RANGE',
      `A checkpoint has all weights there are, but weights is ${show(options.weights)}.`,
      'Pass state: false for a network with these weights.',
    );
  }
  return { ...options, state };
}
