/** Data sets on disk, for Node. The contents are read and checked by the library's own IDX reader. */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { DownhillError, show } from '../gpu/errors.js';
import { checkChoice } from '../gpu/fields.js';
import { readPlainFile } from './plain-file.js';

/** One part of a data set: the bytes of its two files, gzipped or not. */
export interface IdxFiles {
  readonly images: Uint8Array;
  readonly labels: Uint8Array;
}

/** The parts of MNIST and of the sets that copy its form (Fashion-MNIST, KMNIST, EMNIST). */
export type IdxPart = 'train' | 't10k';
/** The training part first: it is the one to take when both are there. */
const PARTS: readonly IdxPart[] = ['train', 't10k'];

// Both spellings are about: the original's hyphen, and the dot some unpackers leave.
const imageFile = (part: IdxPart) => new RegExp(`^${part}-images[-.]idx3-ubyte(\\.gz)?$`);
const labelFile = (part: IdxPart) => new RegExp(`^${part}-labels[-.]idx1-ubyte(\\.gz)?$`);

/**
 * Reads the IDX files of a folder: `train-images-idx3-ubyte(.gz)` with `train-labels-idx1-ubyte(.gz)`, or the same with
 * `t10k-`. Without `part`, the training part where it is there, else the test part.
 *
 * @throws DownhillError DATA-NOT-FOUND, naming what was looked for and what is there; OPTION-*.
 */
export async function idxFolder(folder: string, part?: IdxPart): Promise<IdxFiles> {
  if (part !== undefined) checkChoice('idxFolder.part', part, PARTS);
  const names = await list(folder);
  const found = part ? filesOf(names, part) : PARTS.map((each) => filesOf(names, each)).find(Boolean);
  if (found) return { images: await read(join(folder, found.images)), labels: await read(join(folder, found.labels)) };
  const wanted = (part ? [part] : PARTS).map((p) => `${p}-images-idx3-ubyte and ${p}-labels-idx1-ubyte`);
  const more = names.length > 8 ? ` and ${names.length - 8} more` : '';
  const there = names.length === 0 ? 'It is empty' : `It has ${names.slice(0, 8).join(', ')}${more}`;
  throw new DownhillError(
    'DATA-NOT-FOUND',
    `The data folder ${show(folder)} lacks ${wanted.join(', or ')} (each may end in .gz). ${there}.`,
    'Put both files of a part into the folder.',
  );
}

/**
 * The parts a folder holds both files of.
 *
 * @throws DownhillError DATA-NOT-FOUND when there is no such folder.
 */
export async function idxParts(folder: string): Promise<IdxPart[]> {
  const names = await list(folder);
  return PARTS.filter((part) => filesOf(names, part));
}

function filesOf(names: readonly string[], part: IdxPart): { images: string; labels: string } | undefined {
  const images = names.find((name) => imageFile(part).test(name));
  const labels = names.find((name) => labelFile(part).test(name));
  return images && labels ? { images, labels } : undefined;
}

async function list(folder: string): Promise<string[]> {
  try {
    return (await readdir(folder)).sort(); // 'x' sorts before 'x.gz': the plain file wins
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    const what =
      { ENOENT: 'does not exist', ENOTDIR: 'is a file, not a folder' }[code ?? ''] ?? `cannot be read (${code})`;
    throw new DownhillError(
      'DATA-NOT-FOUND',
      `The data folder ${show(folder)} ${what}.`,
      'Name a folder with IDX files.',
      cause,
    );
  }
}

async function read(path: string): Promise<Uint8Array> {
  try {
    return await readPlainFile(path);
  } catch (cause) {
    throw new DownhillError(
      'DATA-NOT-FOUND',
      `${show(path)} cannot be read: ${(cause as Error).message}.`,
      'Check that it is a file and that you may read it.',
      cause,
    );
  }
}
