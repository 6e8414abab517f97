import { DownhillError } from '../gpu/errors.js';
import { checkChoice, checkInteger, checkOptions } from '../gpu/fields.js';
import { arrays } from './arrays.js';
import type { Dataset } from './dataset.js';
import { checkSource, gunzip, isGzip, isZip, readSource, type Source } from './load.js';
import { type Named, type NpyValues, parseNpy, readNpyHeader } from './npy-format.js';

/** Options of `npy`. */
export interface NpyOptions {
  /** The samples, a `.npy` file: [samples, …]. With `archive` the name of an array in it, default 'x'. */
  readonly x?: Source;
  /** The targets, a `.npy` file: [samples] or [samples, outputs]. With `archive` the name of an array in it, default 'y'. */
  readonly y?: Source;
  /** A `.npz` file, as np.savez and np.savez_compressed write it, that holds both. */
  readonly archive?: Source;
  /** What the targets are. Default: classes where they are whole numbers or booleans by type, else real numbers. */
  readonly targets?: 'classes' | 'values';
  /** How many classes there are. Default: one more than the largest label, at least 2. */
  readonly classes?: number;
  /** Names of the classes, by index. */
  readonly labels?: readonly string[];
  /** Names of the features. */
  readonly featureNames?: readonly string[];
  /** Largest file and array to accept, in bytes. Default 2 GiB. */
  readonly maxBytes?: number;
}

const OPTIONS = ['x', 'y', 'archive', 'targets', 'classes', 'labels', 'featureNames', 'maxBytes'] as const;
const MAX_BYTES = 2 ** 31;

/**
 * A data set from NumPy's files: two `.npy`, or one `.npz`.
 *
 * Bytes (uint8) stay bytes, and the network sees them as value / 255, as everywhere; booleans are 0 and 1; every other
 * type becomes float32. Samples of shape [height, width], [height, width, 1] or [1, height, width] have their `image`
 * shape; other dimensions are taken as features in the order of the file.
 *
 * @throws DownhillError DATA-NOT-FOUND if an address gives no file; DATA-FORMAT if a file is not what it should be (with
 *   the byte offset or the place of a value); DATA-MISMATCH if samples and targets differ in number or there are none;
 *   DATA-LABEL for a label that is no class; OPTION-*.
 * @example
 * const data = await npy({ archive: '/mnist.npz', x: 'x_train', y: 'y_train' });
 */
export async function npy(options: NpyOptions): Promise<Dataset> {
  checkOptions('npy', options, OPTIONS);
  const maxBytes = checkInteger('npy.maxBytes', options.maxBytes ?? MAX_BYTES, 1);
  const wanted = options.targets && checkChoice('npy.targets', options.targets, ['classes', 'values']);
  const [x, y] =
    options.archive === undefined
      ? await fromFiles(options, maxBytes)
      : await (await import('./npz.js')).fromArchive(options, maxBytes);
  const [samples, ...sample] = x.array.shape;
  if (samples === undefined || samples !== y.array.shape[0]) {
    const shapes = [x, y].map(({ name, array }) => `${name} has the shape (${array.shape.join(', ')})`);
    throw new DownhillError(
      'DATA-MISMATCH',
      `${shapes.join(', ')}: the first dimension of both must be the samples.`,
      'Save arrays of the same samples.',
    );
  }
  const image = imageOf(sample);
  const classes = classesOf(y, wanted, options);
  const data = arrays({
    x: x.array.data instanceof Uint8Array ? x.array.data : toFloats(x.name, x.array.data),
    y: classes === undefined ? toFloats(y.name, y.array.data) : y.array.data,
    features: sample.reduce((count, side) => count * side, 1) || 1,
    ...(classes !== undefined && { classes }),
    ...(image && { image }),
    ...(options.labels && { labels: options.labels }),
    ...(options.featureNames && { featureNames: options.featureNames }),
  });
  return x.array.dtype === 'b1' ? Object.freeze({ ...data, scale: 1 }) : data;
}

/** [height, width] of one sample, where it is a grey image. */
function imageOf(sample: readonly number[]): readonly [number, number] | undefined {
  const sides = sample.length === 3 && sample.at(-1) === 1 ? sample.slice(0, 2) : sample;
  const [height, width] = sides.length === 3 && sides[0] === 1 ? sides.slice(1) : sides.length === 2 ? sides : [];
  return height && width ? [height, width] : undefined;
}

/** How many classes the targets have; undefined where they are real numbers. */
function classesOf({ array: { shape, dtype, data } }: Named, wanted: NpyOptions['targets'], options: NpyOptions) {
  const given = options.classes ?? options.labels?.length;
  const flat = shape.slice(1).every((side) => side === 1);
  const kind = wanted ?? (given !== undefined || (flat && !dtype.startsWith('f')) ? 'classes' : 'values');
  if (kind === 'values') return undefined;
  if (given !== undefined) return given;
  let most = 1;
  for (let i = 0; i < data.length; i++) most = Math.max(most, Math.trunc(data[i]!) || 0);
  return Math.min(most + 1, 2 ** 32); // a label beyond that is refused as one
}

/** As float32; what is finite must stay so. */
function toFloats(name: string, values: NpyValues): Float32Array {
  if (values instanceof Float32Array) return values;
  const floats = Float32Array.from(values);
  if (!(values instanceof Float64Array)) return floats;
  const lost = floats.findIndex((value, i) => !Number.isFinite(value) && Number.isFinite(values[i]));
  if (lost < 0) return floats;
  throw new DownhillError(
    'DATA-FORMAT',
    `${name} holds ${values[lost]} at place ${lost}, which float32 cannot.`,
    'Scale the values before you save them.',
  );
}

async function fromFiles({ x, y }: NpyOptions, maxBytes: number): Promise<[Named, Named]> {
  checkSource('npy.x', x);
  checkSource('npy.y', y);
  return Promise.all([load('npy.x', x, maxBytes), load('npy.y', y, maxBytes)]);
}

async function load(where: string, source: Source, maxBytes: number): Promise<Named> {
  const { name, bytes } = await readSource(where, source, maxBytes);
  if (isZip(bytes)) {
    throw new DownhillError(
      'DATA-FORMAT',
      `${name} is an archive (.npz).`,
      "Pass it as archive, and names such as 'x'.",
    );
  }
  if (!isGzip(bytes)) return { name, array: parseNpy(bytes, name) };
  const file = await gunzip(name, bytes, maxBytes, (beginning) => {
    const header = readNpyHeader(name, beginning);
    return header && header.offset + header.size;
  });
  return { name, array: parseNpy(file, `${name}, decompressed,`) };
}
