import type { Dataset } from '../data/dataset.js';
import { checkUploadable } from '../data/upload.js';
import { DownhillError, show, suggest } from '../gpu/errors.js';
import { checkChoice, checkFlag, checkInteger, checkNumber, checkOptions } from '../gpu/fields.js';
import type { Model } from '../nn/model.js';
import type { Rule } from '../optim/rule.js';
import { reportedIn } from '../optim/schedules/core.js';
import type { ValidationReport } from './report-types.js';
import type { EarlyStoppingOptions, ValidationOptions } from './types.js';
import { REPORTED, type ValidationResult, type ValidationSettings } from './validation.js';

/* What validation and early stopping are asked for, checked before any GPU work, and how their metrics are called. */

/** Of {@link EarlyStoppingOptions}. */
export const EARLY_STOPPING_DEFAULTS = { metric: 'loss', patience: 3, minDelta: 0, restoreBest: true } as const;
/** Metrics that are better where they are larger. */
const LARGER = ['accuracy'];

/** What may decide: the two numbers of a loss's results. */
const metricsOf = ({ loss }: Model): string[] => ['loss', loss.row.counts];

/** Whether a smaller or a larger value of a metric is better. */
const modeOf = (metric: string) => (LARGER.includes(metric) ? 'max' : 'min');

/** Means by their names, as `evaluate` has them. */
export function namedMeans({ loss: { row } }: Model, { loss, counted }: Pick<ValidationResult, 'loss' | 'counted'>) {
  return { loss, accuracy: row.counts === 'accuracy' ? counted : undefined };
}

/** As {@link StepReport} has it. */
export const validationReport = (model: Model, { step, loss, counted, best }: ValidationResult): ValidationReport => ({
  step,
  loss,
  [model.loss.row.counts]: counted,
  best,
});

/**
 * @param check checks a data set against the model
 * @param steps of an epoch, and attempts to an update
 * @throws DownhillError OPTION-*, SHAPE-MISMATCH, DATA-*, LIMIT-BINDING
 */
export function checkValidation(
  device: GPUDevice,
  model: Model,
  options: {
    readonly validation?: ValidationOptions | undefined;
    readonly earlyStopping?: EarlyStoppingOptions | undefined;
  },
  check: (data: Dataset) => void,
  steps: { readonly stepsPerEpoch: number; readonly micro: number },
): { readonly data: Dataset; readonly settings: ValidationSettings } | undefined {
  const { validation, earlyStopping } = options;
  if (validation === undefined) {
    if (earlyStopping === undefined) return undefined;
    throw new DownhillError(
      'OPTION-RANGE',
      'earlyStopping needs a validation to go by.',
      'Pass validation: { data } with data that is not trained on.',
    );
  }
  checkOptions('validation', validation, ['data', 'every', 'keepBest']);
  const { data } = validation;
  named('validation: data', () => {
    check(data);
    checkUploadable(device, data);
  });
  const keepBest = checkFlag('validation: keepBest', validation.keepBest ?? false);
  const every = stepsBetween(validation.every ?? { epochs: 1 }, steps);
  const stopping = checkStopping(model, earlyStopping);
  return { data, settings: { every, ...stopping, keepBest: keepBest || stopping.restoreBest } };
}

/** Steps from one validation to the next. */
function stepsBetween(every: unknown, { stepsPerEpoch, micro }: { stepsPerEpoch: number; micro: number }): number {
  const units = { epochs: stepsPerEpoch, batches: 1, iterations: micro };
  checkOptions('validation: every', every, Object.keys(units));
  const given = Object.entries(every as object).filter(([, value]) => value !== undefined);
  if (given.length !== 1) {
    throw new DownhillError(
      'OPTION-RANGE',
      `validation: every needs one of epochs, batches and iterations, got ${given.length}.`,
      'Pass one of them, such as every: { epochs: 1 }.',
    );
  }
  const [unit, count] = given[0]! as [keyof typeof units, unknown];
  return checkInteger(`validation: every: ${unit}`, count, 1, 2 ** 31 - 1) * units[unit];
}

