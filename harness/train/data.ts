/** The data sets of a run, made from its configuration; in Node and in a page alike. */
import type { CsvOptions, CsvSource } from '../../src/csv.js';
import {
  arrays,
  type Dataset,
  DownhillError,
  drawDigits,
  idx,
  mlp,
  npy,
  split,
  standardize,
  standardizeTargets,
  statistics,
  type Targets,
  targetStatistics,
  toys,
  unitRange,
} from '../../src/index.js';
import { DIGITS, HIDDEN, type Scale, TOY, TRAIN_SHARE } from '../common/settings.js';
import { type DataConfig, type DrawnConfig, isDrawn, type TrainConfig } from './config.js';
import type { DataShape } from './events.js';
import { checkedSteps, profiledSteps, scheduleOf } from './schedule.js';
import { checkStopMetric, holdOut, trainedOn } from './validation.js';

/** What a job trains on and what it is judged by. */
export interface JobData {
  readonly train: Dataset;
  readonly test: Dataset;
  /** Held out of the training part, where a run validates. */
  readonly validation?: Dataset;
}

/** The same done to every part. */
const partsOf = ({ train, test, validation }: JobData, change: (part: Dataset) => Dataset): JobData => ({
  train: change(train),
  test: change(test),
  ...(validation && { validation: change(validation) }),
});

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

/** The files of a table or of NumPy: bytes in Node, addresses in a page. */
export interface PlainFiles {
  readonly files: readonly IdxSource[];
}

export type JobFiles = IdxParts | PlainFiles;

const trainCount = (samples: number) => Math.max(1, Math.floor(samples * TRAIN_SHARE));
/** Data that comes in one part, in two. */
export const parted = (data: Dataset) => split(data, trainCount(data.samples));

/** What is drawn is always the same, so that runs with different --seed differ in the training alone. */
const DRAWN_SEED = 0;
/** Which rows of a file train and which test, likewise. */
const SPLIT_SEED = 0;

/** What the data may decide, since no flag did. */
export interface Open {
  readonly sizes: boolean;
  readonly loss: boolean;
}

/** The configuration with widths and loss as the data wants them, where they were left to it. */
export function fitted(config: TrainConfig, open: Open, { train }: JobData): TrainConfig {
  const loss = open.loss && train.targets.kind === 'values' ? 'mse' : config.model.loss;
  const sizes = open.sizes ? [train.features, ...HIDDEN, outputsOf(train)] : config.model.sizes;
  return { ...config, model: { ...config.model, sizes, loss } };
}

/**
 * Loads or generates the data, splits, scales, and turns classes into targets of the loss.
 *
 * @param open What the data decides: then targets are what they look like.
 * @throws DownhillError DATA-*.
 */
export async function buildData(config: TrainConfig, files?: JobFiles, open?: Open): Promise<JobData> {
  return prepared(config, await loadParts(config, files, open?.loss ?? false), open);
}

/** Parts as they were read, as a run takes them: a validation part held out, all scaled, targets as the loss takes them. */
export function prepared(config: TrainConfig, [all, test]: readonly [Dataset, Dataset], open?: Open): JobData {
  const [train, validation] = holdOut(config, all);
  const parts = scaled({ train, test, ...(validation && { validation }) }, config.scale);
  if (train.targets.kind === 'values') return open?.loss || !lossOf(config).within ? targetsScaled(parts) : parts;
  return lossOf(config).targets === 'values' && !open?.loss ? partsOf(parts, oneHot) : parts;
}

/** All parts, scaled by the statistics of the training part: the others must not shape what the network sees. */
export function scaled(parts: JobData, scale: Scale): JobData {
  const known = statistics(parts.train);
  const by = scale === 'unit' ? unitRange : standardize;
  return partsOf(parts, (part) => by(part, known));
}

const lossOf = ({ model }: TrainConfig) => mlp(model).loss.row;

/** Targets of a regression, of mean 0 and variance 1 in the training part; metrics and predictions are in their units. */
function targetsScaled(parts: JobData): JobData {
  const known = targetStatistics(parts.train);
  return partsOf(parts, (part) => standardizeTargets(part, known));
}

/** What `buildData` will make, where that is known beforehand: the generator's data need not be drawn to be checked. */
export function knownShape(config: TrainConfig): DataShape | undefined {
  const { data } = config;
  if (!isDrawn(data)) return undefined;
  const train = trainCount(data.samples);
  const form = data.kind === 'digits' ? DIGITS : TOY;
  return heldShape(config, { train, test: data.samples - train, ...form });
}

/** The shape of data once the validation part is held out. */
export function heldShape(config: TrainConfig, shape: DataShape): DataShape {
  const train = trainedOn(config, shape.train);
  return config.validation ? { ...shape, train, validation: shape.train - train } : shape;
}

export function shapeOf({ train, test, validation }: JobData): DataShape {
  const samples = { train: train.samples, test: test.samples };
  const held = validation && { validation: validation.samples };
  return { ...samples, ...held, features: train.features, classes: outputsOf(train) };
}

