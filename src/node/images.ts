/** Images in folders by class. */
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Dataset } from '../data/dataset.js';
import { type ImageEntry, type ImageOptions, imagesOf, isImageName } from '../data/images.js';
import { DownhillError, show } from '../gpu/errors.js';
import { plainSize, readPlainFile } from './plain-file.js';
import { decodePicture } from './png.js';

/**
 * A data set of images in folders by class: `folder/cats/1.png`, `folder/dogs/2.png` …
 *
 * The classes are the folders, sorted by name (`labels`); the samples are sorted by class and file name, so split them with
 * `{ share, stratify: true }`. Files that are no images by name, and hidden ones, are left out.
 *
 * Node decodes no pictures by itself: PNG (not interlaced), PGM and PPM are read here; for JPEG and others pass `decode`, with
 * a package of yours.
 *
 * @returns Bytes, scaled to [0, 1] (scale 1/255), with `image: [height, width]` where they are grey.
 * @throws DownhillError DATA-NOT-FOUND for a folder or file that cannot be read, and a class without an image; DATA-FORMAT for
 *   a file that is no image, naming it; DATA-MISMATCH for images of unlike size without `size`, for fewer than 2 classes;
 *   OPTION-*.
 * @example
 * import sharp from 'sharp';
 * const decode = async (bytes) => {
 *   const { data, info } = await sharp(bytes).ensureAlpha().raw().toBuffer({ resolveWithObject: true });
 *   return { width: info.width, height: info.height, data };
 * };
 * const data = await imageFolder('photos', { size: [64, 64], color: 'rgb', decode });
 */
export async function imageFolder(folder: string, options: ImageOptions = {}): Promise<Dataset> {
  const entries: ImageEntry[] = [];
  for (const label of await list(folder)) {
    const own = join(folder, label);
    if (label.startsWith('.') || !(await found(own, stat(own))).isDirectory()) continue;
    const names = (await list(own)).filter(isImageName);
    if (names.length === 0) {
      throw new DownhillError(
        'DATA-NOT-FOUND',
        `The class folder ${show(own)} holds no image.`,
        'Put images into it, or remove it.',
      );
    }
    for (const name of names) {
      const path = join(own, name);
      entries.push({
        path,
        label,
        size: () => found(path, stat(path).then(plainSize)),
        read: () => found(path, readPlainFile(path)),
      });
    }
  }
  return imagesOf('imageFolder', entries, options, decodePicture);
}

const list = (folder: string) => found(folder, readdir(folder));

async function found<T>(path: string, reading: Promise<T>): Promise<T> {
  try {
    return await reading;
  } catch (cause) {
    throw new DownhillError(
      'DATA-NOT-FOUND',
      `${show(path)} cannot be read: ${(cause as Error).message}.`,
      'Name a folder that holds one folder of images for each class.',
      cause,
    );
  }
}
