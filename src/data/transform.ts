import { DownhillError, show } from '../gpu/errors.js';
import { checkChoice, checkOptions } from '../gpu/fields.js';
import type { Dataset, Scaling } from './dataset.js';
import { at, checkScaling, checkTargetScaling, isScaling, scalingOf, showScaling } from './scaling.js';
import { isSource } from './source.js';
import { faultOf } from './targets.js';

/** What the network sees of a data set, in numbers: one for all features together, or one for each. Plain JSON. */
export interface Statistics {
  readonly mean: Scaling;
  /** Of the population (divided by the number of values); 0 if all values are equal. */
  readonly std: Scaling;
  readonly min?: Scaling;
  readonly max?: Scaling;
}

/** Whether each feature has statistics of its own. */
export interface ByOptions {
  /**
   * Default: 'feature' for tables (float32 samples without an image shape), whose columns have units of their own; 'all'
   * for bytes and images.
   */
  readonly by?: 'feature' | 'all';
}

/**
 * Mean, standard deviation, smallest and largest value of `x`, after the present scale and shift: of each feature of a
 * table, of all features together of bytes and images.
 *
 * Computed in float64; for bytes from histograms, with exact sums. Values that are not finite make mean and std NaN.
 *
 * @throws DownhillError OPTION-TYPE, OPTION-RANGE, OPTION-UNKNOWN.
 */
export function statistics(dataset: Dataset, options: ByOptions = {}): Statistics {
  checkDataset('statistics', dataset);
  const by = readBy('statistics', options, dataset);
  const { x, features, scale, shift } = dataset;
  if (by === 'feature') {
    return columns(features, (f) => linear(moments(x, f, features), at(scale, f), at(shift, f)));
  }
  if (typeof scale === 'number' && typeof shift === 'number') return linear(moments(x), scale, shift);
  // Features scaled one by one have no statistic of their raw values in common.
  const seen = Float64Array.from(x, (value, i) => value * at(scale, i % features) + at(shift, i % features));
  return linear(moments(seen), 1, 0);
}

/**
 * The same of the targets of a regression: one number for each output, of the raw values.
 *
 * @throws DownhillError DATA-MISMATCH for targets that are classes; OPTION-TYPE.
 */
export function targetStatistics(dataset: Dataset): Statistics {
  const { width, values } = valuesOf('targetStatistics', dataset);
  return columns(width, (i) => moments(values, i, width));
}

/**
 * The data set with zero mean and unit variance (each feature of a table; all values together of bytes and images), by
 * scale and shift only: `x` is shared, and bytes stay bytes unless each feature has numbers of its own.
 *
 * @param how What to bring to 0 and 1; default: the statistics of the data set itself. Give a test set the statistics of
 *   its training set. Or `{ by: 'feature' | 'all' }`, of which statistics. A `std` of 0 (all values equal) counts as 1.
 * @throws DownhillError OPTION-RANGE if the statistics are not finite or `std` is negative, OPTION-TYPE, OPTION-UNKNOWN;
 *   DATA-MISMATCH for statistics of another number of features.
 * @example
 * const stats = statistics(train);
 * const [a, b] = [standardize(train, stats), standardize(test, stats)];
 */
export function standardize(dataset: Dataset, how: Statistics | ByOptions = {}): Dataset {
  checkDataset('standardize', dataset, !isOptions(how));
  const { features, scale, shift } = dataset;
  if (isOptions(how)) checkFinite('standardize', dataset);
  const stats = isOptions(how) ? statistics(dataset, how) : (how as Statistics);
  checkMoments('standardize', stats, features, 'feature');
  const [mean, std] = [stats.mean, nonzero(stats.std)];
  return Object.freeze({
    ...dataset,
    scale: combine(features, [scale, std], (own, s) => own / s),
    shift: combine(features, [shift, mean, std], (own, m, s) => (own - m) / s),
  });
}

/**
 * The data set whose targets of a regression have zero mean and unit variance, each output on its own, while the network
 * is trained; `trainer.predict` and the metrics in units give raw units back. The loss is that of the scaled targets.
 *
 * @param stats Default: those of the data set itself. Give a test set the statistics of its training set.
 * @throws DownhillError DATA-MISMATCH for targets that are classes or statistics of another number of outputs;
 *   OPTION-RANGE, OPTION-TYPE as `standardize`.
 * @example
 * const stats = targetStatistics(train);
 * const [a, b] = [standardizeTargets(train, stats), standardizeTargets(test, stats)];
 */
export function standardizeTargets(dataset: Dataset, stats: Statistics = targetStatistics(dataset)): Dataset {
  const targets = valuesOf('standardizeTargets', dataset);
  const { width } = targets;
  checkMoments('standardizeTargets', stats, width, 'output');
  const [mean, std] = [stats.mean, nonzero(stats.std)];
  const scale = combine(width, [std], (s) => 1 / s);
  const shift = combine(width, [mean, std], (m, s) => -m / s);
  return Object.freeze({ ...dataset, targets: Object.freeze({ ...targets, scale, shift }) });
}

