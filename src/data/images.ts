import { DownhillError, show } from '../gpu/errors.js';
import { checkChoice, checkInteger, checkOptions } from '../gpu/fields.js';
import { arrays } from './arrays.js';
import type { Dataset } from './dataset.js';
import { formatBytes } from './load.js';
import { type Pixels, resize } from './resize.js';

/** Makes pixels of a file's bytes. `name` is for messages. */
export type Decode = (bytes: Uint8Array, name: string) => Pixels | Promise<Pixels>;

/** Options of `images` and `imageFolder`. */
export interface ImageOptions {
  /** Of every sample, [height, width]. Default: that of the images, where all have one. */
  readonly size?: readonly [number, number];
  /** 'grey' (default): one value per pixel. 'rgb': three, one after the other. */
  readonly color?: 'grey' | 'rgb';
  /** Reads files. Default: what the browser reads; in Node PNG, PGM and PPM. */
  readonly decode?: Decode;
  /** Largest file to accept, in bytes. Default 64 MiB. */
  readonly maxBytes?: number;
}

/** A file with its place: 'cats/1.png'. */
export interface ImageFile {
  readonly path: string;
  readonly blob: Blob;
}

/** A file to read, of a class. */
export interface ImageEntry {
  readonly path: string;
  readonly label: string;
  size(): number | Promise<number>;
  read(): Promise<Uint8Array>;
}

const MAX_BYTES = 2 ** 26;
/** Most pixels of a file: 64 million, 256 MiB of them decoded. */
export const MAX_PIXELS = 2 ** 26;
const EXTENSION = /\.(png|jpe?g|gif|webp|bmp|avif|pgm|ppm|pnm)$/i;

/** Whether a file is taken for an image: by its name, and not hidden. */
export const isImageName = (name: string) => EXTENSION.test(name) && !name.startsWith('.');

/**
 * A data set of images in folders, one folder per class: files of a dropped or chosen folder, in a page.
 *
 * The class of a file is the folder it lies in, the classes are sorted by name (`labels`), the files by path within them.
 * Files that are no images by name, and hidden ones, are left out. Sorted by class: split with `{ share, stratify: true }`.
 *
 * @param files Of `<input type="file" webkitdirectory>`, or with the path that you found: `{ path: 'cats/1.png', blob }`.
 * @returns Bytes, scaled to [0, 1] (scale 1/255), with `image: [height, width]` where they are grey.
 * @throws DownhillError DATA-FORMAT for a file that is no image, naming it; DATA-MISMATCH for images of unlike size without
 *   `size`, for fewer than 2 classes; OPTION-*.
 * @example
 * input.onchange = async () => train(await images(input.files, { size: [28, 28] }));
 */
export async function images(files: Iterable<File | ImageFile>, options: ImageOptions = {}): Promise<Dataset> {
  if (typeof files?.[Symbol.iterator] !== 'function' || typeof files === 'string') {
    throw new DownhillError('OPTION-TYPE', `images expects files, got ${show(files)}.`, 'Pass the files of an input.');
  }
  const entries = [...files].map((file): ImageEntry => {
    const [path, blob] = 'blob' in file ? [file.path, file.blob] : [file.webkitRelativePath || file.name, file];
    const parts = String(path).split('/').filter(Boolean);
    return {
      path: parts.join('/'),
      label: parts.at(-2) ?? '',
      size: () => blob.size,
      read: async () => new Uint8Array(await blob.arrayBuffer()),
    };
  });
  const hidden = ({ path }: ImageEntry) => path.split('/').some((part) => part.startsWith('.'));
  const kept = entries.filter((entry) => isImageName(entry.path) && !hidden(entry));
  return imagesOf('images', kept, options, decodeInBrowser);
}

