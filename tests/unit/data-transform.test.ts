import { describe, expect, it } from 'vitest';
import { arrays, type Dataset, digits, split, standardize, statistics, unitRange } from '../../src/data/index.js';
import { DownhillError } from '../../src/gpu/errors.js';

const bytes = arrays({ x: Uint8Array.of(0, 0, 255, 255, 102, 51), y: [0, 1, 2], classes: 3 });
const floats = arrays({ x: Float32Array.of(-2, 0, 2, 8), y: [[1, 2], [3, 4]] }); // biome-ignore format: two targets of two

/** What the network sees. */
const seen = ({ x, scale, shift }: Dataset) => Array.from(x, (value) => value * scale + shift);

function code(run: () => unknown): string | undefined {
  try {
    run();
  } catch (error) {
    return error instanceof DownhillError ? error.code : 'another error';
  }
}

describe('split', () => {
  it('gives views of the first samples and of the rest', () => {
    const [first, rest] = split(bytes, 2);
    expect(first).toMatchObject({ samples: 2, features: 2, x: Uint8Array.of(0, 0, 255, 255), scale: 1 / 255 });
    expect(first.targets).toEqual({ kind: 'classes', classes: 3, labels: Uint8Array.of(0, 1) });
    expect(rest).toMatchObject({ samples: 1, x: Uint8Array.of(102, 51) });
    expect(rest.targets).toEqual({ kind: 'classes', classes: 3, labels: Uint8Array.of(2) });
    expect(first.x.buffer).toBe(bytes.x.buffer);
    expect(rest.x.buffer).toBe(bytes.x.buffer);
    expect([first, rest, rest.targets].every(Object.isFrozen)).toBe(true);
  });

  it('splits real targets by their width and keeps the image', () => {
    expect(split(floats, 1)[1].targets).toEqual({ kind: 'values', width: 2, values: Float32Array.of(3, 4) });
    expect(split(digits({ samples: 3 }), 1)[1].image).toEqual([28, 28]);
  });

  it('refuses counts that leave a part empty', () => {
    for (const count of [0, 3, -1, 1.5, Number.NaN]) expect(code(() => split(bytes, count))).toBe('OPTION-RANGE');
    expect(code(() => split(bytes, '2' as unknown as number))).toBe('OPTION-TYPE');
    expect(code(() => split(split(bytes, 1)[0], 1))).toBe('DATA-MISMATCH');
    expect(code(() => split(undefined as unknown as Dataset, 1))).toBe('OPTION-TYPE');
  });
});

describe('statistics', () => {
  it('of bytes, by hand: 0 0 1 1 0.4 0.2', () => {
    // Sum 2.6, mean 13/30; squares 2.2, variance 2.2/6 - 169/900 = 161/900.
    const { mean, std } = statistics(bytes);
    expect(mean).toBeCloseTo(13 / 30, 15);
    expect(std).toBeCloseTo(Math.sqrt(161) / 30, 15);
  });

  it('of floats, by hand: -2 0 2 8', () => {
    // Mean 2, variance (16 + 4 + 0 + 36) / 4 = 14.
    expect(statistics(floats)).toEqual({ mean: 2, std: Math.sqrt(14) });
    expect(statistics({ ...floats, scale: -3, shift: 1 })).toEqual({ mean: -5, std: 3 * Math.sqrt(14) });
  });

  it('keeps its digits far from 0, and gives exactly 0 for a constant', () => {
    const far = arrays({ x: Float32Array.of(1e7, 1e7 + 1, 1e7 + 2, 1e7 + 3), y: [0, 1], classes: 2 });
    expect(statistics(far)).toEqual({ mean: 1e7 + 1.5, std: Math.sqrt(1.25) });
    const constant = new Float32Array(999).fill(0.1);
    expect(statistics(arrays({ x: constant, y: [0], classes: 2 })).std).toBe(0);
    expect(statistics(arrays({ x: new Uint8Array(999).fill(77), y: [0], classes: 2 })).std).toBe(0);
  });

  it('of bytes and of the same values as floats agree', () => {
    const data = digits({ samples: 50 });
    const same = arrays({ x: Float32Array.from(data.x), y: new Uint8Array(50), classes: 10 });
    const a = statistics(data);
    const b = statistics({ ...same, scale: data.scale });
    expect(a.mean).toBeCloseTo(b.mean, 13);
    expect(a.std).toBeCloseTo(b.std, 13);
  });
});

describe('standardize', () => {
  it('gives mean 0 and variance 1 without touching x', () => {
    for (const data of [bytes, floats, digits({ samples: 20 })]) {
      const standard = standardize(data);
      expect(standard.x).toBe(data.x);
      expect(Object.isFrozen(standard)).toBe(true);
      const values = seen(standard);
      const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
      const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length;
      expect(mean).toBeCloseTo(0, 12);
      expect(variance).toBeCloseTo(1, 12);
    }
  });

  it('uses the statistics of another set, on top of the present scaling', () => {
    expect(seen(standardize({ ...floats, scale: 0.5, shift: 1 }, { mean: 2, std: 4 }))).toEqual([-0.5, -0.25, 0, 0.75]);
  });

  it('leaves a constant set at 0, with std 1', () => {
    const constant = standardize(arrays({ x: new Uint8Array(4).fill(51), y: [0], classes: 2 }));
    expect(constant.scale).toBe(1 / 255);
    for (const value of seen(constant)) expect(value).toBeCloseTo(0, 15);
  });

  it('refuses statistics that are none', () => {
    const broken = arrays({ x: Float32Array.of(1, Number.NaN), y: [0], classes: 2 });
    expect(statistics(broken).mean).toBeNaN();
    expect(code(() => standardize(broken))).toBe('OPTION-RANGE');
    expect(code(() => standardize(floats, { mean: 0, std: -1 }))).toBe('OPTION-RANGE');
    expect(code(() => standardize(floats, {} as { mean: number; std: number }))).toBe('OPTION-TYPE');
    expect(code(() => standardize(floats, null as unknown as { mean: number; std: number }))).toBe('OPTION-TYPE');
  });
});

describe('unitRange', () => {
  it('divides bytes by 255 and undoes other scaling', () => {
    expect(unitRange(standardize(bytes))).toEqual(bytes);
  });

  it('maps floats from their smallest and largest value', () => {
    expect(seen(unitRange(floats))).toEqual([0, 0.2, 0.4, 1]);
    expect(seen(unitRange(arrays({ x: [[3, 3]], y: [1] })))).toEqual([0, 0]);
  });

  it('names a value that is not finite', () => {
    const broken = arrays({ x: [[1, 2], [3, Infinity]], y: [0, 1], classes: 2 }); // biome-ignore format: two samples
    expect(() => unitRange(broken)).toThrow(/Infinity in sample 1, feature 1/);
  });
});
