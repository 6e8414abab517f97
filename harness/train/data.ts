/** The data sets of a run, made from its configuration; in Node and in a page alike. */
import {
  arrays,
  type Dataset,
  DownhillError,
  digits,
  idx,
  mlp,
  split,
  standardize,
  statistics,
  unitRange,
} from '../../src/index.js';
import { DIGITS, type Scale, TRAIN_SHARE } from '../common/settings.js';
import type { TrainConfig } from './config.js';
import type { DataShape } from './events.js';
import { profiledSteps, runSteps, scheduleOf } from './schedule.js';

/** What a job trains on and what it is judged by. */
export interface JobData {
  readonly train: Dataset;
  readonly test: Dataset;
}

type IdxSource = Parameters<typeof idx>[0]['images'];

/** The two files of one part of an IDX data set: bytes in Node, addresses in a page. */
export interface IdxPair {
  readonly images: IdxSource;
  readonly labels: IdxSource;
}

/** The files of an IDX data set. Without `test`, the end of `train` is the test part. */
export interface IdxParts {
  readonly train: IdxPair;
  readonly test?: IdxPair;
}

const trainCount = (samples: number) => Math.max(1, Math.floor(samples * TRAIN_SHARE));
/** Data that comes in one part, in two. */
export const parted = (data: Dataset) => split(data, trainCount(data.samples));

/** The generator's images are always the same, so that runs with different --seed differ in the training alone. */
const DIGITS_SEED = 0;

/**
 * Loads or generates the data, splits, scales, and turns classes into targets of the loss.
 *
 * @throws DownhillError DATA-*.
 */
export async function buildData(config: TrainConfig, files?: IdxParts): Promise<JobData> {
  const parts = scaled(await loadParts(config, files), config.scale);
  return mlp(config.model).loss.row.targets === 'values'
    ? { train: oneHot(parts.train), test: oneHot(parts.test) }
    : parts;
}

/** Both parts, scaled by the statistics of the training part: the test part must not shape what the network sees. */
export function scaled([train, test]: readonly [Dataset, Dataset], scale: Scale): JobData {
  const known = statistics(train);
  const by = scale === 'unit' ? unitRange : standardize;
  return { train: by(train, known), test: by(test, known) };
}

/** What `buildData` will make, where that is known beforehand: the generator's data need not be drawn to be checked. */
export function knownShape(config: TrainConfig): DataShape | undefined {
  if (config.data.kind !== 'digits') return undefined;
  const train = trainCount(config.data.samples);
  return { train, test: config.data.samples - train, ...DIGITS };
}

export function shapeOf({ train, test }: JobData): DataShape {
  const { targets } = train;
  const classes = targets.kind === 'values' ? targets.width : targets.classes;
  return { train: train.samples, test: test.samples, features: train.features, classes };
}

/**
 * Checks that network, batch, schedule, steps and data go together.
 *
 * @throws DownhillError SHAPE-MISMATCH, OPTION-RANGE.
 */
export function checkFit(config: TrainConfig, shape: DataShape): void {
  const { sizes } = config.model;
  const [input, output] = [sizes[0]!, sizes.at(-1)!];
  if (input !== shape.features || output !== shape.classes) {
    const right = [shape.features, ...sizes.slice(1, -1), shape.classes].join('-');
    throw new DownhillError(
      'SHAPE-MISMATCH',
      `The network ${sizes.join('-')} has ${input} inputs and ${output} outputs, the data ${shape.features} features and ${shape.classes} classes.`,
      `Use --model ${right}.`,
    );
  }
  if (config.batchSize !== undefined && config.batchSize > shape.train) {
    throw new DownhillError(
      'OPTION-RANGE',
      `--batch is ${config.batchSize}, more than the ${shape.train} samples of the training part.`,
      `Set --batch to at most ${shape.train}, or use --sampling full.`,
    );
  }
  const steps = runSteps(config, shape.train);
  scheduleOf(config, steps);
  profiledSteps(config, steps);
}

async function loadParts(config: TrainConfig, files: IdxParts | undefined): Promise<[Dataset, Dataset]> {
  const { data, model } = config;
  if (data.kind === 'digits') {
    return parted(digits({ samples: data.samples, seed: DIGITS_SEED }));
  }
  if (!files) throw new DownhillError('INTERNAL', 'The job got no IDX files.', 'Report this.');
  // The network says how many classes there are: MNIST's files have 10, EMNIST's up to 62, and no header tells.
  const classes = Math.min(Math.max(model.sizes.at(-1)!, 2), 256);
  const train = await load(files.train, classes);
  if (!files.test) return parted(train);
  const test = await load(files.test, classes);
  if (test.features === train.features) return [train, test];
  throw new DownhillError(
    'DATA-MISMATCH',
    `The training images have ${train.features} pixels, the test images ${test.features}.`,
    'Put the files of one data set into the folder.',
  );
}

const load = ({ images, labels }: IdxPair, classes: number) => idx({ images, labels, classes });

/** Classes as targets of a regression: 1 for the right class, 0 for the others. */
function oneHot(dataset: Dataset): Dataset {
  if (dataset.targets.kind !== 'classes') return dataset;
  const { classes, labels } = dataset.targets;
  const values = new Float32Array(dataset.samples * classes);
  labels.forEach((label, i) => {
    values[i * classes + label] = 1;
  });
  const { targets } = arrays({ x: dataset.x, y: values, features: dataset.features });
  return { ...dataset, targets };
}
