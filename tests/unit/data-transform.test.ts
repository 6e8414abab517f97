import { describe, expect, it } from 'vitest';
import {
  arrays,
  type Dataset,
  digits,
  type Statistics,
  split,
  standardize,
  standardizeTargets,
  statistics,
  targetStatistics,
  unitRange,
} from '../../src/data/index.js';
import { checkScaling, checkTargetScaling, unscaleOutputs } from '../../src/data/scaling.js';
import { kindOf } from '../../src/data/targets.js';
import { DownhillError } from '../../src/gpu/errors.js';
import { seen } from '../support/data.js';

const bytes = arrays({ x: Uint8Array.of(0, 0, 255, 255, 102, 51), y: [0, 1, 2], classes: 3 });
const floats = arrays({ x: Float32Array.of(-2, 0, 2, 8), y: [[1, 2], [3, 4]] }); // biome-ignore format: two targets of two

/** A table of three features in units of their own; the last one is constant. */
const table = arrays({ x: Float32Array.of(1, 1000, 7, 2, 3000, 7, 3, 5000, 7, 6, 7000, 7), y: [1, 2, 3, 4] });
const ofTable = {
  mean: [3, 4000, 7],
  std: [Math.sqrt(3.5), Math.sqrt(5e6), 0],
  min: [1, 1000, 7],
  max: [6, 7000, 7],
};

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
    const { mean, std, min, max } = statistics(bytes);
    expect([min, max]).toEqual([0, 1]);
    expect(mean).toBeCloseTo(13 / 30, 15);
    expect(std).toBeCloseTo(Math.sqrt(161) / 30, 15);
  });

  it('of floats, by hand: -2 0 2 8', () => {
    // Mean 2, variance (16 + 4 + 0 + 36) / 4 = 14.
    const all = { by: 'all' } as const;
    expect(statistics(floats, all)).toEqual({ mean: 2, std: Math.sqrt(14), min: -2, max: 8 });
    expect(statistics({ ...floats, scale: -3, shift: 1 }, all)).toEqual({
      mean: -5,
      std: 3 * Math.sqrt(14),
      min: -23,
      max: 7,
    });
  });

  it('is of each feature where the samples are a table', () => {
    expect(statistics(table)).toEqual(ofTable);
    expect(JSON.parse(JSON.stringify(statistics(table)))).toEqual(ofTable);
    // Samples with an image shape are no table, nor are bytes; either can be asked for.
    expect(statistics(arrays({ x: table.x, y: [1, 2, 3, 4], image: [1, 3] })).mean).toBe(16040 / 12);
    expect(statistics(bytes, { by: 'feature' })).toMatchObject({ min: [0, 0], max: [1, 1] });
    // After a scale and shift of its own, and together after those of each feature.
    const scaled = { ...table, scale: [2, -1, 1], shift: Float64Array.of(1, 0, 0) };
    expect(statistics(scaled)).toEqual({
      mean: [7, -4000, 7],
      std: [2 * Math.sqrt(3.5), Math.sqrt(5e6), 0],
      min: [3, -7000, 7],
      max: [13, -1000, 7],
    });
    expect(statistics(standardize(table), { by: 'all' }).mean).toBeCloseTo(0, 15);
    expect(code(() => statistics(table, { by: 'column' as 'all' }))).toBe('OPTION-RANGE');
    expect(code(() => statistics(table, { of: 'all' } as object))).toBe('OPTION-UNKNOWN');
  });

  it('keeps its digits far from 0, and gives exactly 0 for a constant', () => {
    const far = arrays({ x: Float32Array.of(1e7, 1e7 + 1, 1e7 + 2, 1e7 + 3), y: [0, 1], classes: 2 });
    expect(statistics(far, { by: 'all' })).toMatchObject({ mean: 1e7 + 1.5, std: Math.sqrt(1.25) });
    const constant = arrays({ x: new Float32Array(999).fill(0.1), y: [0, 0, 0], classes: 2 });
    expect(statistics(constant, { by: 'all' }).std).toBe(0);
    expect(statistics(constant).std).toEqual(new Array(333).fill(0));
    expect(statistics(arrays({ x: new Uint8Array(999).fill(77), y: [0], classes: 2 })).std).toBe(0);
  });

  it('of bytes and of the same values as floats agree', () => {
    const data = digits({ samples: 50 });
    const same = arrays({ x: Float32Array.from(data.x), y: new Uint8Array(50), classes: 10 });
    const a = statistics(data);
    const b = statistics({ ...same, scale: data.scale }, { by: 'all' });
    expect(a.mean).toBeCloseTo(b.mean as number, 13);
    expect(a.std).toBeCloseTo(b.std as number, 13);
  });
});