/**
 * The data set scaled to [0, 1], by scale and shift only: bytes by 1/255 whatever their range, floats by their smallest
 * and largest value (each feature of a table; all 0 where these are equal). The present scale and shift are replaced.
 *
 * @param how Default: the range of the data set itself. Give a test set the statistics of its training set; they are those
 *   of raw values. Or `{ by: 'feature' | 'all' }`.
 * @throws DownhillError OPTION-RANGE if a value is not finite, OPTION-TYPE, OPTION-UNKNOWN; DATA-MISMATCH.
 */
export function unitRange(dataset: Dataset, how: Statistics | ByOptions = {}): Dataset {
  checkDataset('unitRange', dataset);
  const { x, features } = dataset;
  if (isOptions(how)) readBy('unitRange', how, dataset);
  if (x instanceof Uint8Array && !(isOptions(how) && (how as ByOptions).by === 'feature'))
    return Object.freeze({ ...dataset, scale: 1 / 255, shift: 0 });
  if (isOptions(how)) checkFinite('unitRange', dataset);
  const stats = isOptions(how) ? statistics({ ...dataset, scale: 1, shift: 0 }, how) : (how as Statistics);
  const { min, max } = checkRange('unitRange', stats, features);
  const scale = combine(features, [min, max], (low, high) => (high > low ? 1 / (high - low) : 1));
  return Object.freeze({ ...dataset, scale, shift: combine(features, [min, scale], (low, s) => -low * s) });
}

/** One number where all parts are one, else one per feature. */
function combine(width: number, parts: readonly Scaling[], of: (...values: number[]) => number): Scaling {
  if (parts.every((part) => typeof part === 'number')) return of(...(parts as number[]));
  return scalingOf(width, (i) => of(...parts.map((part) => at(part, i))));
}

const nonzero = (std: Scaling): Scaling =>
  typeof std === 'number' ? std || 1 : scalingOf(std.length, (i) => at(std, i) || 1);

const isOptions = (how: unknown): how is ByOptions =>
  typeof how === 'object' && how !== null && ('by' in how || Object.keys(how).length === 0);

function readBy(where: string, options: ByOptions, { x, image }: Dataset): 'feature' | 'all' {
  checkOptions(where, options, ['by']);
  const table = x instanceof Float32Array && !image;
  return checkChoice(`${where}.by`, options.by ?? (table ? 'feature' : 'all'), ['feature', 'all']);
}

interface Moments extends Statistics {
  readonly mean: number;
  readonly std: number;
  readonly min: number;
  readonly max: number;
}

/** Of every column, as one list for each statistic. */
function columns(width: number, of: (i: number) => Moments): Statistics {
  const all = Array.from({ length: width }, (_, i) => of(i));
  const list = (name: keyof Moments) => scalingOf(width, (i) => all[i]![name]);
  return Object.freeze({ mean: list('mean'), std: list('std'), min: list('min'), max: list('max') });
}

/** Of `value * scale + shift`. */
function linear({ mean, std, min, max }: Moments, scale: number, shift: number): Moments {
  const [low, high] = scale < 0 ? [max, min] : [min, max];
  return Object.freeze({
    mean: mean * scale + shift,
    std: std * Math.abs(scale),
    min: low * scale + shift,
    max: high * scale + shift,
  });
}

/** Of the values at `start`, `start + step` …: of a column, or of all. */
const moments = (x: Uint8Array | Float32Array | Float64Array, start = 0, step = 1): Moments =>
  x instanceof Uint8Array ? momentsOfBytes(x, start, step) : momentsOfFloats(x, start, step);

function momentsOfBytes(x: Uint8Array, start: number, step: number): Moments {
  const histogram = new Float64Array(256);
  let count = 0;
  for (let i = start; i < x.length; i += step, count++) histogram[x[i]!]!++;
  // Exact: 255 * x.length stays far below 2^53.
  let sum = 0;
  for (let value = 0; value < 256; value++) sum += histogram[value]! * value;
  const mean = sum / count;
  let squares = 0;
  for (let value = 0; value < 256; value++) squares += histogram[value]! * (value - mean) ** 2;
  const [min, max] = [histogram.findIndex(Boolean), histogram.findLastIndex(Boolean)];
  // A constant set must give exactly 0, also where the division above rounded.
  return { mean, std: min === max ? 0 : Math.sqrt(squares / count), min, max };
}

function momentsOfFloats(x: Float32Array | Float64Array, start: number, step: number): Moments {
  // Two passes over the differences from the first value: they keep their digits however far x is from 0, and are
  // exactly 0 for a constant set.
  const origin = x[start]!;
  let [sum, count, min, max] = [0, 0, Infinity, -Infinity];
  for (let i = start; i < x.length; i += step, count++) {
    const value = x[i]!;
    sum += value - origin;
    if (value < min) min = value;
    if (value > max) max = value;
  }
  const offset = sum / count;
  let squares = 0;
  for (let i = start; i < x.length; i += step) squares += (x[i]! - origin - offset) ** 2;
  return { mean: origin + offset, std: Math.sqrt(squares / count), min, max };
}

