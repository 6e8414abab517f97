import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { arrays, type Dataset, kFold, type SplitOptions, split, subset } from '../../src/data/index.js';
import { DownhillError } from '../../src/gpu/errors.js';

/** Sample i has the features (i, -i) and the class that `of` says. */
const dataOf = (samples: number, of: (i: number) => number, classes = 3) =>
  arrays({
    x: Float32Array.from({ length: 2 * samples }, (_, i) => (i % 2 ? -1 : 1) * Math.floor(i / 2)),
    y: Uint8Array.from({ length: samples }, (_, i) => of(i)),
    features: 2,
    classes,
    labels: ['a', 'b', 'c'].slice(0, classes),
  });
const samplesOf = ({ x }: Dataset) => Array.from(x).filter((_, i) => i % 2 === 0);
const labelsOf = ({ targets }: Dataset) => (targets.kind === 'classes' ? [...targets.labels] : []);
const countOf = (data: Dataset) => [0, 1, 2].map((label) => labelsOf(data).filter((each) => each === label).length);

function code(run: () => unknown): string | undefined {
  try {
    run();
  } catch (error) {
    return error instanceof DownhillError ? error.code : 'another error';
  }
}

describe('split by share', () => {
  it('draws each sample once, with its target, the same for the same seed', () => {
    const data = dataOf(100, (i) => i % 3);
    const [train, test] = split(data, { share: 0.8, seed: 7 });
    expect([train.samples, test.samples]).toEqual([80, 20]);
    expect([...samplesOf(train), ...samplesOf(test)].sort((a, b) => a - b)).toEqual(
      Array.from({ length: 100 }, (_, i) => i),
    );
    for (const part of [train, test]) {
      expect(labelsOf(part)).toEqual(samplesOf(part).map((sample) => sample % 3));
      expect(Array.from(part.x).filter((_, i) => i % 2)).toEqual(samplesOf(part).map((sample) => -sample));
      expect(part.labels).toEqual(['a', 'b', 'c']);
      expect(Object.isFrozen(part)).toBe(true);
    }
    expect(split(data, { share: 0.8, seed: 7 })).toEqual([train, test]);
    const other = split(data, { share: 0.8 })[1];
    expect(samplesOf(other)).not.toEqual(samplesOf(test));
    // Drawn, not the end: of 20 from 100, more than 10 from the last fifth come once in 10,000 draws.
    expect(samplesOf(test).filter((sample) => sample >= 80).length).toBeLessThan(11);
  });

  it('stratified: every class by the same share, to within one sample', () => {
    fc.assert(
      fc.property(
        fc.array(fc.nat(2), { minLength: 2, maxLength: 60 }),
        fc.double({ min: 0.05, max: 0.95, noNaN: true }),
        fc.nat(1000),
        (labels, share, seed) => {
          const data = dataOf(labels.length, (i) => labels[i]!);
          const [train, test] = split(data, { share, seed, stratify: true });
          const wanted = Math.min(Math.max(Math.round(share * labels.length), 1), labels.length - 1);
          expect(train.samples).toBe(wanted);
          expect([...samplesOf(train), ...samplesOf(test)].sort((a, b) => a - b)).toEqual(labels.map((_, i) => i));
          const all = countOf(data);
          for (const [label, count] of countOf(train).entries())
            expect(Math.abs(count - (all[label]! * wanted) / labels.length)).toBeLessThan(1);
        },
      ),
      { numRuns: 300 },
    );
  });

  it('keeps bytes, several target values, and wide labels', () => {
    const bytes = arrays({ x: Uint8Array.of(1, 2, 3, 4), y: [[1, 10], [2, 20], [3, 30], [4, 40]] }); // biome-ignore format: four samples
    const [part] = split(bytes, { share: 0.5 });
    expect(part.x).toBeInstanceOf(Uint8Array);
    if (part.targets.kind !== 'values') throw new Error('values');
    expect([...part.targets.values]).toEqual([...part.x].flatMap((value) => [value, 10 * value]));
    const wide = arrays({ x: Uint8Array.of(1, 2), y: Uint16Array.of(300, 301), classes: 400 });
    expect(split(wide, { share: 0.5 })[0].targets).toMatchObject({ labels: expect.any(Uint16Array) });
  });

  it('leaves no part empty and refuses what is no share', () => {
    const data = dataOf(3, (i) => i);
    expect(split(data, { share: 0.01 }).map(({ samples }) => samples)).toEqual([1, 2]);
    expect(split(data, { share: 0.99 }).map(({ samples }) => samples)).toEqual([2, 1]);
    for (const share of [0, 1, -1, Number.NaN]) expect(code(() => split(data, { share }))).toBe('OPTION-RANGE');
    expect(code(() => split(data, {} as SplitOptions))).toBe('OPTION-TYPE');
    expect(code(() => split(data, { share: 0.5, seed: -1 }))).toBe('OPTION-RANGE');
    expect(code(() => split(data, { share: 0.5, shuffle: true } as SplitOptions))).toBe('OPTION-UNKNOWN');
    expect(code(() => split(arrays({ x: [[1], [2]], y: [1, 2] }), { share: 0.5, stratify: true }))).toBe(
      'DATA-MISMATCH',
    );
  });
});

