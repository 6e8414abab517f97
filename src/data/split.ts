import { DownhillError, show } from '../gpu/errors.js';
import { checkFlag, checkInteger, checkNumber, checkOptions } from '../gpu/fields.js';
import { pcgHash } from '../kernels/random.js';
import { permute } from './batching.js';
import type { Dataset } from './dataset.js';
import { isSource, picked } from './source.js';
import { kindOf } from './targets.js';
import { checkDataset } from './transform.js';

/** How `split` picks, where it is not the first samples. */
export interface SplitOptions {
  /** Of the samples that the first part gets: between 0 and 1. */
  readonly share: number;
  /** Which samples: an integer from 0 to 2^32 - 1. Default 0. */
  readonly seed?: number;
  /** Every class in both parts by the same share, as far as whole samples allow. Default false. */
  readonly stratify?: boolean;
}

/** Options of `kFold`. */
export interface FoldOptions {
  /** How many folds, from 2 to the number of samples. Default 5. */
  readonly k?: number;
  /** Which samples: an integer from 0 to 2^32 - 1. Default 0. */
  readonly seed?: number;
  /** Every class in every fold by the same share, as far as whole samples allow. Default false. */
  readonly stratify?: boolean;
}

const MAX_SEED = 2 ** 32 - 1;
/** So that a split and the epochs of a training with one seed are orders of their own. */
const SPLIT = 0x53504c54;

/**
 * A data set in two parts: the first `count` samples and the rest, as views of the same memory; or a share of the samples,
 * drawn by a seed, and the rest, both in the order drawn and copied.
 *
 * With a count, shuffle beforehand if the samples are sorted; with a share that is done.
 *
 * @param how A count from 1 to `dataset.samples - 1`, or `{ share, seed, stratify }`. Each part has at least one sample.
 * @throws DownhillError OPTION-*; DATA-MISMATCH for a single sample, and for `stratify` without classes.
 * @example
 * const [train, test] = split(data, { share: 0.8, seed: 0, stratify: true });
 */
export function split(dataset: Dataset, how: number | SplitOptions): [Dataset, Dataset] {
  checkDataset('split', dataset, true);
  const { samples } = dataset;
  if (samples < 2) {
    throw new DownhillError(
      'DATA-MISMATCH',
      'split got a data set of one sample.',
      'Pass a data set of at least 2 samples.',
    );
  }
  if (typeof how !== 'object' || how === null) {
    checkInteger('split.count', how, 1, samples - 1);
    return [slice(dataset, 0, how), slice(dataset, how, samples)];
  }
  checkOptions('split', how, ['share', 'seed', 'stratify']);
  const share = checkNumber('split.share', how.share, { above: 0, below: 1 });
  const { order, groups } = drawn('split', dataset, how);
  const count = Math.min(Math.max(Math.round(share * samples), 1), samples - 1);
  const first = new Uint8Array(samples);
  for (const [i, some] of allot(groups, count).entries())
    for (const sample of groups[i]!.subarray(0, some)) first[sample] = 1;
  return [
    pick(
      dataset,
      order.filter((sample) => first[sample]),
    ),
    pick(
      dataset,
      order.filter((sample) => !first[sample]),
    ),
  ];
}

/**
 * For cross-validation: k times the data set in two parts, each sample in the second part exactly once. The parts are
 * copied when they are asked for, so one pair at a time is in memory.
 *
 * @returns Pairs of what to train on (k - 1 folds) and what to judge by (1 fold).
 * @throws DownhillError at the call: OPTION-*; DATA-MISMATCH for `stratify` without classes.
 * @example
 * for (const [train, test] of kFold(data, { k: 5, seed: 0, stratify: true })) …
 */
export function kFold(dataset: Dataset, options: FoldOptions = {}): Iterable<[Dataset, Dataset]> {
  checkDataset('kFold', dataset, true);
  checkOptions('kFold', options, ['k', 'seed', 'stratify']);
  const k = checkInteger('kFold.k', options.k ?? 5, 2, dataset.samples);
  const { order, groups } = drawn('kFold', dataset, options);
  // Dealt out like cards, class after class, so that both the folds and the classes in them differ by one at most.
  const folds = new Uint32Array(dataset.samples);
  let card = 0;
  for (const group of groups) for (const sample of group) folds[sample] = card++ % k;
  return {
    *[Symbol.iterator]() {
      for (let fold = 0; fold < k; fold++) {
        const test = order.filter((sample) => folds[sample] === fold);
        yield [
          pick(
            dataset,
            order.filter((sample) => folds[sample] !== fold),
          ),
          pick(dataset, test),
        ];
      }
    },
  };
}

