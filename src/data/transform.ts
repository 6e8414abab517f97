import { DownhillError, show } from '../gpu/errors.js';
import { checkInteger } from '../gpu/fields.js';
import type { Dataset } from './dataset.js';
import { kindOf } from './targets.js';

/** Mean and standard deviation of what the network sees of a data set. */
export interface Statistics {
  readonly mean: number;
  /** Of the population (divided by the number of values); 0 if all values are equal. */
  readonly std: number;
}

/**
 * The first `count` samples, and the rest. Both are views of the same memory. Shuffle beforehand if the samples are
 * sorted.
 *
 * @param count From 1 to `dataset.samples - 1`.
 * @throws DownhillError OPTION-TYPE, OPTION-RANGE; DATA-MISMATCH for a single sample.
 */
export function split(dataset: Dataset, count: number): [Dataset, Dataset] {
  checkDataset('split', dataset);
  const { samples } = dataset;
  if (samples < 2) {
    throw new DownhillError(
      'DATA-MISMATCH',
      'split got a data set of one sample.',
      'Pass a data set of at least 2 samples.',
    );
  }
  checkInteger('split.count', count, 1, samples - 1);
  return [slice(dataset, 0, count), slice(dataset, count, samples)];
}

/**
 * Mean and standard deviation over all values of `x` (all features together), after the present scale and shift.
 *
 * Computed in float64; for bytes from a histogram, with exact sums. Values that are not finite make both NaN.
 */
export function statistics(dataset: Dataset): Statistics {
  checkDataset('statistics', dataset);
  const { x, scale, shift } = dataset;
  const raw = x instanceof Uint8Array ? momentsOfBytes(x) : momentsOfFloats(x);
  return Object.freeze({ mean: raw.mean * scale + shift, std: raw.std * Math.abs(scale) });
}

/**
 * The data set with zero mean and unit variance, by scale and shift only: `x` is shared, bytes stay bytes.
 *
 * @param stats What to bring to 0 and 1; default: those of the data set itself. Give a test set the statistics of its
 *   training set. A `std` of 0 (all values equal) counts as 1.
 * @throws DownhillError OPTION-RANGE if the statistics are not finite or `std` is negative, OPTION-TYPE.
 * @example
 * const stats = statistics(train);
 * const [a, b] = [standardize(train, stats), standardize(test, stats)];
 */
export function standardize(dataset: Dataset, stats: Statistics = statistics(dataset)): Dataset {
  checkDataset('standardize', dataset);
  if (typeof stats?.mean !== 'number' || typeof stats?.std !== 'number') {
    throw new DownhillError(
      'OPTION-TYPE',
      `standardize expects { mean, std }, got ${show(stats)}.`,
      'Pass what statistics() returns.',
    );
  }
  if (!Number.isFinite(stats.mean) || !Number.isFinite(stats.std) || stats.std < 0) {
    throw new DownhillError(
      'OPTION-RANGE',
      `standardize needs a finite mean and a finite std of at least 0, got mean ${stats.mean}, std ${stats.std}.`,
      'Remove NaN and infinite values from x, or correct the statistics.',
    );
  }
  const std = stats.std === 0 ? 1 : stats.std;
  return Object.freeze({ ...dataset, scale: dataset.scale / std, shift: (dataset.shift - stats.mean) / std });
}

/**
 * The data set scaled to [0, 1], by scale and shift only: bytes by 1/255 whatever their range, floats by their smallest
 * and largest value (all 0 if these are equal). The present scale and shift are replaced.
 *
 * @throws DownhillError OPTION-RANGE if a value is not finite.
 */
export function unitRange(dataset: Dataset): Dataset {
  checkDataset('unitRange', dataset);
  const { x } = dataset;
  if (x instanceof Uint8Array) return Object.freeze({ ...dataset, scale: 1 / 255, shift: 0 });
  let low = Infinity;
  let high = -Infinity;
  for (let i = 0; i < x.length; i++) {
    const value = x[i]!;
    if (!Number.isFinite(value)) {
      throw new DownhillError(
        'OPTION-RANGE',
        `unitRange found ${value} in sample ${Math.floor(i / dataset.features)}, feature ${i % dataset.features}.`,
        'Remove NaN and infinite values from x.',
      );
    }
    if (value < low) low = value;
    if (value > high) high = value;
  }
  const scale = high > low ? 1 / (high - low) : 1;
  return Object.freeze({ ...dataset, scale, shift: -low * scale });
}

function slice(dataset: Dataset, start: number, end: number): Dataset {
  const { features, targets: all } = dataset;
  const x = dataset.x.subarray(start * features, end * features);
  const targets = Object.freeze(kindOf(all).slice(all, start, end));
  return Object.freeze({ ...dataset, samples: end - start, x, targets });
}

function momentsOfBytes(x: Uint8Array): Statistics {
  const histogram = new Float64Array(256);
  for (let i = 0; i < x.length; i++) histogram[x[i]!]!++;
  // Exact: 255 * x.length stays far below 2^53.
  let sum = 0;
  for (let value = 0; value < 256; value++) sum += histogram[value]! * value;
  const mean = sum / x.length;
  let squares = 0;
  for (let value = 0; value < 256; value++) squares += histogram[value]! * (value - mean) ** 2;
  // A constant set must give exactly 0, also where the division above rounded.
  return { mean, std: histogram.includes(x.length) ? 0 : Math.sqrt(squares / x.length) };
}

function momentsOfFloats(x: Float32Array): Statistics {
  // Two passes over the differences from the first value: they keep their digits however far x is from 0, and are
  // exactly 0 for a constant set.
  const origin = x[0]!;
  let sum = 0;
  for (let i = 0; i < x.length; i++) sum += x[i]! - origin;
  const offset = sum / x.length;
  let squares = 0;
  for (let i = 0; i < x.length; i++) squares += (x[i]! - origin - offset) ** 2;
  return { mean: origin + offset, std: Math.sqrt(squares / x.length) };
}

function checkDataset(where: string, dataset: unknown): asserts dataset is Dataset {
  const { x, targets } = (dataset ?? {}) as Partial<Dataset>;
  if (!(x instanceof Uint8Array || x instanceof Float32Array) || typeof targets !== 'object') {
    throw new DownhillError(
      'OPTION-TYPE',
      `${where} expects a data set, got ${show(dataset)}.`,
      'Pass what arrays, idx or digits returns.',
    );
  }
}