type Stopping = Omit<ValidationSettings, 'every' | 'keepBest'>;

function checkStopping(model: Model, options: EarlyStoppingOptions | undefined): Stopping {
  const { metric, patience, minDelta, restoreBest } = { ...EARLY_STOPPING_DEFAULTS, ...defined(options) };
  if (options !== undefined)
    checkOptions('earlyStopping', options, ['metric', 'mode', 'patience', 'minDelta', 'restoreBest']);
  checkMetric('earlyStopping: metric', metric, model);
  return {
    metric: metric === 'loss' ? 'loss' : 'counted',
    mode: checkChoice('earlyStopping: mode', options?.mode ?? modeOf(metric), ['min', 'max']),
    minDelta: checkNumber('earlyStopping: minDelta', minDelta, { min: 0 }),
    patience: options && checkInteger('earlyStopping: patience', patience, 0, 2 ** 31 - 1),
    restoreBest: checkFlag('earlyStopping: restoreBest', restoreBest) && options !== undefined,
  };
}

/** Only undefined means the default: null is a mistake. */
const defined = (options: object | undefined): EarlyStoppingOptions =>
  Object.fromEntries(Object.entries(options ?? {}).filter(([, value]) => value !== undefined));

/** What the GPU computes in every validation. */
function checkMetric(where: string, metric: unknown, model: Model, more: readonly string[] = []): void {
  const known = [...metricsOf(model), ...more];
  if (typeof metric === 'string' && known.includes(metric)) return;
  throw new DownhillError(
    typeof metric === 'string' ? 'OPTION-RANGE' : 'OPTION-TYPE',
    `${where}: ${model.loss.row.name} gives ${metricsOf(model).join(' and ')}, not ${show(metric)}.`,
    typeof metric === 'string' ? suggest(metric, known) : `Use one of: ${known.join(', ')}.`,
  );
}

/** Schedules that go by a validation must ask for what it gives. @throws DownhillError OPTION-RANGE */
export function checkReported(rules: readonly Rule[], model: Model, validated: boolean): void {
  checkReportedValues(
    rules.flatMap(({ hyper }) => Object.values(hyper).flat()),
    model,
    validated,
  );
}

/** Without a validation nobody reports what a schedule asks for by name. @throws DownhillError OPTION-RANGE */
function checkUnreported(values: readonly unknown[]): void {
  const asks = reportedIn(values).find(({ metric }) => metric !== undefined && metric !== REPORTED);
  if (!asks) return;
  throw new DownhillError(
    'OPTION-RANGE',
    `${asks.name} goes by ${show(asks.metric)} of a validation, but the trainer has none.`,
    'Pass validation: { data }, or leave metric out and report yourself.',
  );
}

/** @param values of hyper-parameters */
export function checkReportedValues(values: readonly unknown[], model: Model, validated: boolean): void {
  if (!validated) {
    checkUnreported(values);
    return;
  }
  const { name: loss, counts } = model.loss.row;
  for (const { name, metric, mode } of reportedIn(values)) {
    if (metric !== undefined) checkMetric(`${name}: metric`, metric, model, [REPORTED]);
    else if (mode === 'max' && modeOf(counts) === 'min') {
      throw new DownhillError(
        'OPTION-RANGE',
        `${name} with mode 'max' needs a metric that is better where it is larger; ${loss} gives loss and ${counts}.`,
        "Leave mode out to go by the loss, or pass metric: 'reported' and report yourself.",
      );
    }
  }
}

/** Says of an error which data it is about. */
function named(where: string, work: () => void): void {
  try {
    work();
  } catch (error) {
    if (!(error instanceof DownhillError)) throw error;
    const { code, fix, message } = error;
    throw new DownhillError(code, `${where}: ${message.replace(` [${code}] ${fix}`, '')}`, fix, error);
  }
}