const outputsOf = ({ targets }: Dataset) => (targets.kind === 'values' ? targets.width : targets.classes);

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
      `The network ${sizes.join('-')} has ${input} inputs and ${output} outputs, the data ${shape.features} features and ${shape.classes} ${lossOf(config).targets === 'values' ? 'targets' : 'classes'}.`,
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
  checkStopMetric(config);
  const steps = checkedSteps(config, shape.train);
  scheduleOf(config, steps);
  profiledSteps(config, steps);
}

async function loadParts(config: TrainConfig, files: JobFiles | undefined, any: boolean): Promise<[Dataset, Dataset]> {
  const wanted = any ? undefined : lossOf(config).targets;
  const { train, test } = await loadRaw(config.data, config.model.sizes.at(-1)!, files, wanted);
  if (config.data.kind === 'csv' && !any) checkClasses(config.model, train);
  if (test) return [train, test];
  if (config.data.kind === 'csv' || config.data.kind === 'npy')
    return split(train, { share: TRAIN_SHARE, seed: SPLIT_SEED, stratify: train.targets.kind === 'classes' });
  return parted(train);
}

/**
 * The data as it is, neither split nor scaled; with its test part where it brings one.
 *
 * @param outputs of the network
 * @param wanted What targets of a table are. Default: what they look like.
 */
export async function loadRaw(
  data: DataConfig,
  outputs: number,
  files: JobFiles | undefined,
  wanted?: Targets['kind'],
): Promise<{ readonly train: Dataset; readonly test?: Dataset }> {
  if (data.kind === 'digits') return { train: await drawDigits({ samples: data.samples, seed: DRAWN_SEED }) };
  if (isDrawn(data)) return { train: drawToy(data) };
  if (!files) throw new DownhillError('INTERNAL', 'The job got no files.', 'Report this.');
  if ('files' in files) return { train: await readPlain(data, files.files, wanted) };
  // The network says how many classes there are: MNIST's files have 10, EMNIST's up to 62, and no header tells.
  const classes = Math.min(Math.max(outputs, 2), 256);
  const train = await load(files.train, classes);
  if (!files.test) return { train };
  const test = await load(files.test, classes);
  if (test.features === train.features) return { train, test };
  throw new DownhillError(
    'DATA-MISMATCH',
    `The training images have ${train.features} pixels, the test images ${test.features}.`,
    'Put the files of one data set into the folder.',
  );
}

/** Points of the plane. */
export const drawToy = ({ kind, samples, noise }: Extract<DrawnConfig, { readonly noise: number }>): Dataset =>
  toys[kind]({ samples, noise, seed: DRAWN_SEED });

/** More classes than a column that counts something looks like. */
const MOST_CLASSES = 100;

/** Numbers that are no classes: fractions, or more of them than anybody names. @throws DownhillError OPTION-RANGE */
function checkClasses({ loss }: TrainConfig['model'], { targets, labels = [], targetNames }: Dataset): void {
  if (targets.kind !== 'classes') return;
  const numbers = labels.map(Number);
  const odd = labels.find((_, i) => !Number.isInteger(numbers[i]));
  if (numbers.some(Number.isNaN) || (odd === undefined && labels.length <= MOST_CLASSES)) return;
  const what = odd === undefined ? `${labels.length} different numbers` : `numbers such as ${odd}`;
  throw new DownhillError(
    'OPTION-RANGE',
    `--loss ${loss} takes classes, but ${targetNames?.[0]} has ${what}.`,
    'Use --loss mse to predict the number.',
  );
}

/** Targets are what the loss takes, where one was chosen; else what they look like. */
function readPlain(data: DataConfig, files: readonly IdxSource[], wanted?: Targets['kind']) {
  const options = wanted ? ({ targets: wanted === 'values' ? 'values' : 'classes' } as const) : {};
  // A page gets addresses; as text they would be a table.
  const [first, second] = files.map((file) => (typeof file === 'string' ? new URL(file, location.href) : file));
  if (data.kind === 'csv') return readTable(first!, data, options);
  return npy(second === undefined ? { archive: first!, ...options } : { x: first!, y: second, ...options });
}

async function readTable(
  source: CsvSource,
  { target, ignore, missing, missingIn, delimiter, decimal }: DataConfig & { kind: 'csv' },
  targets: Pick<CsvOptions, 'targets'>,
): Promise<Dataset> {
  // Only a page that reads tables loads what reads them.
  const { csv } = await import('../../src/csv.js');
  const written = { ...(delimiter !== undefined && { delimiter }), ...(decimal && { decimal }) };
  const options = { target, ignore, ...written, ...targets };
  if (!missingIn) return csv(source, { ...options, missing });
  if (missing === 'refuse') return csv(source, { ...options, missing: missingIn });
  // The library takes one way for all columns, or ways by name: which columns there are, a first reading tells.
  const { encoding } = await csv(source, { ...options, missing: 'category' });
  const others = Object.fromEntries(encoding.columns.map(({ name }) => [name, missing]));
  return csv(source, { ...options, missing: { ...others, ...missingIn } });
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
