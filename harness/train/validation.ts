/**
 * Validation in `downhill train`: what its flags say, and the part of the data that is held out for it. No Node here: a page
 * imports this.
 */
import {
  checkInteger,
  type Dataset,
  DownhillError,
  mlp,
  split,
  type TrainerOptions,
  type ValidationReport,
} from '../../src/index.js';
import { count, lossText, percent, plural } from '../common/format.js';
import { toNumber } from '../common/settings.js';
import type { StopMetric, TrainConfig, ValidationConfig } from './config.js';

/** What stands for --validate-every where nothing is said. */
export const EVERY = 'epoch';
export const VALIDATION_FLAGS = ['validate-every', 'patience', 'stop-metric'] as const;

const wrong = (what: string, fix: string) => new DownhillError('OPTION-RANGE', what, fix);

/** @param given flags by name, as typed */
export function readValidation(given: ReadonlyMap<string, string>): ValidationConfig | undefined {
  const typed = given.get('validation');
  if (typed === undefined) {
    const flag = VALIDATION_FLAGS.find((name) => given.has(name));
    if (flag) throw wrong(`--${flag} needs a validation part.`, 'Add --validation 0.1.');
    return undefined;
  }
  const share = toNumber(typed);
  if (typeof share !== 'number' || !(share > 0 && share < 1))
    throw wrong(`--validation must be above 0 and below 1, got '${typed}'.`, 'Use a share such as 0.1.');
  const patience = given.get('patience');
  if (patience === undefined && given.has('stop-metric'))
    throw wrong('--stop-metric says what --patience goes by, which is not given.', 'Add --patience 5.');
  const every = readEvery(given.get('validate-every') ?? EVERY);
  if (patience === undefined) return { share, every };
  // Which of them the loss gives is looked at once the model is known.
  const metric = (given.get('stop-metric') ?? 'loss') as StopMetric;
  return { share, every, stopping: { patience: checkInteger('--patience', toNumber(patience), 0), metric } };
}

/** '100' are steps; 'epoch', '2 epochs' and '2epochs' epochs. */
function readEvery(text: string): ValidationConfig['every'] {
  const epochs = /^(\d*)\s*epochs?$/.exec(text)?.[1];
  if (epochs !== undefined) return { epochs: checkInteger('--validate-every', Number(epochs || 1), 1) };
  const batches = toNumber(text);
  if (typeof batches === 'number') return { batches: checkInteger('--validate-every', batches, 1) };
  throw wrong(`--validate-every must be a number of steps, or epochs, got '${text}'.`, 'Write 100, epoch or 2epochs.');
}

/** Samples that are left to train on, as `split` has it. */
export const trainedOn = ({ validation }: TrainConfig, samples: number): number =>
  validation ? Math.min(Math.max(Math.round((1 - validation.share) * samples), 1), samples - 1) : samples;

/** The training part without what is held out, and that: drawn by the run's seed, classes in both alike. */
export function holdOut({ validation, seed }: TrainConfig, data: Dataset): readonly [Dataset, Dataset?] {
  if (!validation) return [data];
  return split(data, { share: 1 - validation.share, seed, stratify: data.targets.kind === 'classes' });
}

/** What stops a run must be what its loss gives. @throws DownhillError OPTION-RANGE */
export function checkStopMetric({
  validation,
  model,
}: {
  readonly validation?: ValidationConfig;
  readonly model: Pick<TrainConfig['model'], 'sizes' | 'loss'>;
}): void {
  const known = ['loss', mlp(model).loss.row.counts];
  const { metric } = validation?.stopping ?? { metric: 'loss' };
  if (!known.includes(metric))
    throw wrong(`--stop-metric ${metric}: ${model.loss} gives ${known.join(' and ')}.`, `Use ${known.join(' or ')}.`);
}

/** The trainer's options. The best weights are kept: they are what a run is mostly for. */
export function validationOptions(
  { validation }: TrainConfig,
  data: Dataset | undefined,
): Pick<TrainerOptions, 'validation' | 'earlyStopping'> {
  if (!validation || !data) return {};
  const { every, stopping } = validation;
  return { validation: { data, every, keepBest: true }, ...(stopping && { earlyStopping: stopping }) };
}

/** What a run's plan says of it. */
export function validationText({ every, stopping }: ValidationConfig): string {
  const often =
    'epochs' in every
      ? every.epochs === 1
        ? 'every epoch'
        : `every ${count(every.epochs)} epochs`
      : `every ${every.batches === 1 ? 'step' : plural(every.batches, 'step')}`;
  if (!stopping) return often;
  return `${often}; stops after ${plural(Math.max(stopping.patience, 1), 'validation')} without a better ${stopping.metric}`;
}

/** One validation, or the best one. */
export function validationLine({ step, loss, accuracy, best }: ValidationReport, mark = 'best so far'): string {
  const verdict = accuracy === undefined ? '' : `, accuracy ${percent(accuracy)}`;
  return `loss ${lossText(loss)}${verdict} after ${plural(step, 'step')}${best && mark ? `, ${mark}` : ''}`;
}

/** Lines a run has room for. */
const MOST_LINES = 20;

/** Which validations of a run are said: all of them, or every so many. */
export const saidEvery = ({ every }: ValidationConfig, steps: number, stepsPerEpoch: number): number => {
  const between = 'epochs' in every ? every.epochs * stepsPerEpoch : every.batches;
  return Math.max(1, Math.ceil(Math.floor(steps / between) / MOST_LINES)) * between;
};
