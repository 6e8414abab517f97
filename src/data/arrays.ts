import { DownhillError, show } from '../gpu/errors.js';
import { checkFlag, checkInteger, checkOptions } from '../gpu/fields.js';
import type { Dataset, Targets } from './dataset.js';

/** Any array of numbers: plain, or typed with at most 64-bit floats (no BigInt). */
type Numbers = ArrayLike<number>;

/** Options of `arrays`. */
export interface ArraysOptions {
  /**
   * The samples. Flat and row-major (`samples * features` values), or one array per sample. Bytes stay bytes and the
   * network sees them as value / 255; everything else is taken as it is, NaN and infinities included.
   */
  x: Uint8Array | Float32Array | readonly Numbers[];
  /**
   * The targets, one per sample. With `classes`: class indices. Without: real numbers, flat and row-major or one array
   * per sample; a trainer refuses those that are NaN or infinite.
   */
  y: Numbers | readonly Numbers[];
  /** How many classes there are, at least 2: `y` then holds indices from 0 to `classes - 1`. */
  classes?: number;
  /** `y` holds the probability of each class, one row per sample, which sums to 1. Default false. */
  probabilities?: boolean;
  /** Values per sample, where `x` is flat. Default: the product of `image`, else the length of `x` by that of `y`. */
  features?: number;
  /** Shape of one sample, [height, width], where it is a grey image. */
  image?: readonly [number, number];
  /** Names of the classes by index, as many as `classes`, which then may be left out. */
  labels?: readonly string[];
  /** Names of the features. */
  featureNames?: readonly string[];
  /** Names of what is predicted: one per target value, a single one for classes. */
  targetNames?: readonly string[];
}

/**
 * A data set of arrays that you already have.
 *
 * Typed arrays are used in place, not copied: Uint8Array and Float32Array for `x`, labels of type Uint8Array,
 * Uint16Array or Uint32Array, and Float32Array targets. Leave them alone until they are on the GPU.
 *
 * @returns Frozen. `scale` is 1/255 for bytes and 1 otherwise, `shift` is 0; see `standardize` and `unitRange`.
 * @throws DownhillError DATA-LABEL for a label that is no class (with the sample), DATA-MISMATCH for lengths that do not
 *   agree and for no samples, OPTION-TYPE for other types of array, OPTION-RANGE, OPTION-UNKNOWN.
 * @example
 * const xor = arrays({ x: [[0, 0], [0, 1], [1, 0], [1, 1]], y: [0, 1, 1, 0], classes: 2 });
 */
export function arrays(options: ArraysOptions): Dataset {
  const known = ['x', 'y', 'classes', 'probabilities', 'features', 'image', 'labels', 'featureNames', 'targetNames'];
  checkOptions('arrays', options, known);
  const { y, labels } = options;
  const probabilities = checkFlag('arrays.probabilities', options.probabilities ?? false);
  const count = options.classes ?? (Array.isArray(labels) ? labels.length : undefined);
  const given = count === undefined ? undefined : checkInteger('arrays.classes', count, 2, 2 ** 32);
  const classes = probabilities ? undefined : given;
  const image = options.image === undefined ? undefined : checkImage(options.image);
  let features = options.features === undefined ? undefined : checkInteger('arrays.features', options.features, 1);
  if (image && features !== undefined && features !== image[0] * image[1]) {
    throw new DownhillError(
      'DATA-MISMATCH',
      `arrays.features is ${features} but an image of ${image[0]} x ${image[1]} has ${image[0] * image[1]} values.`,
      'Leave out features, or correct image.',
    );
  }
  features ??= image && image[0] * image[1];
  checkTypeOfX(options.x);
  checkTypeOfY(y, classes);
  const rows = Array.isArray(options.x) ? flatten('arrays.x', options.x as readonly Numbers[], features) : undefined;
  const x = rows ? rows.values : (options.x as Uint8Array | Float32Array);
  features = rows
    ? rows.width || 1
    : (features ?? widthOf(x.length, probabilities && given && !isNested(y) ? y.length / given : y.length));
  if (x.length === 0 || y.length === 0) {
    throw new DownhillError(
      'DATA-MISMATCH',
      `arrays.x holds ${x.length} values and arrays.y ${y.length}: there are no samples.`,
      'Pass at least one sample with at least one feature.',
    );
  }
  if (x.length % features !== 0) {
    throw new DownhillError(
      'DATA-MISMATCH',
      `arrays.x holds ${x.length} values, which is no multiple of ${features} features.`,
      'Correct features (or image), or pass whole samples.',
    );
  }
  const samples = x.length / features;
  const real = () => (probabilities ? probabilityTargets(y, samples, given) : realTargets(y, samples));
  const targets = classes === undefined ? real() : labelTargets('arrays.y', y as Numbers, classes, samples);
  const scale = x instanceof Uint8Array ? 1 / 255 : 1;
  const names = {
    ...namesOf('labels', options.labels, given ?? 0),
    ...namesOf('featureNames', options.featureNames, features),
    ...namesOf('targetNames', options.targetNames, targets.kind === 'values' ? targets.width : 1),
  };
  return Object.freeze({ samples, features, x, scale, shift: 0, targets, ...(image && { image }), ...names });
}

