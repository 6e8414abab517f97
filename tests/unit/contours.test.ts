import { describe, expect, it } from 'vitest';
import { type Point, quantile, regionAbove, ticks } from '../../harness/common/contours.js';

const axis = (count: number) => Array.from({ length: count }, (_, i) => i / (count - 1));
const gridOf = (columns: number, rows: number, of: (x: number, y: number) => number) => {
  const [x, y] = [axis(columns), axis(rows)];
  return { x, y, values: y.flatMap((b) => x.map((a) => of(a, b))) };
};
/** Positive where what is above lies to the left all round. */
const area = (ring: readonly Point[]) =>
  ring.reduce((sum, [x, y], i) => {
    const [x2, y2] = ring[(i + 1) % ring.length]!;
    return sum + (x * y2 - x2 * y) / 2;
  }, 0);
const total = (rings: readonly Point[][]) => rings.reduce((sum, ring) => sum + area(ring), 0);

describe('regionAbove', () => {
  it('is the whole grid, or nothing', () => {
    const flat = gridOf(4, 3, () => 1);
    expect(total(regionAbove(flat, 0.5))).toBeCloseTo(1, 12);
    expect(regionAbove(flat, 1.5)).toEqual([]);
  });

  it('cuts a slope where it is', () => {
    const slope = gridOf(5, 3, (x) => x);
    const [ring, ...others] = regionAbove(slope, 0.3);
    expect(others).toEqual([]);
    expect(area(ring!)).toBeCloseTo(0.7, 12);
    expect(Math.min(...ring!.map(([x]) => x))).toBeCloseTo(0.3, 12);
  });

  it('has rings round hills and round holes', () => {
    const hill = gridOf(41, 31, (x, y) => -Math.hypot(x - 0.5, y - 0.5));
    // A circle of radius 0.25 and 40 cells along the side: chords lose under 1 %.
    expect(total(regionAbove(hill, -0.25)) / (Math.PI / 16)).toBeCloseTo(1, 2);
    const pit = gridOf(41, 31, (x, y) => Math.hypot(x - 0.5, y - 0.5));
    const rings = regionAbove(pit, 0.25);
    expect(rings).toHaveLength(2);
    expect(rings.map((ring) => Math.sign(area(ring))).sort()).toEqual([-1, 1]);
    expect(total(rings)).toBeCloseTo(1 - total(regionAbove(hill, -0.25)), 12);
  });

  it('joins opposite corners, or not, by the centre', () => {
    const corners = (low: number) => ({ x: [0, 1], y: [0, 1], values: [1, low, low, 1] });
    expect(regionAbove(corners(0), 0.4)).toHaveLength(1);
    expect(regionAbove(corners(0), 0.6)).toHaveLength(2);
    for (const level of [0.4, 0.6])
      for (const ring of regionAbove(corners(0), level)) expect(area(ring)).toBeGreaterThan(0);
    const others = { x: [0, 1], y: [0, 1], values: [0, 1, 1, 0] };
    expect(regionAbove(others, 0.4)).toHaveLength(1);
    expect(regionAbove(others, 0.6)).toHaveLength(2);
  });
});

describe('axes', () => {
  it.each([
    [-1, 1, 4, [-1, -0.5, 0, 0.5, 1]],
    [0.13, 0.52, 4, [0.2, 0.3, 0.4, 0.5]],
    [-120, 340, 5, [-100, 0, 100, 200, 300]],
  ])('have round numbers from %d to %d', (low, high, wanted, expected) => {
    expect(ticks(low, high, wanted)).toEqual(expected);
  });

  it('are cut at a quantile', () => {
    expect(quantile([4, 1, 3, 2], 0.5)).toBe(2.5);
    expect(quantile([4, 1, 3, 2], 1)).toBe(4);
  });
});
