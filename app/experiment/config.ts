import { DIGITS, isToy, TOY } from '../../harness/common/settings.js';
import type { HyperValue, TrainConfig } from '../../harness/train/config.js';
import { isDrawn, regularised } from '../../harness/train/config.js';
import { checkFit, heldShape, type JobData, knownShape, parted, prepared, shapeOf } from '../../harness/train/data.js';
import type { DataShape } from '../../harness/train/events.js';
import { runSteps } from '../../harness/train/schedule.js';
import type { Dataset } from '../../src/index.js';
import { painted } from '../toy/painted.js';
import { drawDigits, toyOf } from './data.js';
import type { FileChooser } from './files.js';
import { type Ends, networkOf, type Settings } from './settings.js';

/*
 * From the settings of the page to the command line's configuration of a run (harness/train/config.ts), and from there, by
 * the command line's own functions, to what a trainer takes: both train the same, to the bit.
 */

/**
 * The configuration of a run with these settings.
 *
 * @param data Where the command line would find it. Of files that a person chose it is a name, without the folder.
 */
export function configOf(settings: Settings, ends: Ends, data: TrainConfig['data'] = dataOf(settings)): TrainConfig {
  const { rule, schedule, validation, sampling } = settings;
  return {
    data,
    scale: settings.scaling,
    ...networkOf(settings, ends),
    ...regularised(settings.regularisation),
    optimizer: { name: rule.row.name, hyper: rule.hyper as Record<string, HyperValue> },
    ...(schedule && { schedule }),
    ...(validation && { validation }),
    ...(sampling === 'full' ? {} : { batchSize: settings.batchSize }),
    sampling,
    epochs: settings.epochs,
    seed: settings.seed,
    // A page is one: the same kernels by the same compiler.
    in: 'chrome',
  };
}

/** Data of the command line, where the settings alone name it. */
function dataOf({ source, samples, points, noise }: Settings): TrainConfig['data'] {
  if (isToy(source)) return { kind: source, samples: points, noise };
  return source === 'digits' ? { kind: 'digits', samples } : { kind: 'idx', folder: '.' };
}

/** A run as the form has it, with its data. */
export interface Experiment {
  readonly config: TrainConfig;
  readonly data: JobData;
  /** Steps of the whole run. */
  readonly steps: number;
  /** Whether the command line can do the same: it reads no folder of images. */
  readonly repeatable: boolean;
}

/**
 * Reads the data of an experiment and makes its configuration.
 *
 * @throws PageError, DownhillError where files are no data; OPTION-RANGE where settings and data do not go together
 */
export async function readExperiment(settings: Settings, files: FileChooser): Promise<Experiment> {
  if (settings.source === 'files') {
    const { data, named } = await files.data();
    return experimentOf(settings, data, named);
  }
  if (settings.source === 'painted') return experimentOf(settings, painted.data());
  return experimentOf(settings, toyOf(settings) ?? (await drawDigits(settings.samples)));
}

/** Why there is no data for these settings; '' where there is. */
export function obstacleOf({ source }: Settings, files: FileChooser): string {
  if (source === 'painted') return painted.obstacle;
  return source === 'files' ? files.obstacle : '';
}

/** The same of data that was read. */
export function experimentOf(settings: Settings, raw: Dataset | JobData, named?: TrainConfig['data']): Experiment {
  const parts = 'train' in raw ? ([raw.train, raw.test] as const) : parted(raw);
  const config = configOf(settings, endsOf(parts[0]), named);
  const data = prepared(config, parts);
  checkFit(config, shapeOf(data));
  const repeatable = isDrawn(config.data) || named !== undefined;
  return { config, data, steps: runSteps(config, data.train.samples), repeatable };
}

const endsOf = ({ features, targets }: Dataset): Ends => ({
  features,
  classes: targets.kind === 'values' ? targets.width : targets.classes,
});

/** What is known of a run before it has its data. */
export interface Outline {
  readonly config: TrainConfig;
  readonly shape: DataShape;
  readonly steps: number;
}

/** @param read files that were read; without them nothing is known of a run on files */
export function outlineOf(settings: Settings, read: Dataset | JobData | undefined): Outline | undefined {
  if (settings.source !== 'files' && settings.source !== 'painted') {
    const config = configOf(settings, isToy(settings.source) ? TOY : DIGITS);
    const shape = knownShape(config);
    return shape && { config, shape, steps: runSteps(config, shape.train) };
  }
  const own = settings.source === 'files' ? read : painted.parts;
  if (!own) return undefined;
  const [train, test] =
    'train' in own ? [own.train.samples, own.test.samples] : parted(own).map(({ samples }) => samples);
  const ends = endsOf('train' in own ? own.train : own);
  const config = configOf(settings, ends);
  const shape = heldShape(config, { ...ends, train: train!, test: test! });
  return { config, shape, steps: runSteps(config, shape.train) };
}

/** What settings and data do not allow together, as a start would say it. */
export function misfit({ config, shape }: Outline): unknown {
  try {
    checkFit(config, shape);
    return undefined;
  } catch (error) {
    return error;
  }
}
