import { type Direction, ranked, type Trial } from './trial.js';

/* What can be said of many runs: over seeds, and over trials. */

/** Numbers in a few: what several seeds came to. */
export interface Spread {
  readonly count: number;
  readonly mean: number;
  /** Of the sample, with count - 1; NaN of one. */
  readonly std: number;
  readonly median: number;
  /** Student's interval of the mean, 95 %; NaN of one. */
  readonly interval: readonly [number, number];
}

/** Student's t, two-sided 95 %, for 1 to 30 degrees of freedom; beyond them within 0.3 % of 1.96 + 2.5 / df. */
const T95 = [
  12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.16, 2.145, 2.131, 2.12, 2.11,
  2.101, 2.093, 2.086, 2.08, 2.074, 2.069, 2.064, 2.06, 2.056, 2.052, 2.048, 2.045, 2.042,
];
const t95 = (df: number): number => T95[df - 1] ?? 1.96 + 2.5 / df;

/** @param values at least one, finite */
export function spreadOf(values: readonly number[]): Spread {
  const count = values.length;
  const mean = values.reduce((sum, value) => sum + value, 0) / count;
  const std = Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (count - 1));
  const half = (t95(count - 1) * std) / Math.sqrt(count);
  return { count, mean, std, median: quantile(values, 0.5), interval: [mean - half, mean + half] };
}

/** Between two values in proportion. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  const at = share * (sorted.length - 1);
  const [low, high] = [sorted[Math.floor(at)]!, sorted[Math.ceil(at)]!];
  return low + (high - low) * (at - Math.floor(at));
}

/** What the best of n trials is worth, drawn from these without putting back. */
export interface BestOf {
  readonly n: number;
  /** Half of all draws of n are at least so good. */
  readonly median: number | null;
  /** One in ten is at least so good, and nine in ten. */
  readonly best10: number | null;
  readonly best90: number | null;
}

/**
 * The value of the best of n trials, for n from 1 to all of them: exact, by counting. Of N trials in order, the best of n is the
 * i-th (from 0) with probability C(N - 1 - i, n - 1) / C(N, n). Those that failed count as the worst: null. It tells how many trials were
 * needed, and with how much luck.
 */
export function bestOfCurve(trials: readonly Trial[], direction: Direction): BestOf[] {
  const order = ranked(trials, direction);
  const values = order.map(({ value }) => value);
  const all = values.length;
  return values.map((_, k) => {
    const n = k + 1;
    const at: (number | null)[] = [];
    let [share, sum] = [n / all, 0];
    const wanted = [0.1, 0.5, 0.9];
    for (let i = 0; i < all && at.length < 3; i++) {
      sum += share;
      while (at.length < 3 && sum >= wanted[at.length]! - 1e-12) at.push(values[i]!);
      share *= Math.max(all - i - n, 0) / Math.max(all - 1 - i, 1);
    }
    return { n, best10: at[0] ?? null, median: at[1] ?? null, best90: at[2] ?? null };
  });
}

/** Trials of each state. */
export interface Tally {
  readonly trials: number;
  readonly complete: number;
  readonly pruned: number;
  readonly failed: number;
  readonly running: number;
  /** Of all trials: those that failed. None is dropped. */
  readonly failedShare: number;
}

export function tallyOf(trials: readonly Trial[]): Tally {
  const count = (state: Trial['state']) => trials.filter((trial) => trial.state === state).length;
  const failed = count('failed');
  return {
    ...{ trials: trials.length, complete: count('complete'), pruned: count('pruned'), failed },
    running: count('running'),
    failedShare: trials.length > 0 ? failed / trials.length : 0,
  };
}

/** The best trials, with what their seeds came to. */
export const leaders = (trials: readonly Trial[], direction: Direction, count: number) =>
  ranked(trials, direction)
    .slice(0, count)
    .filter(({ value }) => value !== null)
    .map((trial) => ({ trial, seeds: spreadOf(trial.values.filter((value) => value !== null)) }));
