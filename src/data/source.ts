import { MAX_F32 } from '../gpu/constants.js';
import { DownhillError, show } from '../gpu/errors.js';
import { checkChoice, checkInteger, checkOptions } from '../gpu/fields.js';
import type { Dataset, Scaling, Targets } from './dataset.js';
import { at, isScaling, showScaling } from './scaling.js';
import { kindOf, type TargetValues } from './targets.js';

/** Some samples with their targets, row-major, in the order in which they were asked for. */
export interface Rows {
  readonly x: Uint8Array | Float32Array;
  readonly y: TargetValues;
}

/**
 * Samples that are read when a step wants them: from a file, a data base, or made on the spot. To the trainer it is a data
 * set whose `x` and targets are empty.
 */
export interface DataSource extends Dataset {
  /** Which samples: indices in any order, also more than once. */
  read(indices: Uint32Array): Rows | Promise<Rows>;
}

/** Options of {@link source}. */
export interface SourceOptions {
  readonly samples: number;
  readonly features: number;
  /** Of the values that `read` gives: 'uint8' stays bytes on the GPU. Default 'float32'. */
  readonly type?: 'uint8' | 'float32';
  /** The targets are class indices below this. */
  readonly classes?: number;
  /** The targets are so many real numbers per sample. Default 1, where there are no `classes`. */
  readonly outputs?: number;
  /** The network sees raw · scale + shift. Default: 1/255 and 0 for bytes, 1 and 0 else. */
  readonly scale?: Scaling;
  readonly shift?: Scaling;
  /** Shape of one sample, [height, width], where it is a grey image. */
  readonly image?: readonly [number, number];
  /** @returns one row of `x` and one target for each index, at once or later; the arrays are copied before the next call */
  read(indices: Uint32Array): Rows | Promise<Rows>;
}

/**
 * A data set that is read while it is trained on, for more samples than fit into memory: `read` is asked for the rows of
 * the batches to come, in an epoch's order, which is that of the same samples in memory: bit for bit the same losses.
 *
 * @throws DownhillError OPTION-*. What `read` gives is checked each time: DATA-MISMATCH, DATA-LABEL.
 * @example
 * const data = source({
 *   samples: 1e6, features: 3, classes: 2,
 *   read: (indices) => ({ x: new Float32Array(3 * indices.length), y: new Uint8Array(indices.length) }),
 * });
 */
export function source(options: SourceOptions): DataSource {
  checkOptions('source', options, OPTIONS);
  const samples = checkInteger('source.samples', options.samples, 1, 2 ** 32 - 1);
  const features = checkInteger('source.features', options.features, 1);
  const bytes = checkChoice('source.type', options.type ?? 'float32', ['uint8', 'float32']) === 'uint8';
  const { classes, outputs, scale = bytes ? 1 / 255 : 1, shift = 0, image, read } = options;
  if (typeof read !== 'function') {
    throw new DownhillError(
      'OPTION-TYPE',
      `source.read must be a function, got ${show(read)}.`,
      'Pass (indices) => rows.',
    );
  }
  if (classes !== undefined && outputs !== undefined) {
    throw new DownhillError('OPTION-RANGE', 'source has classes and outputs.', 'Give one of them.');
  }
  for (const [name, value] of Object.entries({ scale, shift })) {
    if (isScaling(value, features)) continue;
    const what = `source.${name} must be a finite number or one of each feature, got ${showScaling(value)}.`;
    throw new DownhillError('OPTION-TYPE', what, 'Leave it out, or pass what statistics gave.');
  }
  const targets: Targets =
    classes === undefined
      ? { kind: 'values', width: checkInteger('source.outputs', outputs ?? 1, 1), values: new Float32Array(0) }
      : {
          kind: 'classes',
          classes: checkInteger('source.classes', classes, 2, 2 ** 32),
          labels: new Uint32Array(0),
        };
  const x = bytes ? new Uint8Array(0) : new Float32Array(0);
  return Object.freeze({ samples, features, x, scale, shift, targets, read, ...(image && { image }) });
}

const OPTIONS = ['samples', 'features', 'type', 'classes', 'outputs', 'scale', 'shift', 'image', 'read'];

export const isSource = (data: object): data is DataSource => typeof (data as Partial<DataSource>).read === 'function';

type Interval = readonly [low: number, high: number];

/**
 * Some samples of a data set, as a data set of their own: picked where it is in memory, read where it is a source.
 *
 * @param within where the loss wants targets to lie: those of a source are looked at as they come
 */