describe('kFold', () => {
  it('holds every sample back once, in folds and classes that differ by one at most', () => {
    const data = dataOf(23, (i) => (i < 12 ? 0 : i < 20 ? 1 : 2));
    for (const stratify of [false, true]) {
      const folds = [...kFold(data, { k: 4, seed: 3, stratify })];
      expect(folds.length).toBe(4);
      const held = folds.flatMap(([, test]) => samplesOf(test));
      expect(held.sort((a, b) => a - b)).toEqual(Array.from({ length: 23 }, (_, i) => i));
      for (const [train, test] of folds) {
        expect(test.samples === 5 || test.samples === 6).toBe(true);
        expect([...samplesOf(train), ...samplesOf(test)].sort((a, b) => a - b)).toEqual(held);
        if (stratify)
          for (const [label, count] of countOf(test).entries())
            expect(Math.abs(count - [3, 2, 0.75][label]!)).toBeLessThan(1);
      }
    }
  });

  it('has five folds, can be gone through again, and checks at the call', () => {
    const data = dataOf(10, (i) => i % 2, 2);
    const folds = kFold(data);
    expect([...folds].map(([, { samples }]) => samples)).toEqual([2, 2, 2, 2, 2]);
    expect([...folds]).toEqual([...kFold(data, { k: 5, seed: 0 })]);
    for (const k of [1, 11, 2.5]) expect(code(() => kFold(data, { k }))).toBe('OPTION-RANGE');
    expect(code(() => kFold(data, { folds: 3 } as object))).toBe('OPTION-UNKNOWN');
    expect(code(() => kFold(arrays({ x: [[1], [2]], y: [1, 2] }), { k: 2, stratify: true }))).toBe('DATA-MISMATCH');
  });
});

describe('subset', () => {
  it('takes the samples asked for, in order, as often as asked', () => {
    const data = dataOf(5, (i) => i % 3);
    const some = subset(data, Uint32Array.of(4, 0, 4));
    expect(samplesOf(some)).toEqual([4, 0, 4]);
    expect(labelsOf(some)).toEqual([1, 0, 1]);
    expect(some.samples).toBe(3);
    expect(labelsOf(subset(data, [2]))).toEqual([2]);
  });

  it('refuses what is no sample', () => {
    const data = dataOf(5, () => 0);
    expect(code(() => subset(data, []))).toBe('OPTION-RANGE');
    expect(code(() => subset(data, [5]))).toBe('OPTION-RANGE');
    expect(code(() => subset(data, [0.5]))).toBe('OPTION-RANGE');
    expect(code(() => subset(data, undefined as never))).toBe('OPTION-TYPE');
  });
});