describe('standardize', () => {
  it('gives mean 0 and variance 1 without touching x', () => {
    for (const data of [bytes, floats, digits({ samples: 20 })]) {
      const standard = standardize(data, { by: 'all' });
      expect(standard.x).toBe(data.x);
      expect(Object.isFrozen(standard)).toBe(true);
      const values = seen(standard);
      const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
      const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length;
      expect(mean).toBeCloseTo(0, 12);
      expect(variance).toBeCloseTo(1, 12);
    }
  });

  it('gives each feature of a table mean 0 and variance 1', () => {
    const standard = standardize(table);
    expect(standard.x).toBe(table.x);
    expect(standard.scale).toEqual([1 / Math.sqrt(3.5), 1 / Math.sqrt(5e6), 1]);
    const values = seen(standard);
    for (const [feature, variance] of [1, 1, 0].entries()) {
      const column = [0, 1, 2, 3].map((sample) => values[3 * sample + feature]!);
      expect(column.reduce((sum, value) => sum + value, 0)).toBeCloseTo(0, 12);
      expect(column.reduce((sum, value) => sum + value * value, 0) / 4).toBeCloseTo(variance, 12);
    }
    // Once more is the same; plain JSON does as well.
    for (const [i, value] of seen(standardize(standard)).entries()) expect(value).toBeCloseTo(values[i]!, 12);
    expect(standardize(table, JSON.parse(JSON.stringify(statistics(table))))).toEqual(standard);
    expect(seen(standardize(table, { mean: [1, 1000, 0], std: [1, 2000, 1] })).slice(0, 6)).toEqual([0, 0, 7, 1, 1, 7]);
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
    expect(statistics(broken).mean).toEqual([1, Number.NaN]);
    expect(code(() => standardize(broken, { by: 'all' }))).toBe('OPTION-RANGE');
    expect(() => standardize(broken)).toThrow(/NaN in sample 0, feature 1/);
    expect(code(() => standardize(table, { mean: [1, 2], std: [1, 2] }))).toBe('DATA-MISMATCH');
    expect(code(() => standardize(table, { mean: [1, 2, Number.NaN], std: 1 }))).toBe('OPTION-RANGE');
    expect(code(() => standardize(table, { mean: ['1', 2, 3], std: 1 } as unknown as Statistics))).toBe('OPTION-TYPE');
    expect(code(() => standardize(broken))).toBe('OPTION-RANGE');
    expect(code(() => standardize(floats, { mean: 0, std: -1 }))).toBe('OPTION-RANGE');
    expect(code(() => standardize(floats, { mean: 1 } as Statistics))).toBe('OPTION-TYPE');
    expect(code(() => standardize(floats, null as unknown as Statistics))).toBe('OPTION-TYPE');
  });
});

describe('unitRange', () => {
  it('divides bytes by 255 and undoes other scaling', () => {
    expect(unitRange(standardize(bytes))).toEqual(bytes);
  });

  it('maps floats from their smallest and largest value', () => {
    expect(seen(unitRange(floats, { by: 'all' }))).toEqual([0, 0.2, 0.4, 1]);
    expect(seen(unitRange(floats))).toEqual([0, 0, 1, 1]);
    expect(seen(unitRange(arrays({ x: [[3, 3]], y: [1] })))).toEqual([0, 0]);
  });

  it('brings another set to the range of the training part', () => {
    const other = arrays({ x: Float32Array.of(11, 1000, 7, 1, 4000, 8), y: [1, 2] });
    expect(seen(unitRange(other, statistics(table)))).toEqual([2, 0, 0, 0, 0.5, 1]);
    expect(code(() => unitRange(other, { mean: 1, std: 1 }))).toBe('OPTION-TYPE');
    expect(code(() => unitRange(other, { ...statistics(table), max: [1, 2, Infinity] }))).toBe('OPTION-RANGE');
    expect(unitRange(bytes, statistics(bytes))).toEqual(bytes);
  });

  it('names a value that is not finite', () => {
    const broken = arrays({ x: [[1, 2], [3, Infinity]], y: [0, 1], classes: 2 }); // biome-ignore format: two samples
    expect(() => unitRange(broken)).toThrow(/Infinity in sample 1, feature 1/);
  });
});