function valuesOf(where: string, dataset: Dataset) {
  checkDataset(where, dataset);
  const { targets } = dataset;
  if (targets.kind === 'values') return targets;
  throw new DownhillError(
    'DATA-MISMATCH',
    `${where} needs real numbers as targets, but the data holds ${show(targets.kind)}.`,
    'Leave targets that are classes as they are.',
  );
}

/** Statistics to bring to 0 and 1 must be finite numbers, one or one for each of `width`. */
function checkMoments(where: string, stats: unknown, width: number, of: 'feature' | 'output'): void {
  const { mean, std } = (stats ?? {}) as Partial<Statistics>;
  for (const each of [mean, std]) checkIsScaling(where, '{ mean, std }', stats, each, width, of);
  const good = isScaling(mean, width) && isScaling(std, width, (value) => value >= 0);
  if (good) return;
  throw new DownhillError(
    'OPTION-RANGE',
    `${where} needs a finite mean and a finite std of at least 0, got mean ${showScaling(mean)}, std ${showScaling(std)}.`,
    `Remove NaN and infinite values from ${of === 'feature' ? 'x' : 'the targets'}, or correct the statistics.`,
  );
}

function checkRange(where: string, stats: Statistics, width: number): { readonly min: Scaling; readonly max: Scaling } {
  const { min, max } = stats ?? {};
  for (const each of [min, max]) checkIsScaling(where, '{ min, max }', stats, each, width, 'feature');
  if (isScaling(min, width) && isScaling(max, width)) return { min: min!, max: max! };
  throw new DownhillError(
    'OPTION-RANGE',
    `${where} needs a finite min and max, got min ${showScaling(min)}, max ${showScaling(max)}.`,
    'Remove NaN and infinite values from x, or correct the statistics.',
  );
}

function checkIsScaling(
  where: string,
  what: string,
  stats: unknown,
  value: unknown,
  width: number,
  of: string,
): asserts value is Scaling {
  const isList = Array.isArray(value) || value instanceof Float64Array;
  if (typeof value !== 'number' && !(isList && Array.from(value).every((each) => typeof each === 'number'))) {
    throw new DownhillError(
      'OPTION-TYPE',
      `${where} expects ${what}, got ${show(stats)}.`,
      `Pass what ${of === 'feature' ? 'statistics' : 'targetStatistics'}() returns.`,
    );
  }
  if (isList && value.length !== width) {
    throw new DownhillError(
      'DATA-MISMATCH',
      `${where} got statistics of ${value.length} ${of}s for ${width}.`,
      'Pass the statistics of a data set of the same columns.',
    );
  }
}

/** @throws DownhillError OPTION-RANGE with the place of a value that is not finite */
function checkFinite(where: string, { x, features }: Dataset): void {
  const i = x instanceof Uint8Array ? -1 : x.findIndex((value) => !Number.isFinite(value));
  if (i < 0) return;
  throw new DownhillError(
    'OPTION-RANGE',
    `${where} found ${x[i]} in sample ${Math.floor(i / features)}, feature ${i % features}.`,
    'Remove NaN and infinite values from x.',
  );
}

export function checkDataset(where: string, dataset: unknown, sources = false): asserts dataset is Dataset {
  const { x, targets } = (dataset ?? {}) as Partial<Dataset>;
  if (!sources && dataset && isSource(dataset)) {
    throw new DownhillError(
      'OPTION-TYPE',
      `${where} got a source, whose samples are not in memory.`,
      'Take the statistics of a part of it in memory, made with arrays(), and standardize the source by them.',
    );
  }
  if (!(x instanceof Uint8Array || x instanceof Float32Array) || typeof targets !== 'object') {
    throw new DownhillError(
      'OPTION-TYPE',
      `${where} expects a data set, got ${show(dataset)}.`,
      'Pass what arrays, idx or digits returns.',
    );
  }
  // A data set is plain data that anybody can make or change.
  const { samples, features } = dataset as Dataset;
  const held = isSource(dataset as Dataset) ? 0 : samples;
  const whole = [samples, features].every((count) => Number.isSafeInteger(count) && count >= 1);
  const fault = whole && x.length === held * features ? faultOf(targets, held) : `${x.length} values of x`;
  if (fault !== undefined) {
    throw new DownhillError(
      'DATA-MISMATCH',
      `${where} got a data set of ${show(samples)} samples of ${show(features)} features with ${fault}.`,
      'Make it with arrays(), idx() or digits().',
    );
  }
  checkScaling(dataset as Dataset);
  if (targets?.kind === 'values') checkTargetScaling(targets);
}
