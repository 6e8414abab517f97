import { describe, expect, it } from 'vitest';
import { betaQuantiles, cornerOf, mixOf, QUANTILES } from '../../src/data/augment.js';
import { referenceAugment } from '../../src/reference/index.js';

/* Which rows are mixed, by how much, and what is cut out. */

describe('the quantiles of Beta(alpha, alpha)', () => {
  const at = (i: number, count: number) => (i + 0.5) / count;

  it('are those of distributions that have a formula', () => {
    for (const [i, x] of betaQuantiles(1, 64).entries()) expect(x).toBeCloseTo(at(i, 64), 14);
    // The arcsine distribution, and F(x) = 3x² - 2x³.
    for (const [i, x] of betaQuantiles(0.5, 64).entries())
      expect(x).toBeCloseTo(Math.sin((Math.PI * at(i, 64)) / 2) ** 2, 13);
    for (const [i, x] of betaQuantiles(2, 64).entries()) expect(3 * x ** 2 - 2 * x ** 3).toBeCloseTo(at(i, 64), 13);
  });

  it.each([0.01, 0.1, 0.2, 0.4, 1, 3, 50, 1000])('rise, are symmetric and have the variance: alpha %d', (alpha) => {
    const all = betaQuantiles(alpha);
    expect(all.length).toBe(QUANTILES);
    for (let i = 1; i < all.length; i++) expect(all[i]!).toBeGreaterThanOrEqual(all[i - 1]!);
    expect(all.every((x) => x > 0 && x <= 1)).toBe(true);
    const mean = all.reduce((a, b) => a + b) / all.length;
    const variance = all.reduce((sum, x) => sum + (x - mean) ** 2, 0) / all.length;
    expect(mean).toBeCloseTo(0.5, 12);
    // Midpoints of 4096 steps: what lies within the outermost steps is lost, below 1 % for every alpha here.
    expect(variance / (1 / (4 * (2 * alpha + 1)))).toBeCloseTo(1, 2);
  });
});

describe('a mix', () => {
  it('has every λ and every distance alike, by seed and step', () => {
    const table = betaQuantiles(0.4);
    const [steps, valid] = [20_000, 8];
    const distances = new Array<number>(valid).fill(0);
    let [sum, squares] = [0, 0];
    for (let step = 0; step < steps; step++) {
      const { quantile, further } = mixOf(5, step, valid);
      const lambda = table[quantile]!;
      sum += lambda;
      squares += (lambda - 0.5) ** 2;
      distances[further]!++;
    }
    const variance = 1 / (4 * 1.8);
    // Four standard deviations of the mean, of the variance and of each count.
    expect(Math.abs(sum / steps - 0.5)).toBeLessThan(4 * Math.sqrt(variance / steps));
    expect(Math.abs(squares / steps - variance)).toBeLessThan((4 * 0.125) / Math.sqrt(steps));
    expect(distances[0]).toBe(0);
    for (const count of distances.slice(1))
      expect(Math.abs(count - steps / 7)).toBeLessThan(4 * Math.sqrt((steps * 6) / 49));
    expect(mixOf(5, 3, valid)).toEqual(mixOf(5, 3, valid));
    expect(mixOf(5, 3, 1).further).toBe(0);
    expect([mixOf(6, 3, valid), mixOf(5, 4, valid)]).not.toContainEqual(mixOf(5, 3, valid));
  });

  it('mixes each row with one other, and leaves a batch of one alone', () => {
    const batch = { rows: 4, x: [0, 1, 2, 3], targets: [1, 0, 0, 1, 0, 1, 1, 0] };
    const { x, targets } = referenceAugment(batch, { seed: 1, step: 2 }, { mixup: { alpha: 1 } });
    const { quantile, further } = mixOf(1, 2, 4);
    const lambda = (quantile + 0.5) / QUANTILES;
    for (const [row, value] of x.entries())
      expect(value).toBeCloseTo(lambda * row + (1 - lambda) * ((row + further) % 4), 13);
    for (let row = 0; row < 4; row++) expect(targets[2 * row]! + targets[2 * row + 1]!).toBeCloseTo(1, 14);
    const one = referenceAugment({ rows: 1, x: [3], targets: [1, 0] }, { seed: 1, step: 2 }, { mixup: { alpha: 1 } });
    expect([[...one.x], [...one.targets]]).toEqual([[3], [1, 0]]);
  });
});

it('a square has its centre anywhere, is clipped at the edges, and is 0', () => {
  const image = [5, 7] as const;
  const counts = new Float64Array(35);
  const steps = 400;
  for (let step = 0; step < steps; step++) {
    for (let row = 0; row < 10; row++) {
      const [top, left] = cornerOf(2, step, row, image, 3);
      counts[(top + 1) * 7 + left + 1]!++;
    }
  }
  const expected = (steps * 10) / 35;
  for (const count of counts) expect(Math.abs(count - expected)).toBeLessThan(4.5 * Math.sqrt(expected));
  const x = new Array(35).fill(1);
  const cut = referenceAugment({ rows: 1, x, targets: [0] }, { seed: 2, step: 9 }, { cutout: { size: 3, image } });
  const [top, left] = cornerOf(2, 9, 0, image, 3);
  for (const [i, value] of cut.x.entries()) {
    const [line, column] = [Math.floor(i / 7) - top, (i % 7) - left];
    expect(value).toBe(line >= 0 && line < 3 && column >= 0 && column < 3 ? 0 : 1);
  }
});
