import { describe, expect, it } from 'vitest';
import { arrays, split } from '../../src/data/index.js';
import { DownhillError } from '../../src/gpu/errors.js';

function failure(run: () => unknown): DownhillError {
  try {
    run();
  } catch (error) {
    expect(error).toBeInstanceOf(DownhillError);
    return error as DownhillError;
  }
  throw new Error('expected a DownhillError');
}

/** Calls `arrays` as a JavaScript user might. */
const loose = (options: unknown) => failure(() => arrays(options as Parameters<typeof arrays>[0]));

describe('arrays', () => {
  it('takes rows and class labels', () => {
    const y = [0, 1, 1, 0];
    const rows = [
      [0, 0],
      [0, 1],
      [1, 0],
      [1, 1],
    ];
    const xor = arrays({ x: rows, y, classes: 2 });
    expect(xor).toEqual({
      samples: 4,
      features: 2,
      x: Float32Array.of(0, 0, 0, 1, 1, 0, 1, 1),
      scale: 1,
      shift: 0,
      targets: { kind: 'classes', classes: 2, labels: Uint8Array.of(0, 1, 1, 0) },
    });
    expect(Object.isFrozen(xor) && Object.isFrozen(xor.targets)).toBe(true);
  });

  it('keeps bytes as bytes, in place, scaled to [0, 1]', () => {
    const x = Uint8Array.of(0, 255, 1, 2, 3, 4);
    const y = Uint16Array.of(1, 0);
    const data = arrays({ x, y, classes: 2 });
    expect(data).toMatchObject({ samples: 2, features: 3, scale: 1 / 255, shift: 0 });
    expect(data.x).toBe(x);
    expect(data.targets.kind === 'classes' && data.targets.labels).toBe(y);
  });

  it('puts labels into the smallest type that holds the classes', () => {
    const labels = (classes: number, y: ArrayLike<number>) => {
      const { targets } = arrays({ x: Float32Array.of(1, 2), y, classes });
      return targets.kind === 'classes' ? targets.labels : undefined;
    };
    expect(labels(256, [0, 255])).toEqual(Uint8Array.of(0, 255));
    expect(labels(257, [0, 256])).toEqual(Uint16Array.of(0, 256));
    expect(labels(65_537, [0, 65_536])).toEqual(Uint32Array.of(0, 65_536));
    expect(labels(3, Int32Array.of(2, 0))).toEqual(Uint8Array.of(2, 0));
    expect(labels(3, Float64Array.of(2, 0))).toEqual(Uint8Array.of(2, 0));
  });

  it('takes real targets: flat, nested, and typed in place', () => {
    const x = Float32Array.of(1, 2, 3, 4);
    const values = Float32Array.of(5, 6);
    const flat = arrays({ x, y: values });
    expect(flat).toMatchObject({ samples: 2, features: 2, targets: { kind: 'values', width: 1 } });
    expect(flat.targets.kind === 'values' && flat.targets.values).toBe(values);
    const nested = arrays({
      x,
      y: [
        [1, 2, 3],
        [4, 5, 6],
      ],
    });
    expect(nested.targets).toEqual({ kind: 'values', width: 3, values: Float32Array.of(1, 2, 3, 4, 5, 6) });
    const wide = arrays({ x, y: [1, 2, 3, 4, 5, 6], features: 2 });
    expect(wide).toMatchObject({ samples: 2, targets: { kind: 'values', width: 3 } });
    expect(arrays({ x: [[1], [2]], y: [0.5, -0.5] }).targets).toMatchObject({ width: 1 });
  });

  it('takes probabilities of classes, one row per sample', () => {
    const x = Float32Array.of(1, 2, 3, 4);
    const rows = [
      [0.25, 0.75],
      [1, 0],
    ];
    const nested = arrays({ x, y: rows, probabilities: true });
    expect(nested).toMatchObject({ samples: 2, features: 2 });
    expect(nested.targets).toEqual({ kind: 'probabilities', classes: 2, values: Float32Array.of(0.25, 0.75, 1, 0) });
    const flat = arrays({ x, y: rows.flat(), classes: 2, probabilities: true });
    expect(flat).toEqual(nested);
    const [first, second] = split(nested, 1);
    expect([first.targets, second.targets].map((each) => each.kind === 'probabilities' && [...each.values])).toEqual(
      rows,
    );
    expect(() => arrays({ x, y: rows, classes: 3, probabilities: true })).toThrow('2 probabilities per sample where 3');
    expect(() => arrays({ x, y: [1, 1], probabilities: true })).toThrow('1 probabilities per sample');
    expect(() => arrays({ x, y: rows, probabilities: 1 as never })).toThrow('probabilities must be true or false');
  });

  it('takes the features from an image', () => {
    const data = arrays({ x: new Uint8Array(24), y: [0, 1], classes: 2, image: [3, 4] });
    expect(data).toMatchObject({ samples: 2, features: 12, image: [3, 4] });
    expect(Object.isFrozen(data.image)).toBe(true);
  });

  it('accepts values that are not finite', () => {
    const data = arrays({ x: [[Number.NaN], [Infinity]], y: [0, 1], classes: 2 });
    expect(data.x).toEqual(Float32Array.of(Number.NaN, Infinity));
  });

  it.each([
    [[0, 2], 1, '2'],
    [[-1, 0], 0, '-1'],
    [[0, 0.5], 1, '0.5'],
    [[Number.NaN, 0], 0, 'NaN'],
    [[0, undefined], 1, 'undefined'],
    [[0, '1'], 1, '"1"'],
    [new Array(2), 0, 'undefined'],
    [Uint8Array.of(0, 255), 1, '255'],
    [Float32Array.of(Infinity, 0), 0, 'Infinity'],
  ])('refuses the labels %j by naming the sample', (y, sample, shown) => {
    const error = loose({ x: Float32Array.of(1, 2), y, classes: 2 });
    expect(error.code).toBe('DATA-LABEL');
    expect(error.message).toContain(`sample ${sample}`);
    expect(error.message).toContain(`is ${shown}, which is no class: expected an integer from 0 to 1`);
  });

  it('explains labels counted from 1', () => {
    expect(loose({ x: Float32Array.of(1, 2), y: [1, 2], classes: 2 }).fix).toContain('Count classes from 0');
  });

  const x6 = new Float32Array(6);
  it.each<[string, object, RegExp]>([
    ['labels that do not divide x', { x: x6, y: [0, 1, 0, 1], classes: 2 }, /6 values.*4 targets/],
    ['too few labels', { x: x6, y: [0, 1], features: 2, classes: 2 }, /2 targets for 3 samples/],
    ['too many labels', { x: [[1], [2]], y: [0, 1, 0], classes: 2 }, /3 targets for 2 samples/],
    ['features that do not divide x', { x: x6, y: [0], features: 4, classes: 2 }, /6 values.*4 features/],
    ['an image that does not divide x', { x: x6, y: [0], image: [2, 2], classes: 2 }, /6 values.*4 features/],
    ['features unlike the image', { x: x6, y: [0], features: 3, image: [2, 3], classes: 2 }, /3 but .*2 x 3 has 6/],
    ['rows of different length', { x: [[1, 2], [3]], y: [0, 1], classes: 2 }, /x\[1\] holds 1 values where 2/],
    ['rows unlike features', { x: [[1, 2]], y: [0], features: 3, classes: 2 }, /x\[0\] holds 2 values where 3/],
    ['real targets that do not divide', { x: x6, y: [1, 2, 3], features: 3 }, /3 targets for 2 samples/],
    ['nested targets of different number', { x: x6, y: [[1], [2]], features: 2 }, /2 targets for 3 samples/],
    ['nested targets of different length', { x: x6, y: [[1], [2, 3], [4]], features: 2 }, /y\[1\] holds 2 values/],
    ['no samples', { x: new Float32Array(0), y: [], classes: 2 }, /no samples/],
    ['no rows', { x: [], y: [], classes: 2 }, /no samples/],
    ['empty rows', { x: [[], []], y: [0, 1], classes: 2 }, /no samples/],
    ['no labels', { x: x6, y: [], classes: 2 }, /no samples/],
    ['empty targets', { x: x6, y: [[], []] }, /nothing to predict/],
  ])('refuses %s', (_, options, message) => {
    expect(loose(options)).toMatchObject({ code: 'DATA-MISMATCH', message: expect.stringMatching(message) });
  });

  it.each<[string, object, RegExp]>([
    ['Float64Array', { x: new Float64Array(2), y: [0, 1], classes: 2 }, /Convert it with Float32Array.from/],
    ['Int32Array', { x: new Int32Array(2), y: [0, 1], classes: 2 }, /Convert it with Float32Array.from/],
    ['flat plain x', { x: [1, 2], y: [0, 1], classes: 2 }, /Float32Array/],
    ['a missing x', { y: [0, 1], classes: 2 }, /Pass the samples/],
    ['text in x', { x: [['1'], [2]], y: [0, 1], classes: 2 }, /numbers only/],
    ['a row that is none', { x: [[1], null], y: [0, 1], classes: 2 }, /one array per sample/],
    // biome-ignore lint/suspicious/noSparseArray: a hole is the case
    ['a hole for a row', { x: [[1], , [2]], y: [0, 1, 1], classes: 2 }, /one array per sample/],
    ['one-hot labels', { x: new Float32Array(2), y: [[0, 1]], classes: 2 }, /one integer per sample/],
    ['BigInt labels', { x: new Float32Array(2), y: new BigInt64Array(2), classes: 2 }, /Array.from\(y, Number\)/],
    ['labels without classes', { x: new Float32Array(2), y: Uint8Array.of(0, 1) }, /Give classes/],
    ['float64 targets', { x: new Float32Array(2), y: new Float64Array(2) }, /Float32Array.from\(y\)/],
    ['text in y', { x: new Float32Array(2), y: [1, '2'] }, /numbers only/],
    ['text for classes', { x: new Float32Array(2), y: [0, 1], classes: '2' }, /number/],
    ['text for image', { x: new Float32Array(2), y: [0, 1], classes: 2, image: '1x1' }, /two integers/],
  ])('refuses %s as a type', (_, options, fix) => {
    expect(loose(options)).toMatchObject({ code: 'OPTION-TYPE', fix: expect.stringMatching(fix) });
  });

  it('refuses other options', () => {
    expect(loose({ x: [[1]], y: [0], classses: 2 })).toMatchObject({
      code: 'OPTION-UNKNOWN',
      fix: "Did you mean 'classes'?",
    });
    expect(loose({ x: [[1]], y: [0], classes: 1 }).code).toBe('OPTION-RANGE');
    expect(loose({ x: [[1]], y: [0], classes: 2, features: 0 }).code).toBe('OPTION-RANGE');
    expect(loose(undefined).code).toBe('OPTION-TYPE');
  });

  it('takes names of classes, features and targets', () => {
    const named = { x: [[1, 2], [3, 4]], y: [0, 1], labels: ['no', 'yes'], featureNames: ['a', 'b'], targetNames: ['c'] }; // biome-ignore format: two samples
    const data = arrays(named);
    expect(data).toMatchObject({ targets: { classes: 2 }, labels: ['no', 'yes'], featureNames: ['a', 'b'] });
    expect(Object.isFrozen(data.labels)).toBe(true);
    expect(loose({ ...named, classes: 3 })).toMatchObject({ code: 'DATA-MISMATCH', fix: 'Pass one name per class.' });
    expect(loose({ ...named, featureNames: ['a'] }).code).toBe('DATA-MISMATCH');
    expect(loose({ ...named, targetNames: 'c' }).code).toBe('OPTION-TYPE');
    expect(loose({ ...named, labels: 3 }).code).toBe('OPTION-TYPE');
  });
});