/**
 * Some samples of a data set, in the order given, copied; one may come several times. PyTorch's `Subset`.
 *
 * @param indices of samples, from 0: at least one
 * @throws DownhillError OPTION-TYPE, OPTION-RANGE
 * @example const looked = subset(data, trainer.batch(100).samples); // what step 101 sees
 */
export function subset(dataset: Dataset, indices: ArrayLike<number>): Dataset {
  checkDataset('subset', dataset, true);
  const { samples } = dataset;
  const length = checkInteger('subset: the number of indices', (indices as ArrayLike<number> | undefined)?.length, 1);
  const chosen = Uint32Array.from({ length }, (_, i) => checkInteger(`subset: index ${i}`, indices[i], 0, samples - 1));
  return pick(dataset, chosen);
}

/** All samples in an order drawn by the seed; and the same apart by class, where they are to be stratified. */
function drawn(where: string, { samples, targets }: Dataset, options: Omit<FoldOptions, 'k'>) {
  const seed = checkInteger(`${where}.seed`, options.seed ?? 0, 0, MAX_SEED);
  const stratify = checkFlag(`${where}.stratify`, options.stratify ?? false);
  const key = pcgHash(seed, SPLIT, 0);
  const order = Uint32Array.from({ length: samples }, (_, i) => permute(i, key, samples));
  if (!stratify) return { order, groups: [order] };
  if (targets.kind !== 'classes' || targets.labels.length !== samples) {
    throw new DownhillError(
      'DATA-MISMATCH',
      `${where} can stratify classes in memory only, but the targets are ${show(targets.kind)}${targets.kind === 'classes' ? ' of a source' : ''}.`,
      'Leave out stratify.',
    );
  }
  const { labels } = targets;
  // Stable: within a class the order drawn stays.
  const byClass = order.slice().sort((a, b) => labels[a]! - labels[b]!);
  const groups: Uint32Array[] = [];
  for (let start = 0, end = 1; end <= samples; end++) {
    if (end < samples && labels[byClass[end]!] === labels[byClass[start]!]) continue;
    groups.push(byClass.subarray(start, end));
    start = end;
  }
  return { order, groups };
}

/** How many of each group make `count` in all, each by the same share: the largest remainders are rounded up. */
function allot(groups: readonly Uint32Array[], count: number): number[] {
  const total = groups.reduce((sum, { length }) => sum + length, 0);
  const exact = groups.map(({ length }) => (length * count) / total);
  const whole = exact.map(Math.floor);
  const left = count - whole.reduce((sum, some) => sum + some, 0);
  const byRemainder = exact.map((_, i) => i).sort((a, b) => exact[b]! - whole[b]! - (exact[a]! - whole[a]!));
  for (const i of byRemainder.slice(0, left)) whole[i]!++;
  return whole;
}

/** Some samples of a data set: copied, or read from where they are. */
function pick(dataset: Dataset, samples: Uint32Array): Dataset {
  if (!isSource(dataset)) return Object.freeze(picked(dataset, samples));
  const read = (indices: Uint32Array) => dataset.read(indices.map((i) => samples[i]!));
  return Object.freeze({ ...dataset, samples: samples.length, read });
}

function slice(dataset: Dataset, start: number, end: number): Dataset {
  const { features, targets: all } = dataset;
  if (isSource(dataset)) {
    const read = (indices: Uint32Array) => dataset.read(indices.map((i) => i + start));
    return Object.freeze({ ...dataset, samples: end - start, read });
  }
  const x = dataset.x.subarray(start * features, end * features);
  const targets = Object.freeze(kindOf(all).slice(all, start, end));
  return Object.freeze({ ...dataset, samples: end - start, x, targets });
}