/** A list of names as a part of a data set; nothing where there is none. */
function namesOf(option: 'labels' | 'featureNames' | 'targetNames', names: unknown, count: number) {
  if (names === undefined) return {};
  if (!Array.isArray(names) || [...names].some((name) => typeof name !== 'string')) {
    throw new DownhillError(
      'OPTION-TYPE',
      `arrays.${option} must be a list of strings, got ${show(names)}.`,
      'Pass one name for each.',
    );
  }
  if (names.length !== count) {
    throw new DownhillError(
      'DATA-MISMATCH',
      `arrays.${option} holds ${names.length} names for ${count}.`,
      option === 'labels' ? 'Pass one name per class.' : 'Pass one name for each.',
    );
  }
  return { [option]: Object.freeze([...(names as string[])]) };
}

/**
 * Checks labels and puts them into the smallest type that holds every class; one that is unsigned already is kept.
 *
 * @param where What to call the labels in messages.
 */
export function labelTargets(where: string, y: Numbers, classes: number, samples: number): Targets {
  checkCount(where, y.length, samples);
  for (let i = 0; i < samples; i++) {
    const label = y[i]!;
    // The type is checked here as well: plain arrays hold anything, and a hole compares false with every bound.
    if (typeof label !== 'number' || !(label >= 0 && label < classes) || !Number.isInteger(label)) {
      throw new DownhillError(
        'DATA-LABEL',
        `${where}[${i}] (sample ${i}) is ${show(label)}, which is no class: expected an integer from 0 to ${classes - 1}.`,
        label === classes
          ? 'Count classes from 0, or raise classes.'
          : 'Correct the label, or set classes to the number of classes.',
      );
    }
  }
  let labels: Uint8Array | Uint16Array | Uint32Array;
  if (y instanceof Uint8Array || y instanceof Uint16Array || y instanceof Uint32Array) labels = y;
  else if (classes <= 2 ** 8) labels = Uint8Array.from(y);
  else if (classes <= 2 ** 16) labels = Uint16Array.from(y);
  else labels = Uint32Array.from(y);
  return Object.freeze({ kind: 'classes', classes, labels });
}

/** That rows sum to 1 is checked with the model, as all targets are. */
function probabilityTargets(y: Numbers | readonly Numbers[], samples: number, wanted: number | undefined): Targets {
  const { width: classes, values } = realTargets(y, samples);
  if (classes > 1 && (wanted ?? classes) === classes) return Object.freeze({ kind: 'probabilities', classes, values });
  throw new DownhillError(
    'DATA-MISMATCH',
    `arrays.y holds ${classes} probabilities per sample where ${wanted ?? 'at least 2'} were expected.`,
    'Give every sample one probability for each class.',
  );
}

function realTargets(y: Numbers | readonly Numbers[], samples: number): Targets & { kind: 'values' } {
  if (isNested(y)) {
    checkCount('arrays.y', y.length, samples);
    const { width, values } = flatten('arrays.y', y, undefined);
    if (width > 0) return Object.freeze({ kind: 'values', width, values });
    throw new DownhillError(
      'DATA-MISMATCH',
      'arrays.y[0] is empty: there is nothing to predict.',
      'Give every sample at least one target value.',
    );
  }
  const width = y.length / samples;
  if (!Number.isInteger(width)) checkCount('arrays.y', y.length, samples);
  return Object.freeze({
    kind: 'values',
    width,
    values: y instanceof Float32Array ? y : toFloats('arrays.y', y as Numbers),
  });
}

function checkCount(where: string, count: number, samples: number): void {
  if (count === samples) return;
  throw new DownhillError(
    'DATA-MISMATCH',
    `${where} holds ${count} target${count === 1 ? '' : 's'} for ${samples} sample${samples === 1 ? '' : 's'}.`,
    'Pass one target per sample, and check features if x is flat.',
  );
}

