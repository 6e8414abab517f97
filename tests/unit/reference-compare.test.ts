import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  gemmLimit,
  Path,
  pathTolerance,
  referenceRules,
  referenceState,
  ulp,
  worst,
} from '../../src/reference/index.js';

describe('ulp', () => {
  it.each([
    [1, 2 ** -23],
    [-1, 2 ** -23],
    [1 - 2 ** -53, 2 ** -24],
    [1.999, 2 ** -23],
    [2, 2 ** -22],
    [1024, 2 ** -13],
    [2 ** -126, 2 ** -149],
    [2 ** -127, 2 ** -149],
    [2 ** -149, 2 ** -149],
    [1e-300, 2 ** -149],
    [0, 2 ** -149],
    [2 ** 127, 2 ** 104],
    [2 ** 128, 2 ** 105],
    [Infinity, Infinity],
    [NaN, NaN],
  ])('of %d', (x, expected) => {
    expect(ulp(x)).toBe(expected);
  });

  it('is the distance to the next f32 above, for every f32', () => {
    const words = new Uint32Array(1);
    const singles = new Float32Array(words.buffer);
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 0x7f7ffffe }), (bits) => {
        words[0] = bits;
        const x = singles[0]!;
        words[0] = bits + 1;
        expect(ulp(x)).toBe(singles[0]! - x);
      }),
    );
  });
});

describe('Path', () => {
  it('follows the largest value or change, and the way gone', () => {
    const path = new Path([1, -0.5]);
    path.advance([-1, -0.25]);
    path.advance([-0.5, 0.5]);
    expect([...path.largest]).toEqual([2, 0.75]);
    expect([...path.travel]).toEqual([2.5, 1]);
    // ulp(2) (1 + 2 · 10 / 2) + 32 · 2^-24 · 2.5
    expect(path.limit(0, 10, 2, 32)).toBeCloseTo(2 ** -22 * 11 + 32 * 2 ** -24 * 2.5, 15);
    expect(path.limit(1, 2)).toBe(pathTolerance(0.75, 1, 2, 1, 16));
  });

  it('allows a flushed subnormal, and nothing else around 0', () => {
    const limit = new Path([0]).limit(0, 1);
    expect(limit).toBeGreaterThan(2 ** -126);
    expect(limit).toBeLessThan(2 ** -125);
  });

  it('passes the rule in f32 and sees an lr that is off by 1e-4', () => {
    const { adam } = referenceRules;
    const n = 64;
    const steps = 100;
    const start = Float32Array.from({ length: n }, (_, i) => Math.sin(i) / 4);
    const gradient = (i: number, t: number) => Math.fround(Math.cos(3 * i + t / 7) + 0.3);
    const run = (lr: number) => {
      const x = Float64Array.from(start);
      const path = new Path(x);
      const state = referenceState(adam, n);
      for (let t = 1; t <= steps; t++) {
        const grad = Float64Array.from({ length: n }, (_, i) => gradient(i, t));
        adam.update(x, grad, state, t, { lr });
        path.advance(x);
      }
      return { x, path };
    };
    const { x, path } = run(1e-3);
    // Adam with every intermediate rounded to f32, as a kernel would.
    const r = Math.fround;
    const single = Float32Array.from(start);
    const [m, v] = [new Float32Array(n), new Float32Array(n)];
    for (let t = 1; t <= steps; t++) {
      const step = r(1e-3 / (1 - 0.9 ** t));
      const root = r(1 / Math.sqrt(1 - 0.999 ** t));
      for (let i = 0; i < n; i++) {
        const g = gradient(i, t);
        m[i] = r(r(0.9) * m[i]!) + r(r(0.1) * g);
        v[i] = r(r(0.999) * v[i]!) + r(r(r(0.001) * g) * g);
        single[i] = single[i]! - r(r(step * m[i]!) / r(r(r(Math.sqrt(v[i]!)) * root) + r(1e-8)));
      }
    }
    const limit = (i: number) => path.limit(i, steps);
    expect(worst(single, x, limit).ratio).toBeLessThan(1);
    expect(worst(Float32Array.from(run(1e-3 * (1 + 1e-4)).x), x, limit).ratio).toBeGreaterThan(1);
  });
});

describe('worst', () => {
  const one = () => 1;

  it('finds the largest error over limit', () => {
    const found = worst(Float32Array.of(1, 2.5, 3), Float64Array.of(1.25, 2, 3), (i) => (i === 0 ? 0.125 : 1));
    expect(found).toEqual({ index: 0, actual: 1, expected: 1.25, limit: 0.125, ratio: 2 });
  });

  it('takes the first of equal ones, and names an element even when all are exact', () => {
    expect(worst(Float32Array.of(1, 2, 3), Float64Array.of(1, 1, 2), one).index).toBe(1);
    expect(worst(Float32Array.of(1, 2), Float64Array.of(1, 2), one)).toMatchObject({ index: 0, ratio: 0 });
  });

  it('of nothing', () => {
    expect(worst(new Float32Array(0), new Float64Array(0), one)).toMatchObject({ index: -1, ratio: 0 });
  });

  it.each([
    [NaN, 1, one, Infinity],
    [1, NaN, one, Infinity],
    [NaN, NaN, one, 0],
    [Infinity, 1, one, Infinity],
    [1, Infinity, () => Infinity, Infinity],
    [Infinity, -Infinity, one, Infinity],
    [Infinity, 1e39, one, 0],
    [1, 1, () => 0, 0],
    [-0, 0, () => 0, 0],
    [1, 1 + 1e-9, () => 0, Infinity],
    [1, 2, () => NaN, Infinity],
    [1, 2, () => -1, Infinity],
  ])('%d against %d', (actual, expected, limit, ratio) => {
    expect(worst(Float32Array.of(actual), Float64Array.of(expected), limit).ratio).toBe(ratio);
  });

  it('refuses two lengths', () => {
    expect(() => worst(new Float32Array(2), new Float64Array(3), one)).toThrow(/SHAPE-MISMATCH/);
  });
});

describe('gemmLimit', () => {
  it('is (4 + log2 K) half-units of the sum of absolute products', () => {
    expect(gemmLimit(1, 1)).toBe(4 * 2 ** -24);
    expect(gemmLimit(1024, 3)).toBe(14 * 2 ** -24 * 3);
    expect(gemmLimit(1024, 3, true)).toBe(64 * 2 ** -24 * 3);
    expect(gemmLimit(4, 1, true)).toBe(6 * 2 ** -24);
    expect(gemmLimit(0, 0)).toBe(0);
  });
});
