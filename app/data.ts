import { type Scale, TRAIN_SHARE } from '../harness/common/settings.js';
import { type JobData, parted, scaled } from '../harness/train/data.js';
import { csv } from '../src/csv.js';
import { type Dataset, digits, type ImageFile, idx, images, split } from '../src/index.js';
import { PageError } from './problem.js';

/** What a run trains on, and what it is tested on. */
export type { JobData as Parts };

/** Splits where needed; both parts get the scaling of the training part. */
export function prepare(data: Dataset | JobData, scale: Scale): JobData {
  const [train, test] = 'train' in data ? [data.train, data.test] : parted(data);
  return scaled({ train, test }, scale);
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

/** Reads and checks the files. */
export async function readFiles(roles: Roles, classes: number): Promise<Dataset | JobData> {
  const { images, labels, testImages, testLabels } = roles;
  if (!images || !labels)
    throw new PageError('No files are chosen.', 'Choose a file of images and its file of labels.');
  const train = await idx({ images, labels, classes });
  if (!testImages || !testLabels) return train;
  const test = await idx({ images: testImages, labels: testLabels, classes });
  if (test.features !== train.features) {
    throw new PageError(
      `Training samples have ${train.features} values, test samples ${test.features}.`,
      'Choose four files of the same data set.',
    );
  }
  return { train, test };
}

/** Whether files are one table. */
export const isTable = (files: readonly File[]): boolean =>
  files.length === 1 && /\.(csv|tsv)(\.gz)?$/i.test(files[0]!.name);

/** Sides that images are brought to: what a network of a page trains on in reasonable time. */
export const IMAGE_SIZE = [28, 28] as const;

/** A table whose last column is the class. */
export const readTable = async (file: File): Promise<JobData> =>
  inParts(await csv(file, { target: -1, targets: 'classes' }));

/** Images in folders by class. */
export const readImages = async (files: readonly ImageFile[]): Promise<JobData> =>
  inParts(await images(files, { size: IMAGE_SIZE }));

/** What comes sorted by class must not be split by place. */
function inParts(data: Dataset): JobData {
  const [train, test] = split(data, { share: TRAIN_SHARE, stratify: true });
  return { train, test };
}

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
