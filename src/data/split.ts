import { DownhillError } from '../gpu/errors.js';
import { checkInteger } from '../gpu/fields.js';
import type { Dataset } from './dataset.js';
import { kindOf } from './targets.js';
import { checkDataset } from './transform.js';

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

function slice(dataset: Dataset, start: number, end: number): Dataset {
  const { features, targets: all } = dataset;
  const x = dataset.x.subarray(start * features, end * features);
  const targets = Object.freeze(kindOf(all).slice(all, start, end));
  return Object.freeze({ ...dataset, samples: end - start, x, targets });
}