describe('standardizeTargets', () => {
  it('scales each output, and outputs come back in units', () => {
    const data = arrays({ x: [[0], [1]], y: [[-2, 0], [2, 8]] }); // biome-ignore format: two samples
    expect(targetStatistics(data)).toEqual({ mean: [0, 4], std: [2, 4], min: [-2, 0], max: [2, 8] });
    const { targets } = standardizeTargets(data);
    expect(targets).toMatchObject({ kind: 'values', width: 2, scale: [0.5, 0.25], shift: [-0, -1] });
    if (targets.kind !== 'values') throw new Error('values');
    expect(kindOf(targets).upload(targets)).toEqual(Float32Array.of(-1, -1, 1, 1));
    expect(unscaleOutputs(Float32Array.of(-1, -1, 1, 1, 0.5, 0.5), targets)).toEqual(
      Float32Array.of(-2, 0, 2, 8, 1, 6),
    );
    // Of another set's statistics, and in the parts of a split.
    const other = standardizeTargets(arrays({ x: [[0]], y: [[7, 7]] }), targetStatistics(data));
    expect(other.targets).toMatchObject({ scale: [0.5, 0.25], shift: [-0, -1] });
    expect(split(standardizeTargets(data), 1)[1].targets).toMatchObject({
      values: Float32Array.of(2, 8),
      scale: [0.5, 0.25],
    });
  });

  it('refuses classes and what is no statistic', () => {
    expect(code(() => standardizeTargets(bytes))).toBe('DATA-MISMATCH');
    expect(code(() => targetStatistics(bytes))).toBe('DATA-MISMATCH');
    expect(code(() => standardizeTargets(table, { mean: [1, 2], std: [1, 2] }))).toBe('DATA-MISMATCH');
    expect(code(() => standardizeTargets(table, { mean: Infinity, std: 1 }))).toBe('OPTION-RANGE');
    expect(standardizeTargets(arrays({ x: [[1], [2]], y: [3, 3] })).targets).toMatchObject({ scale: [1], shift: [-3] });
  });
});

describe('scaling by hand', () => {
  it('must be finite, and one number or one per feature', () => {
    for (const scale of [1, [1, 2, 3], Float64Array.of(1, 2, 3)])
      expect(code(() => checkScaling({ ...table, scale }))).toBeUndefined();
    for (const scale of [
      Number.NaN,
      new Array(3),
      [1, 2],
      [1, 2, Infinity],
      ['1', 2, 3],
      Float32Array.of(1, 2, 3),
      null,
      undefined,
    ])
      expect(code(() => checkScaling({ ...table, scale: scale as number }))).toBe('DATA-MISMATCH');
    for (const scale of [0, [1, 0], [1], 'x'])
      expect(code(() => checkTargetScaling({ width: 2, scale: scale as number }))).toBe('DATA-MISMATCH');
    expect(code(() => checkTargetScaling({ width: 2, scale: [1, -1], shift: 3 }))).toBeUndefined();
  });
});

describe('a data set made by hand', () => {
  const floats = arrays({ x: [[1], [2]], y: [3, 4] });
  const classes = arrays({ x: [[1], [2]], y: [0, 1], classes: 2 });
  const { targets } = floats;
  it.each<[string, object]>([
    ['no whole number of samples', { ...floats, samples: 1.5 }],
    ['features of -1', { ...floats, features: -1 }],
    ['features that are a symbol', { ...floats, features: Symbol('x') }],
    ['more samples than values', { ...floats, samples: 3 }],
    ['no scale', { ...floats, scale: null }],
    ['targets of no kind', { ...floats, targets: {} }],
    ['targets of another kind', { ...floats, targets: { ...targets, kind: 'toString' } }],
    ['targets of no width', { ...floats, targets: { ...targets, width: Number.POSITIVE_INFINITY } }],
    ['targets in no array', { ...floats, targets: { ...targets, values: null } }],
    ['targets of another number', { ...floats, targets: { ...targets, values: new Float32Array(3) } }],
    ['a scale of targets that is 0', { ...floats, targets: { ...targets, scale: 0 } }],
    ['labels that are no array of classes', { ...classes, targets: { ...classes.targets, labels: [0, 1] } }],
    ['null for targets', { ...classes, targets: null }],
  ])('is refused with %s', (_, wrong) => {
    for (const work of [statistics, standardize, unitRange, targetStatistics, (data: Dataset) => split(data, 1)])
      expect(code(() => work(wrong as Dataset))).toBe('DATA-MISMATCH');
  });
});
