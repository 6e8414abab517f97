import { DownhillError, show } from '../gpu/errors.js';
import { checkInteger, checkOptions } from '../gpu/fields.js';
import { labelTargets } from './arrays.js';
import type { Dataset } from './dataset.js';
import { checkSource, formatBytes, gunzip, isGzip, isPage, readSource, type Source } from './load.js';

/** Where an IDX file comes from: its bytes, a Blob or File, a response, or an address to fetch. Gzipped or not. */
export type IdxSource = Source;

/** Options of `idx`. */
export interface IdxOptions {
  /** Unsigned bytes, [samples, height, width] or any other shape with the samples first. */
  images: IdxSource;
  /** Unsigned bytes, [samples]. */
  labels: IdxSource;
  /** How many classes there are, default 10: labels run from 0 to `classes - 1`. */
  classes?: number;
  /** Largest file to accept, in bytes, as it is and decompressed. Default 2 GiB. */
  maxBytes?: number;
}

const MAX_BYTES = 2 ** 31;

/**
 * A data set from a pair of IDX files, the format of MNIST, Fashion-MNIST, KMNIST and EMNIST.
 *
 * Gzip is recognised by its first bytes, not by a name. Decompression stops at the size that the file itself declares,
 * so a small file cannot fill the memory.
 *
 * @returns A data set of classes, scaled to [0, 1] (scale 1/255, shift 0), with `image: [height, width]` where the
 *   images have three dimensions. Files that are not compressed are used in place.
 * @throws DownhillError DATA-NOT-FOUND if an address gives no file, DATA-FORMAT if a file is not what it should be (with
 *   byte counts), DATA-MISMATCH if images and labels differ in number or there are none, DATA-LABEL for a label
 *   that is no class, OPTION-TYPE, OPTION-RANGE, OPTION-UNKNOWN.
 * @example
 * const test = await idx({ images: '/mnist/t10k-images-idx3-ubyte.gz', labels: '/mnist/t10k-labels-idx1-ubyte.gz' });
 */
export async function idx(options: IdxOptions): Promise<Dataset> {
  checkOptions('idx', options, ['images', 'labels', 'classes', 'maxBytes']);
  const classes = checkInteger('idx.classes', options.classes ?? 10, 2, 256);
  const maxBytes = checkInteger('idx.maxBytes', options.maxBytes ?? MAX_BYTES, 1);
  checkSource('idx.images', options.images);
  checkSource('idx.labels', options.labels);
  const [images, labels] = await Promise.all([
    load('idx.images', options.images, maxBytes),
    load('idx.labels', options.labels, maxBytes),
  ]);
  if (images.shape.length === 1 || labels.shape.length !== 1) {
    const swapped = images.shape.length === 1 && labels.shape.length > 1;
    throw new DownhillError(
      'DATA-FORMAT',
      `idx.images has shape ${show(images.shape)} and idx.labels ${show(labels.shape)}: expected [samples, ...] and [samples].`,
      swapped
        ? 'Swap images and labels.'
        : 'Pass the file of images (idx3) as images and that of labels (idx1) as labels.',
    );
  }
  const [samples, ...sample] = images.shape as [number, ...number[]];
  if (samples !== labels.shape[0]) {
    throw new DownhillError(
      'DATA-MISMATCH',
      `idx.images holds ${samples} samples and idx.labels ${labels.shape[0]}.`,
      'Pass two files of the same set: both train or both t10k.',
    );
  }
  if (images.data.length === 0) {
    throw new DownhillError(
      'DATA-MISMATCH',
      `idx.images has shape ${show(images.shape)}: there are no values.`,
      'Pass a file with samples.',
    );
  }
  return Object.freeze({
    samples,
    features: images.data.length / samples,
    x: images.data,
    scale: 1 / 255,
    shift: 0,
    targets: labelTargets('idx.labels', labels.data, classes, samples),
    ...(sample.length === 2 && { image: Object.freeze([sample[0]!, sample[1]!] as const) }),
  });
}

/** Fetches, decompresses and parses one file. */
async function load(where: string, source: IdxSource, maxBytes: number): Promise<Idx> {
  const { name, bytes } = await readSource(where, source, maxBytes);
  if (!isGzip(bytes)) return parseIdx(bytes, name);
  const file = await gunzip(name, bytes, maxBytes, (beginning) => {
    const header = readHeader(name, beginning);
    return header && header.offset + header.size;
  });
  return parseIdx(file, `${name}, decompressed,`);
}

/** What an IDX file holds. */
export interface Idx {
  /** The dimensions, slowest first. */
  readonly shape: readonly number[];
  /** The values, row-major. */
  readonly data: Uint8Array;
}

/**
 * Reads an IDX file of unsigned bytes, of any rank. It must not be compressed.
 *
 * The format: two zero bytes, the type (0x08), the number of dimensions, each dimension as a big-endian u32, the values
 * in row-major order.
 *
 * @param bytes The whole file.
 * @param where What to call the file in messages.
 * @returns The shape, and the values as a view of `bytes`.
 * @throws DownhillError DATA-FORMAT, OPTION-TYPE.
 */