/** Features of a flat `x`, where only the number of targets tells how many samples there are. */
function widthOf(length: number, samples: number): number {
  if (samples === 0 || length === 0) return 1; // refused as empty by the caller, with both lengths
  if (length % samples === 0) return length / samples;
  throw new DownhillError(
    'DATA-MISMATCH',
    `arrays.x holds ${length} values, which do not divide among the ${samples} targets of arrays.y.`,
    'Pass one target per sample, or give features.',
  );
}

/** Rows of equal length as one Float32Array. */
function flatten(
  where: string,
  rows: readonly Numbers[],
  expected: number | undefined,
): { width: number; values: Float32Array } {
  const width = expected ?? (isNumbers(rows[0]) ? rows[0].length : 0);
  const values = new Float32Array(rows.length * width);
  for (let i = 0; i < rows.length; i++) {
    const row: unknown = rows[i];
    if (!isNumbers(row)) {
      throw new DownhillError(
        'OPTION-TYPE',
        `${where}[${i}] must be an array of numbers, got ${show(row)}.`,
        'Pass one array per sample.',
      );
    }
    if (row.length !== width) {
      throw new DownhillError(
        'DATA-MISMATCH',
        `${where}[${i}] holds ${row.length} values where ${width} were expected${expected === undefined ? ` (as in ${where}[0])` : ''}.`,
        'Give every sample the same number of values.',
      );
    }
    values.set(Array.isArray(row) ? toFloats(`${where}[${i}]`, row) : row, i * width);
  }
  return { width, values };
}

/** A plain array as floats; what is no number is refused, where Float32Array.from would make NaN or 0 of it. */
function toFloats(where: string, list: Numbers): Float32Array {
  for (let i = 0; i < list.length; i++) {
    if (typeof list[i] !== 'number') {
      throw new DownhillError(
        'OPTION-TYPE',
        `${where}[${i}] must be a number, got ${show(list[i])}.`,
        'Pass numbers only.',
      );
    }
  }
  return Float32Array.from(list);
}

const isBigInts = (value: unknown) => value instanceof BigInt64Array || value instanceof BigUint64Array;

function isNumbers(value: unknown): value is Numbers {
  return Array.isArray(value) || (ArrayBuffer.isView(value) && !(value instanceof DataView) && !isBigInts(value));
}

const isNested = (value: Numbers | readonly Numbers[]): value is readonly Numbers[] =>
  Array.isArray(value) && value.length > 0 && typeof value[0] === 'object';

function checkTypeOfX(x: unknown): void {
  if (x instanceof Uint8Array || x instanceof Float32Array) return;
  if (Array.isArray(x)) {
    if (x.length === 0 || isNumbers(x[0])) return;
    throw new DownhillError(
      'OPTION-TYPE',
      `arrays.x as a plain array must hold one array of numbers per sample, got ${show(x)}.`,
      'Pass number[][], or flat values as a Float32Array.',
    );
  }
  const convert = isNumbers(x) ? 'Convert it with Float32Array.from(x), or Uint8Array.from(x) if it holds bytes.' : '';
  throw new DownhillError(
    'OPTION-TYPE',
    `arrays.x must be a Uint8Array, a Float32Array or number[][], got ${show(x)}.`,
    convert || 'Pass the samples as one of these.',
  );
}

function checkTypeOfY(y: unknown, classes: number | undefined): void {
  if (classes !== undefined) {
    if (isNumbers(y) && !isNested(y)) return;
    throw new DownhillError(
      'OPTION-TYPE',
      `arrays.y must be an array of class indices, got ${show(y)}.`,
      isBigInts(y)
        ? 'Convert it with Array.from(y, Number).'
        : 'Pass one integer per sample; for real targets leave out classes.',
    );
  }
  if (Array.isArray(y) || y instanceof Float32Array) return;
  // Integers without `classes` are labels somebody forgot to say so of: a regression on them trains, and is wrong.
  const labels = isNumbers(y) && !(y instanceof Float64Array);
  throw new DownhillError(
    'OPTION-TYPE',
    `arrays.y without classes must be a Float32Array, number[] or number[][] of real targets, got ${show(y)}.`,
    labels
      ? 'Give classes if y holds class indices; else convert it with Float32Array.from(y).'
      : 'Convert it with Float32Array.from(y).',
  );
}

function checkImage(image: unknown): readonly [number, number] {
  if (!Array.isArray(image) || image.length !== 2) {
    throw new DownhillError(
      'OPTION-TYPE',
      `arrays.image must be [height, width], got ${show(image)}.`,
      'Pass two integers.',
    );
  }
  return Object.freeze([
    checkInteger('arrays.image[0]', image[0], 1),
    checkInteger('arrays.image[1]', image[1], 1),
  ] as const);
}