export function rowsOf(data: Dataset, indices: Uint32Array, within?: Interval): Dataset | Promise<Dataset> {
  if (!isSource(data)) return picked(data, indices);
  const rows = data.read(indices);
  const check = (there: Rows) => checked(data, indices, there, within);
  return rows instanceof Promise ? rows.then(check) : check(rows);
}

/** Some samples of a data set in memory, copied. */
export function picked(data: Dataset, indices: Uint32Array): Dataset {
  const { features, targets } = data;
  // Node's Buffer is a Uint8Array too, so not `data.x.constructor`.
  const x = new (data.x instanceof Uint8Array ? Uint8Array : Float32Array)(indices.length * features);
  for (let row = 0; row < indices.length; row++) {
    const at = indices[row]! * features;
    x.set(data.x.subarray(at, at + features), row * features);
  }
  return { ...data, samples: indices.length, x, targets: Object.freeze(kindOf(targets).pick(targets, indices)) };
}

/** What a source gave, as the data set it is. */
function checked(data: DataSource, indices: Uint32Array, rows: Rows, within?: Interval): Dataset {
  const { x, y } = rows ?? {};
  const { features, targets } = data;
  const Values = data.x instanceof Uint8Array ? Uint8Array : Float32Array;
  const length = indices.length * features;
  const wanted = kindOf(targets).perSample(targets) * indices.length;
  if (!(x instanceof Values) || x.length !== length || !ArrayBuffer.isView(y) || y.length !== wanted) {
    throw new DownhillError(
      'DATA-MISMATCH',
      `The source was asked for ${indices.length} samples: that needs a ${Values.name} of ${length} values as x and ${wanted} as y; it gave ${show(x)} of ${x?.length} and ${show(y)} of ${(y as TargetValues | undefined)?.length}.`,
      'Let read give one row and one target per index.',
    );
  }
  if (targets.kind === 'classes') checkLabels(y, targets.classes, indices);
  else if (targets.kind === 'values') checkValues(y, targets, indices, within);
  return { ...data, samples: indices.length, x, targets: kindOf(targets).of(targets, y) };
}

function checkLabels(y: TargetValues, classes: number, indices: Uint32Array): void {
  const wrong = y.findIndex((label) => !(label < classes && Number.isInteger(label)));
  if (wrong < 0) return;
  throw new DownhillError(
    'DATA-LABEL',
    `The source gave sample ${indices[wrong]} the label ${y[wrong]}, but there are ${classes} classes.`,
    `Let read give labels from 0 to ${classes - 1}.`,
  );
}

/** @param within where the loss wants targets to lie, as the network is trained on them */
function checkValues(
  y: TargetValues,
  { width, scale = 1, shift = 0 }: Extract<Targets, { kind: 'values' }>,
  indices: Uint32Array,
  [low, high]: Interval = [-MAX_F32, MAX_F32],
): void {
  const scaled = scale !== 1 || shift !== 0;
  for (let i = 0; i < y.length; i++) {
    const value = scaled ? y[i]! * at(scale, i % width) + at(shift, i % width) : y[i]!;
    if (value >= low && value <= high) continue;
    throw new DownhillError(
      'DATA-LABEL',
      `The source gave sample ${indices[Math.floor(i / width)]} the target ${y[i]}, ${high === MAX_F32 ? 'no finite float32' : `which does not lie from ${low} to ${high}`}.`,
      'Let read give such targets as the loss takes.',
    );
  }
}

/** Samples of a source that are read at a time, where all are wanted. */
const READ_SAMPLES = 4096;

/** All targets of a source, read a part at a time. */
export async function targetsOf(data: DataSource): Promise<Targets> {
  const kind = kindOf(data.targets);
  const length = data.samples * kind.perSample(data.targets);
  const values = data.targets.kind === 'classes' ? new Uint32Array(length) : new Float32Array(length);
  for (let first = 0; first < data.samples; first += READ_SAMPLES) {
    const samples = Math.min(READ_SAMPLES, data.samples - first);
    const { targets } = await rowsOf(
      data,
      Uint32Array.from({ length: samples }, (_, i) => first + i),
    );
    values.set(valuesOf(targets), first * kind.perSample(targets));
  }
  return kind.of(data.targets, values);
}

const valuesOf = (targets: Targets) => (targets.kind === 'classes' ? targets.labels : targets.values);