export function parseIdx(bytes: Uint8Array | ArrayBuffer, where = 'parseIdx'): Idx {
  const file = bytes instanceof ArrayBuffer ? new Uint8Array(bytes) : bytes;
  if (!(file instanceof Uint8Array)) {
    throw new DownhillError(
      'OPTION-TYPE',
      `${where} expects a Uint8Array or ArrayBuffer, got ${show(bytes)}.`,
      'Pass the bytes of the file.',
    );
  }
  const header = readHeader(where, file);
  if (!header) {
    const bytesOfHeader = file.length < 4 ? 4 : 4 + 4 * file[3]!;
    throw format(where, `ends at byte ${file.length}, inside its header of ${bytesOfHeader} bytes`, TRUNCATED);
  }
  checkLength(where, header, file.length);
  // Not subarray: of a Node Buffer that would be a Buffer, whose slice() does not copy.
  return { shape: header.shape, data: new Uint8Array(file.buffer, file.byteOffset + header.offset, header.size) };
}

export interface Header {
  readonly shape: number[];
  /** Bytes before the values. */
  readonly offset: number;
  /** Bytes of values. */
  readonly size: number;
}

const TRUNCATED = 'Download the file again: it is not complete.';
const WRONG_FILE = 'Pass an IDX file of unsigned bytes, such as train-images-idx3-ubyte, gzipped or not.';

const format = (where: string, what: string, fix: string) => new DownhillError('DATA-FORMAT', `${where} ${what}.`, fix);

/** The header, or undefined if `bytes` ends before it does; throws as soon as the file cannot be an IDX file of bytes. */
export function readHeader(where: string, bytes: Uint8Array): Header | undefined {
  if (bytes.length === 0) throw format(where, 'is empty (0 bytes)', WRONG_FILE);
  if (isGzip(bytes)) throw format(where, 'is still gzipped', 'Decompress it first, or use idx(), which does.');
  if (bytes.length < 4) return undefined;
  checkMagic(where, bytes);
  const rank = bytes[3]!;
  const offset = 4 + 4 * rank;
  if (bytes.length < offset) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, offset);
  const shape = Array.from({ length: rank }, (_, i) => view.getUint32(4 + 4 * i));
  return { shape, offset, size: product(shape) };
}

/** A zero makes the whole empty, also where the others multiply to infinity (the rank goes up to 255). */
const product = (shape: readonly number[]) => (shape.includes(0) ? 0 : shape.reduce((size, side) => size * side, 1));

const reverseBytes = (side: number) =>
  ((side & 0xff) * 2 ** 24 + ((side >>> 8) & 0xff) * 2 ** 16 + ((side >>> 16) & 0xff) * 2 ** 8 + (side >>> 24)) >>> 0;

const TYPES: Readonly<Record<number, string>> = { 9: 'i8', 11: 'i16', 12: 'i32', 13: 'f32', 14: 'f64' };

function checkMagic(where: string, bytes: Uint8Array): void {
  const [a, b, type, rank] = bytes as unknown as [number, number, number, number];
  if (a === 0 && b === 0 && type === 8 && rank > 0) return;
  const hex = [a, b, type, rank].map((byte) => byte.toString(16).padStart(2, '0')).join(' ');
  const found = `begins with the bytes ${hex}, not with 00 00 08 and the number of dimensions`;
  if (isPage(bytes)) {
    throw format(
      where,
      `is a web page or XML, not an IDX file: its content starts with '<'`,
      'Check the address: the server answers it with a page.',
    );
  }
  if (a > 0 && b === 8 && type === 0 && rank === 0) {
    throw format(
      where,
      `${found}: its header is little-endian`,
      'Write the header as big-endian 32-bit integers, as the format asks.',
    );
  }
  if (a === 0 && b === 0 && TYPES[type]) {
    throw format(
      where,
      `holds ${TYPES[type]} values (type 0x${hex.slice(6, 8)}); only unsigned bytes (0x08) are read`,
      WRONG_FILE,
    );
  }
  throw format(where, found, WRONG_FILE);
}

/** Compares the length of the file with what its header declares. */
export function checkLength(where: string, { shape, offset, size }: Header, length: number): void {
  const end = offset + size;
  if (length === end) return;
  const declared = `declares ${show(shape)}, ${formatBytes(size)} after a header of ${offset}`;
  if (product(shape.map(reverseBytes)) === length - offset) {
    const what = `${declared}, but has ${formatBytes(length)} in all: its dimensions are little-endian`;
    throw format(where, what, 'Write the dimensions as big-endian 32-bit integers.');
  }
  if (length > end) {
    throw format(
      where,
      `${declared}, but goes on for ${formatBytes(length - end)} after that`,
      'Cut the file to its declared length, or correct the header.',
    );
  }
  const stride = size / shape[0]!;
  const whole = Math.floor((length - offset) / stride);
  const start = offset + (whole && whole * stride); // a rank of 100 can declare infinite samples
  const place =
    start === length
      ? `after ${whole} of ${shape[0]} samples`
      : `inside sample ${whole} of ${shape[0]}, which starts at byte ${start}`;
  throw format(where, `${declared}, but ends at byte ${length}, ${place}`, TRUNCATED);
}
