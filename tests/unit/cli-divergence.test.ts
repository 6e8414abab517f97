import { describe, expect, it } from 'vitest';
import { divergence } from '../../harness/train/divergence.js';

/** Numbers in [0, 1) that look drawn. */
const noise = (i: number) => Math.abs((Math.sin(i * 12.9898) * 43758.5453) % 1);
const losses = (length: number, at: (i: number) => number) => Array.from({ length }, (_, i) => at(i));

describe('a run diverged', () => {
  it.each([
    ['whose last loss is not a number', [2.3, 2.2, Number.NaN], 64],
    ['whose last loss is infinite', [2.3, Number.POSITIVE_INFINITY], 64],
    ['whose loss is over 3 times the first at the end', losses(100, (i) => 2.3 + i * 0.1), 64],
    ['that jumped up in its second step and stayed there', losses(100, (i) => (i === 0 ? 2.3 : 20)), 64],
    ['the same of single samples', losses(1000, (i) => (i < 40 ? 2.3 : 50) * 2 * noise(i)), 1],
  ])('%s', (_, values, batch) => expect(divergence(values, batch)).toMatch(/loss/));

  it.each([
    ['that learns', losses(100, (i) => 2.3 * 0.95 ** i), 64],
    ['that learns nothing', losses(100, () => 2.3), 64],
    ['with one bad batch at the end', [...losses(99, () => 0.1), 30], 64],
    ['of single samples, whose first loss is small by chance', losses(500, (i) => (i === 0 ? 0.01 : 2 * noise(i))), 1],
    ['whose NaN went away', [2.3, Number.NaN, 2.2, 2.1, 2.0], 64],
    ['of one step', [2.3], 64],
    ['of no step', [], 64],
    ['too short to tell', [0.01, 5, 5], 1],
  ])('not: one %s', (_, values, batch) => expect(divergence(values, batch)).toBeUndefined());
});
