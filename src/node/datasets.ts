/** Data sets by name: downloaded once, checked, and kept in a folder of caches. */
import { join, resolve } from 'node:path';
import type { Dataset } from '../data/dataset.js';
import { download, type KnownFile, sha256 } from '../data/download.js';
import { idx } from '../data/idx.js';
import { NAMED_SETS, type NamedDataset, type NamedSet } from '../data/named.js';
import { DownhillError, show } from '../gpu/errors.js';
import { checkChoice, checkNumber, checkOptions } from '../gpu/fields.js';
import { cacheFolder, FilePart, writeWhole } from './cache.js';
import type { IdxFiles } from './files.js';
import { readPlainFile } from './plain-file.js';

export type { NamedDataset };
/** What is known of each before it is there. */
export const DATASETS: Readonly<Record<NamedDataset, Omit<NamedSet, 'mirrors' | 'files'>>> = NAMED_SETS;

/** How far a download is: of all files of the set that were not there. */
export interface DownloadProgress {
  readonly file: string;
  /** Host it comes from. */
  readonly host: string;
  readonly received: number;
  readonly bytes: number;
}

/** Options of {@link dataset} and {@link datasetFiles}. */
export interface DatasetOptions {
  /**
   * Folder of caches; each set has a folder in it. Default: $DOWNHILL_CACHE, $XDG_CACHE_HOME/downhill, or
   * ~/.cache/downhill (Library/Caches on macOS, %LOCALAPPDATA% on Windows).
   */
  readonly cache?: string;
  /**
   * Folders that have the files, as addresses, instead of the public ones. Default: $DOWNHILL_MIRROR with the set's name
   * behind it, where that is set. What comes from them must have the same checksums.
   */
  readonly mirrors?: readonly string[];
  /** Longest that a server may send nothing, or less than 1 KiB a second, in milliseconds. Default 30,000. */
  readonly silenceMs?: number;
  /** Ends the download with the signal's reason; the next one goes on where it was. */
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: DownloadProgress) => void;
}

/** The files of both parts, as bytes. */
export interface DatasetFiles {
  readonly train: IdxFiles;
  readonly test: IdxFiles;
  /** Where they are kept. */
  readonly folder: string;
}

/**
 * A data set by its name, in its two parts. The first time its four files are downloaded (MNIST 11.6 MB, Fashion-MNIST
 * 30.9 MB) from the first of several mirrors that gives them whole; what broke off is resumed. From then on they come from
 * the cache. Every file is checked by its SHA-256 each time; one that differs is never used.
 *
 * @throws DownhillError DATA-NOT-FOUND with the reason of every mirror, where none gives a file; OPTION-*;
 *   OUTPUT-UNWRITABLE where the cache cannot be written; the signal's reason where it was aborted.
 * @example
 * const { train, test } = await dataset('fashion-mnist');
 */
export async function dataset(
  name: NamedDataset,
  options: DatasetOptions = {},
): Promise<{ readonly train: Dataset; readonly test: Dataset }> {
  const { train, test } = await datasetFiles(name, options);
  const { classes } = DATASETS[name];
  return { train: await idx({ ...train, classes }), test: await idx({ ...test, classes }) };
}

/** The files of {@link dataset} before they are read: to hand to a page, or to unpack yourself. */
export async function datasetFiles(name: NamedDataset, options: DatasetOptions = {}): Promise<DatasetFiles> {
  checkChoice('dataset', name, Object.keys(NAMED_SETS));
  checkOptions('dataset', options, ['cache', 'mirrors', 'silenceMs', 'signal', 'onProgress']);
  return fetchSet(name, NAMED_SETS[name], options);
}

/** {@link datasetFiles} of any set. */
export async function fetchSet(name: string, set: NamedSet, options: DatasetOptions): Promise<DatasetFiles> {
  const { cache = cacheFolder(), signal, onProgress } = options;
  const silenceMs = checkNumber('dataset.silenceMs', options.silenceMs ?? 30_000, { above: 0 });
  const mirrors = mirrorsOf(name, set, options.mirrors);
  if (typeof cache !== 'string' || cache === '') {
    throw new DownhillError('OPTION-TYPE', `dataset.cache must be a folder, got ${show(cache)}.`, 'Pass its path.');
  }
  const folder = join(resolve(cache), name);
  const { files } = set;
  const found = await Promise.all(files.map((file) => readKnown(folder, file)));
  const missing = files.filter((_, i) => !found[i]);
  const bytes = missing.reduce((sum, file) => sum + file.bytes, 0);
  let before = 0;
  for (const file of missing) {
    signal?.throwIfAborted();
    const done = before;
    found[files.indexOf(file)] = await fetchFile(folder, file, {
      urls: mirrors.map((mirror) => new URL(file.name, mirror).href),
      silenceMs,
      ...(signal && { signal }),
      progress: (received, host) => onProgress?.({ file: file.name, host, received: done + received, bytes }),
      fix: `Put the files of ${set.title} into ${folder} by hand, or name a folder that has them with --data idx:DIR.`,
    });
    before += file.bytes;
  }
  const [images, labels, testImages, testLabels] = found as Uint8Array[];
  return {
    train: { images: images!, labels: labels! },
    test: { images: testImages!, labels: testLabels! },
    folder,
  };
}

async function fetchFile(
  folder: string,
  file: KnownFile,
  options: Omit<Parameters<typeof download>[0], 'file' | 'store'>,
): Promise<Uint8Array<ArrayBuffer>> {
  const part = new FilePart(folder, file.name);
  try {
    const bytes = await download({ ...options, file, store: part });
    await writeWhole(folder, file.name, bytes);
    await part.remove();
    return bytes;
  } finally {
    await part.leave();
  }
}

/** A file of the cache; undefined where there is none, or another. */
async function readKnown(folder: string, file: KnownFile): Promise<Uint8Array<ArrayBuffer> | undefined> {
  try {
    const bytes = await readPlainFile(join(folder, file.name));
    return bytes.length === file.bytes && (await sha256(bytes)) === file.sha256 ? bytes : undefined;
  } catch {
    return undefined;
  }
}

/** As addresses that end in a slash. */
function mirrorsOf(name: string, set: NamedSet, given: readonly string[] | undefined): readonly string[] {
  const own = process.env.DOWNHILL_MIRROR;
  const mirrors = given ?? (own ? [`${own.replace(/\/$/, '')}/${name}/`] : set.mirrors);
  const where = given ? 'dataset.mirrors' : 'DOWNHILL_MIRROR';
  const good = Array.isArray(mirrors) && mirrors.length > 0;
  if (good && mirrors.every((each) => typeof each === 'string' && /^https?:/.test(each) && URL.canParse(each)))
    return mirrors.map((each) => (each.endsWith('/') ? each : `${each}/`));
  throw new DownhillError(
    'OPTION-TYPE',
    `${where} must be addresses that begin with http: or https:, got ${show(mirrors)}.`,
    'Pass addresses of folders that have the files.',
  );
}
