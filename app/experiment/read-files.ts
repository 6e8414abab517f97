import { TRAIN_SHARE } from '../../harness/common/settings.js';
import type { JobData } from '../../harness/train/data.js';
import { csv } from '../../src/csv.js';
import { type Dataset, type ImageFile, idx, images, split } from '../../src/index.js';
import { PageError } from '../shell/problem.js';
import type { Roles } from './data.js';

/* A person's own files. Loaded with the first of them: readers of tables and images are a tenth of the page. */

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
