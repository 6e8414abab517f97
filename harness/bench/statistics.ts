/**
 * What may be said of a handful of times. Times of a machine are skewed, with outliers on one side: everything here is
 * of medians and orders, which a hundredfold outlier does not move. Deterministic: the same samples give the same words.
 */
import { generator } from '../common/random.js';

/** A median and its 95 % interval; no bounds where the samples are too few to tell. */
export interface Estimate {
  readonly value: number;
  readonly low?: number;
  readonly high?: number;
}

/** Rounds as they are stored: null where a contender was left out. */
export type Samples = readonly (number | null)[];

/**
 * Fewer samples give no interval. The range of five holds the true median in 93.75 % of cases (both ends on one side:
 * 2 · 2⁻⁵), that of four only in 87.5 %.
 */
const LEAST_SAMPLES = 5;

const CONFIDENCE = 0.95;
/** The bounds of the bootstrap move by less than a tenth of the interval's width from 2000 draws on. */
const DRAWS = 2000;

/** The samples that are there. */
export const present = (samples: Samples): number[] =>
  samples.filter((value): value is number => value !== null && Number.isFinite(value));

/** Linear between the order statistics (type 7 of Hyndman and Fan, as in NumPy and R). NaN of nothing. */
export function quantile(samples: Samples, p: number): number {
  return quantileSorted(
    present(samples).sort((a, b) => a - b),
    p,
  );
}

function quantileSorted(sorted: ArrayLike<number>, p: number): number {
  if (sorted.length === 0) return Number.NaN;
  const at = p * (sorted.length - 1);
  const below = sorted[Math.floor(at)]!;
  return below + (sorted[Math.ceil(at)]! - below) * (at - Math.floor(at));
}

export const median = (samples: Samples): number => quantile(samples, 0.5);

/** The interquartile range over the median; undefined of a single sample. */
export function spread(samples: Samples): number | undefined {
  const values = present(samples);
  if (values.length < 2) return undefined;
  return (quantile(values, 0.75) - quantile(values, 0.25)) / median(values);
}

/**
 * The median with its 95 % interval by order statistics: how many of n samples lie below the median is binomial, whatever
 * the distribution, so that the k-th smallest and k-th greatest hold it with a known chance. A bootstrap of so few samples
 * would come to the same order statistics with less right to them. Between two k it is interpolated after Hettmansperger
 * and Sheather (1986), which keeps the coverage near 95 % where a whole k would jump between 93 and 99.
 */
export function interval(samples: Samples): Estimate {
  const sorted = present(samples).sort((a, b) => a - b);
  const n = sorted.length;
  const value = quantileSorted(sorted, 0.5);
  if (n < LEAST_SAMPLES) return { value };
  if (covered(n, 1) < CONFIDENCE) return { value, low: sorted[0]!, high: sorted[n - 1]! };
  let k = 1;
  while (covered(n, k + 1) >= CONFIDENCE) k++;
  const part = (covered(n, k) - CONFIDENCE) / (covered(n, k) - covered(n, k + 1));
  const weight = ((n - k) * part) / (k + (n - 2 * k) * part);
  const between = (from: number, to: number) => sorted[from]! + (sorted[to]! - sorted[from]!) * weight;
  return { value, low: between(k - 1, k), high: between(n - k, n - k - 1) };
}

/** The chance that the median lies between the k-th smallest and the k-th greatest of n samples. */
function covered(n: number, k: number): number {
  let outside = 0;
  // In logarithms: 2^-n is 0 in float64 from n = 1075 on.
  let logChance = -n * Math.LN2;
  for (let below = 0; below < k; below++) {
    outside += Math.exp(logChance);
    logChance += Math.log((n - below) / (below + 1));
  }
  return 1 - 2 * outside;
}

/** a over b, round by round, where both were measured: what disturbs a round disturbs both. */
export const pairedRatios = (a: Samples, b: Samples): number[] =>
  present(a.map((value, round) => (value === null || !b[round] ? null : value / b[round])));

/**
 * How many times as long a takes as b: the median of the rounds' ratios. Its interval is that of any median, over the
 * ratios: pairs stay together, as in a bootstrap of rounds, and the coverage is known.
 */
export const ratio = (a: Samples, b: Samples): Estimate => interval(pairedRatios(a, b));

/**
 * Draws of a sample's median by the bootstrap, in random order; undefined of too few samples. Two samples of independent
 * runs need it: there are no pairs whose order could be counted.
 */
function medianDraws(samples: Samples, seed: number, draws = DRAWS): Float64Array | undefined {
  const values = Float64Array.from(present(samples)).sort();
  const n = values.length;
  if (n < LEAST_SAMPLES) return undefined;
  const next = generator(seed);
  const picked = new Float64Array(n);
  return Float64Array.from({ length: draws }, () => {
    for (let i = 0; i < n; i++) picked[i] = values[Math.floor(next() * n)]!;
    return quantileSorted(picked.sort(), 0.5);
  });
}

/** The middle 95 % of draws. */
export function drawnInterval(draws: Float64Array): { low: number; high: number } {
  const sorted = draws.slice().sort();
  return { low: quantileSorted(sorted, (1 - CONFIDENCE) / 2), high: quantileSorted(sorted, (1 + CONFIDENCE) / 2) };
}

/** Draws of the ratio of two runs' medians, for `change` and for what is computed from several of them. */
export function changeDraws(now: Samples, old: Samples, seed: number): Float64Array | undefined {
  const [above, below] = [medianDraws(now, 2 * seed + 1), medianDraws(old, 2 * seed + 2)];
  return above && below && above.map((value, i) => value / below[i]!);
}

/** The median of one run over that of another: 1.2 means it now takes 1.2 times as long. */
export function change(now: Samples, old: Samples, seed = 1): Estimate {
  const draws = changeDraws(now, old, seed);
  return { value: median(now) / median(old), ...(draws && drawnInterval(draws)) };
}