/** The same of files wherever they are. @throws DownhillError as `images` */
export async function imagesOf(
  where: string,
  entries: readonly ImageEntry[],
  options: ImageOptions,
  fallback: Decode,
): Promise<Dataset> {
  checkOptions(where, options, ['size', 'color', 'decode', 'maxBytes']);
  const channels = checkChoice(`${where}.color`, options.color ?? 'grey', ['grey', 'rgb']) === 'grey' ? 1 : 3;
  const maxBytes = checkInteger(`${where}.maxBytes`, options.maxBytes ?? MAX_BYTES, 1);
  const decode = options.decode ?? fallback;
  let size = options.size && checkSize(where, options.size);
  const labels = [...new Set(entries.map(({ label }) => label))].sort();
  if (labels.length < 2 || labels.includes('')) {
    throw new DownhillError(
      'DATA-MISMATCH',
      `${where} found ${entries.length} image${entries.length === 1 ? '' : 's'} in ${labels.length} folder${labels.length === 1 ? '' : 's'}${labels.includes('') ? ', some in none' : ''}: every class needs a folder of its own.`,
      'Pass at least two folders of images, such as cats/ and dogs/.',
    );
  }
  const sorted = [...entries].sort((a, b) =>
    a.label === b.label ? compare(a.path, b.path) : compare(a.label, b.label),
  );
  let x = new Uint8Array(0);
  for (const [i, entry] of sorted.entries()) {
    const pixels = await readPixels(where, entry, decode, maxBytes);
    size ??= [pixels.height, pixels.width];
    if (!options.size && (pixels.height !== size[0] || pixels.width !== size[1])) {
      throw new DownhillError(
        'DATA-MISMATCH',
        `${where}: ${show(entry.path)} has ${pixels.height} x ${pixels.width} pixels, ${show(sorted[0]!.path)} ${size[0]} x ${size[1]}.`,
        'Pass size: [height, width] to bring all to one size.',
      );
    }
    const features = size[0] * size[1] * channels;
    if (i === 0) x = allocate(where, sorted.length, features);
    resize(pixels, size, channels, x.subarray(i * features, (i + 1) * features));
  }
  const index = new Map(labels.map((label, i) => [label, i]));
  const y = sorted.map(({ label }) => index.get(label)!);
  const [height, width] = size!;
  return arrays({
    x,
    y,
    labels,
    features: height * width * channels,
    ...(channels === 1 && { image: [height, width] }),
  });
}

const compare = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0);

function allocate(where: string, samples: number, features: number): Uint8Array<ArrayBuffer> {
  if (samples * features <= 2 ** 32) return new Uint8Array(samples * features);
  throw new DownhillError(
    'DATA-FORMAT',
    `${where}: ${samples} images of ${features} values are ${formatBytes(samples * features)}.`,
    'Pass a smaller size.',
  );
}

function checkSize(where: string, size: unknown): readonly [number, number] {
  if (!Array.isArray(size) || size.length !== 2) {
    throw new DownhillError(
      'OPTION-TYPE',
      `${where}.size must be [height, width], got ${show(size)}.`,
      'Pass two integers.',
    );
  }
  return [0, 1].map((i) => checkInteger(`${where}.size[${i}]`, size[i], 1, 2 ** 13)) as [number, number];
}

async function readPixels(where: string, entry: ImageEntry, decode: Decode, maxBytes: number): Promise<Pixels> {
  const name = `${where}: ${show(entry.path)}`;
  const bytes = await entry.size();
  if (bytes > maxBytes) {
    throw new DownhillError(
      'DATA-FORMAT',
      `${name} has ${formatBytes(bytes)}, more than maxBytes (${formatBytes(maxBytes)}).`,
      'Raise maxBytes if the file is right.',
    );
  }
  if (bytes === 0) throw new DownhillError('DATA-FORMAT', `${name} is empty (0 bytes).`, 'Remove the file.');
  let pixels: Pixels;
  try {
    pixels = await decode(await entry.read(), name);
  } catch (cause) {
    if (cause instanceof DownhillError) throw cause;
    throw new DownhillError(
      'DATA-FORMAT',
      `${name} cannot be decoded: ${(cause as Error)?.message}.`,
      'Check that it is an image that is complete, or remove it.',
      cause,
    );
  }
  const { width, height, data } = pixels ?? {};
  const fits = width > 0 && height > 0 && width * height <= MAX_PIXELS && data?.length === 4 * width * height;
  if (fits) return pixels;
  throw new DownhillError(
    'DATA-FORMAT',
    `${name} gave ${show(width)} x ${show(height)} pixels and ${show(data?.length)} bytes; expected 4 bytes for each of at most ${MAX_PIXELS} pixels.`,
    'Let decode return { width, height, data } with red, green, blue and opacity.',
  );
}

/** What the browser makes of a file. */
const decodeInBrowser: Decode = async (bytes, name) => {
  if (typeof createImageBitmap !== 'function' || typeof OffscreenCanvas !== 'function') {
    throw new DownhillError(
      'DATA-FORMAT',
      `${name} cannot be decoded here: there is no createImageBitmap.`,
      'Use imageFolder of downhill/node, or pass decode.',
    );
  }
  const bitmap = await createImageBitmap(new Blob([new Uint8Array(bytes)]), {
    colorSpaceConversion: 'none',
    premultiplyAlpha: 'none',
  });
  try {
    const { width, height } = bitmap;
    if (width * height > MAX_PIXELS) return { width, height, data: new Uint8Array(0) }; // refused by the caller
    const context = new OffscreenCanvas(width, height).getContext('2d', { willReadFrequently: true })!;
    context.drawImage(bitmap, 0, 0);
    return { width, height, data: context.getImageData(0, 0, width, height).data };
  } finally {
    bitmap.close();
  }
};
