import { describe, expect, it } from 'vitest';
import {
  change,
  type Estimate,
  interval,
  median,
  pairedRatios,
  quantile,
  ratio,
  spread,
} from '../../harness/bench/statistics.js';
import { generator } from '../../harness/common/random.js';

/** Times as a machine gives them: skewed to the right; the true median is `middle`. */
function times(n: number, next: () => number, middle = 1, noise = 0.05): number[] {
  return Array.from({ length: n }, () => {
    const normal = Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next());
    return middle * Math.exp(noise * normal);
  });
}
const holds = ({ low, high }: Estimate, truth: number) => low! <= truth && truth <= high!;
const TRIALS = 400;
const share = (trial: (next: () => number) => boolean) => {
  const next = generator(42);
  let hits = 0;
  for (let i = 0; i < TRIALS; i++) if (trial(next)) hits++;
  return hits / TRIALS;
};

describe('median, quantile and spread', () => {
  it('are exact', () => {
    expect(median([3, 1, 2])).toBe(2);
    expect(median([4, 1, 3, 2])).toBe(2.5);
    expect(median([null, 7, null])).toBe(7);
    expect(median([])).toBeNaN();
    expect(quantile([1, 2, 3, 4, 5], 0.25)).toBe(2);
    expect(quantile([10, 20], 0.75)).toBe(17.5);
    expect(spread([1, 2, 3, 4, 5])).toBeCloseTo(2 / 3, 12);
    expect(spread([5])).toBeUndefined();
  });

  it('are not moved by an outlier, nor change their argument', () => {
    const samples = [1.01, 1, 0.99, 1.02, 0.98, 1, 400];
    const before = [...samples];
    expect(median(samples)).toBe(1);
    expect(spread(samples)).toBeLessThan(0.04);
    expect(interval(samples).low).toBeGreaterThan(0.97);
    expect(samples).toEqual(before);
  });
});

describe('the interval of a median', () => {
  it('is not made up of too few samples', () => {
    expect(interval([2])).toEqual({ value: 2 });
    expect(interval([1, 2, 3, 4])).toEqual({ value: 2.5 });
    expect(interval([1, 2, null, 3, 4, 5])).toEqual({ value: 3, low: 1, high: 5 });
    expect(ratio([2], [1])).toEqual({ value: 2 });
    expect(change([2], [1])).toEqual({ value: 2 });
    expect(interval([]).value).toBeNaN();
  });

  it('lies between the order statistics of the binomial', () => {
    // n = 10: [x2, x9] covers 97.9 %, [x3, x8] 89.1 %.
    const { low, high } = interval([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    expect(low).toBeGreaterThan(2);
    expect(low).toBeLessThan(3);
    expect(low! + high!).toBeCloseTo(11, 12);
    expect(interval([5, 1, 6, 2, 4, 3]).low).toBeLessThan(2);
    expect(interval([5, 5, 5, 5, 5, 5])).toEqual({ value: 5, low: 5, high: 5 });
    const many = interval(Array.from({ length: 2001 }, (_, i) => i));
    expect(many.low).toBeCloseTo(1000 - 0.98 * Math.sqrt(2001), -1);
  });

  it.each([5, 6, 7, 8, 9, 12, 20, 41])('covers the truth in 90 to 99 of 100 cases, %i samples', (n) => {
    const covered = share((next) => holds(interval(times(n, next)), 1));
    expect(covered).toBeGreaterThanOrEqual(0.9);
    expect(covered).toBeLessThanOrEqual(0.99);
  });
});

describe('a ratio of contenders in the same rounds', () => {
  it('pairs rounds, and leaves out those that lack one', () => {
    expect(pairedRatios([2, null, 9, 4], [1, 5, null, 4])).toEqual([2, 1]);
    expect(ratio([2, 4, 6, 8, 10], [1, 2, 3, 4, 5])).toEqual({ value: 2, low: 2, high: 2 });
  });

  it('is free of what disturbs both: a machine that slows down to a third', () => {
    const next = generator(7);
    const load = Array.from({ length: 12 }, (_, i) => 1 + i / 4);
    const a = times(12, next, 3.2, 0.01).map((t, i) => t * load[i]!);
    const b = times(12, next, 1, 0.01).map((t, i) => t * load[i]!);
    const { value, low, high } = ratio(a, b);
    expect(value).toBeCloseTo(3.2, 1);
    expect(high! - low!).toBeLessThan(0.2);
  });

  it('covers the truth in 90 to 99 % of cases', () => {
    const covered = share((next) => holds(ratio(times(9, next, 2), times(9, next)), 2));
    expect(covered).toBeGreaterThanOrEqual(0.9);
    expect(covered).toBeLessThanOrEqual(0.99);
  });
});

describe('a change between runs', () => {
  it.each([7, 12])(
    'covers the truth in 90 to 99 of 100 cases, %i samples',
    (n) => {
      const covered = share((next) => holds(change(times(n, next, 1.2), times(n, next)), 1.2));
      expect(covered).toBeGreaterThanOrEqual(0.9);
      expect(covered).toBeLessThanOrEqual(0.99);
    },
    60_000,
  );

  it('sees 20 % and does not invent it at 0 %', () => {
    const next = generator(3);
    const slower = change(times(9, next, 1.2, 0.03), times(9, next, 1, 0.03));
    expect(slower.low).toBeGreaterThan(1.1);
    const same = change(times(9, next, 1, 0.03), times(9, next, 1, 0.03));
    expect(holds(same, 1)).toBe(true);
  });

  it('says the same of the same samples', () => {
    const next = generator(4);
    const [a, b] = [times(9, next), times(9, next)];
    expect(change(a, b)).toEqual(change([...a].reverse(), b));
  });
});
