import { isToy, type Scale } from '../../harness/common/settings.js';
import { drawToy, type JobData, parted, scaled } from '../../harness/train/data.js';
import { type Dataset, digits, type ImageFile } from '../../src/index.js';
import { PageError } from '../shell/problem.js';
import type { Settings } from './settings.js';

/** What a run trains on, and what it is tested on. */
export type { JobData as Parts };

/** Splits where needed; both parts get the scaling of the training part. For trainings that hold nothing out. */
export function prepare(data: Dataset | JobData, scale: Scale): JobData {
  const [train, test] = 'train' in data ? [data.train, data.test] : parted(data);
  return scaled({ train, test }, scale);
}

let toy: { readonly key: string; readonly data: Dataset } | undefined;

/** Points of the plane, where the settings name some: the same object as long as they are the same. */
export function toyOf({ source, points, noise }: Pick<Settings, 'source' | 'points' | 'noise'>): Dataset | undefined {
  if (!isToy(source)) return undefined;
  const key = `${source} ${points} ${noise}`;
  if (toy?.key !== key) toy = { key, data: drawToy({ kind: source, samples: points, noise }) };
  return toy.data;
}

let drawn: Dataset | undefined;

/** The built-in digits, drawn in a worker; the last ones drawn are kept for the next run. */
export async function drawDigits(samples: number): Promise<Dataset> {
  if (drawn?.samples === samples) return drawn;
  const worker = new Worker(new URL('./digits.worker.ts', import.meta.url), { type: 'module' });
  try {
    drawn = await new Promise<Dataset>((resolve, reject) => {
      worker.addEventListener('message', ({ data }: MessageEvent<{ dataset?: Dataset; failed?: string }>) =>
        data.dataset ? resolve(data.dataset) : reject(new Error(data.failed)),
      );
      worker.addEventListener('error', (event) => reject(new Error(event.message || 'the worker did not start')));
      worker.postMessage(samples);
    });
    return drawn;
  } finally {
    worker.terminate();
  }
}

/** The first of the digits that a run would see: a sample does not depend on how many are drawn. */
export const sampleDigits = (samples: number): Dataset => digits({ samples });

/** Files chosen so far, and which part each plays. */
export interface Roles {
  readonly images?: File;
  readonly labels?: File;
  readonly testImages?: File;
  readonly testLabels?: File;
}

/**
 * Which file is what. Of a pair the larger one holds the images, whatever the names say: a label is one byte, an image
 * is more. With four files the names must tell the pairs apart.
 *
 * @throws PageError for a number of files that makes no pairs.
 */
export function assignRoles(files: readonly File[]): Roles {
  const bySize = (some: readonly File[]) => [...some].sort((a, b) => b.size - a.size);
  if (files.length === 2) {
    const [images, labels] = bySize(files);
    return { images, labels };
  }
  const isTest = (file: File) => /t10k|test|valid/i.test(file.name);
  const test = files.filter(isTest);
  if (files.length === 4 && test.length === 2) {
    const [images, labels] = bySize(files.filter((file) => !isTest(file)));
    const [testImages, testLabels] = bySize(test);
    return { images, labels, testImages, testLabels };
  }
  throw new PageError(
    files.length === 4
      ? 'Of four files, two must have "t10k" or "test" in their names.'
      : `A data set is two files, or four with a test set; ${files.length === 0 ? 'none is' : `${files.length} ${files.length === 1 ? 'is' : 'are'}`} chosen.`,
    files.length === 1
      ? 'Add the other file: images and labels belong together.'
      : 'Choose a file of images and its file of labels.',
  );
}

/** Whether files are one table. */
export const isTable = (files: readonly File[]): boolean =>
  files.length === 1 && /\.(csv|tsv)(\.gz)?$/i.test(files[0]!.name);

/**
 * The files of what was dropped, with their paths, where there is a folder among it; else undefined. To be called while the
 * event lasts.
 */
export function droppedFolder(items: DataTransferItemList | undefined): Promise<ImageFile[]> | undefined {
  const entries = [...(items ?? [])].map((item) => item.webkitGetAsEntry()).filter((entry) => entry !== null);
  return entries.some(({ isDirectory }) => isDirectory) ? filesIn(entries) : undefined;
}

async function filesIn(entries: readonly FileSystemEntry[]): Promise<ImageFile[]> {
  const found = entries.map(async (entry): Promise<ImageFile[]> => {
    if (entry.isFile) {
      const blob = await new Promise<File>((resolve, reject) => (entry as FileSystemFileEntry).file(resolve, reject));
      return [{ path: entry.fullPath, blob }];
    }
    const reader = (entry as FileSystemDirectoryEntry).createReader();
    const inside: FileSystemEntry[] = [];
    for (;;) {
      // A browser gives 100 at a time, and none at the end.
      const some = await new Promise<FileSystemEntry[]>((resolve, reject) => reader.readEntries(resolve, reject));
      if (some.length === 0) return filesIn(inside);
      inside.push(...some);
    }
  });
  return (await Promise.all(found)).flat();
}
