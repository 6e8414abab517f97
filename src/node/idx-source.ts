/** IDX files that stay on disk: only the rows of a batch are read. */
import { closeSync, fstatSync, readSync } from 'node:fs';
import { labelTargets } from '../data/arrays.js';
import { checkLength, parseIdx, readHeader } from '../data/idx.js';
import { type DataSource, source } from '../data/source.js';
import { DownhillError, show } from '../gpu/errors.js';
import { checkInteger, checkOptions } from '../gpu/fields.js';
import { openPlainFile, readPlainFile } from './plain-file.js';

/** Options of {@link idxSource}. */
export interface IdxSourceOptions {
  /** Path of a file of unsigned bytes, [samples, …], not compressed. */
  readonly images: string;
  /** Path of the file of labels, [samples]; it is read whole. */
  readonly labels: string;
  /** Default 10. */
  readonly classes?: number;
}

/** A data set whose file stays open until `close`. */
export interface FileSource extends DataSource {
  close(): void;
}

/**
 * A data set of IDX files larger than memory: images are read from disk as batches want them, also on the GPU only those of
 * a few steps are held. Same samples, same losses as `idx` gives, bit for bit.
 *
 * @throws DownhillError DATA-NOT-FOUND, DATA-FORMAT (also for gzip, which cannot be read from the middle), DATA-MISMATCH,
 *   DATA-LABEL, OPTION-*.
 * @example
 * const data = await idxSource({ images: 'train-images-idx3-ubyte', labels: 'train-labels-idx1-ubyte' });
 */
export async function idxSource(options: IdxSourceOptions): Promise<FileSource> {
  checkOptions('idxSource', options, ['images', 'labels', 'classes']);
  const classes = checkInteger('idxSource.classes', options.classes ?? 10, 2, 256);
  const labels = parseIdx(
    await readPlainFile(options.labels).catch((cause) => Promise.reject(unread(options.labels, cause))),
  );
  const file = openFile(options.images);
  try {
    const { shape, offset } = headerOf(file, options.images);
    const [samples, ...sample] = shape as [number, ...number[]];
    if (labels.shape.length !== 1 || labels.shape[0] !== samples || samples === 0) {
      throw new DownhillError(
        'DATA-MISMATCH',
        `${show(options.images)} has shape ${show(shape)} and ${show(options.labels)} ${show(labels.shape)}.`,
        'Pass the images and the labels of one set, with at least one sample.',
      );
    }
    const features = sample.reduce((product, side) => product * side, 1);
    const { data } = labels;
    labelTargets('idxSource.labels', data, classes, samples);
    const made = source({
      samples,
      features,
      type: 'uint8',
      classes,
      ...(sample.length === 2 && { image: [sample[0]!, sample[1]!] as const }),
      read: (indices) => ({
        x: readRows(file, options.images, offset, features, indices),
        y: Uint8Array.from(indices, (i) => data[i]!),
      }),
    });
    return Object.freeze({ ...made, close: () => closeSync(file) });
  } catch (error) {
    closeSync(file);
    throw error;
  }
}

function unread(path: string, cause: unknown): DownhillError {
  const message = `${show(path)} cannot be read: ${(cause as Error).message}.`;
  return new DownhillError('DATA-NOT-FOUND', message, 'Check that it is a file and that you may read it.', cause);
}

function openFile(path: string): number {
  try {
    return openPlainFile(path);
  } catch (cause) {
    throw unread(path, cause);
  }
}

function headerOf(file: number, path: string) {
  const beginning = new Uint8Array(4 + 4 * 255);
  const read = readSync(file, beginning, 0, beginning.length, 0);
  const header = readHeader(show(path), beginning.subarray(0, read));
  if (!header) throw new DownhillError('DATA-FORMAT', `${show(path)} ends inside its header.`, 'Download it again.');
  checkLength(show(path), header, fstatSync(file).size);
  return header;
}

/** The rows of some samples; those that lie side by side in one go. */
function readRows(file: number, path: string, offset: number, features: number, indices: Uint32Array): Uint8Array {
  const x = new Uint8Array(indices.length * features);
  for (let row = 0; row < indices.length; ) {
    let end = row + 1;
    while (end < indices.length && indices[end] === indices[row]! + end - row) end++;
    const [at, length] = [row * features, (end - row) * features];
    let read = 0;
    try {
      read = readSync(file, x, at, length, offset + indices[row]! * features);
    } catch (cause) {
      throw unread(path, cause);
    }
    if (read < length) throw unread(path, new Error(`it ends before sample ${indices[row]! + end - row}`));
    row = end;
  }
  return x;
}
