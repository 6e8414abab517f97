/** Samples to ask a network about, with what is right where the data tells. */
import { csv, csvSamples } from '../../src/csv.js';
import { type Dataset, DownhillError, npy, parseNpy, type SavedModel, type Targets } from '../../src/index.js';
import { readPlainFile } from '../../src/node/index.js';
import { plural } from '../common/format.js';
import { errorParts, type Io } from '../common/io.js';
import { loadRaw, parted } from '../train/data.js';
import { fetchNamed } from '../train/fetch.js';
import { readIdx, readPlain } from '../train/node.js';
import { DIGIT_SAMPLES, type Source } from './options.js';

export interface Asked {
  readonly samples: number;
  readonly features: number;
  /** Raw values, as those of the training data were. */
  readonly x: Float32Array | Uint8Array;
  readonly targets?: Targets;
  /** For people: where they come from. */
  readonly words: string;
}

/**
 * @throws DownhillError DATA-*; SHAPE-MISMATCH where the network takes others
 */
export async function loadSamples(source: Source, saved: SavedModel, io: Io, signal: AbortSignal): Promise<Asked> {
  const place = placeOf(source);
  const { data, part } = await load(source, saved, io, signal).catch((error: unknown) => {
    if (!(error instanceof DownhillError) || errorParts(error).message.includes(place)) throw error;
    const { message, fix } = errorParts(error);
    throw new DownhillError(error.code, `${place}: ${message}`, fix, error);
  });
  const { samples, features, x } = data;
  if (features !== saved.features) {
    throw new DownhillError(
      'SHAPE-MISMATCH',
      `The network takes ${saved.features} features; ${place} has ${features}.`,
      'Use data of the form that the network was trained on.',
    );
  }
  const words = `${place}, ${part ? `${part}: ` : ''}${plural(samples, 'sample')}`;
  return { samples, features, x, ...(data.targets && { targets: data.targets }), words };
}

function placeOf(source: Source): string {
  switch (source.kind) {
    case 'digits':
      return 'drawn digits';
    case 'named':
      return source.name;
    case 'idx':
      return source.folder;
    case 'csv':
      return source.file;
    case 'npy':
      return source.files.join(', ');
  }
}

interface Loaded {
  readonly data: Pick<Dataset, 'samples' | 'features' | 'x'> & { readonly targets?: Targets };
  /** Which part of a data set it is. */
  readonly part?: string;
}

async function load(source: Source, saved: SavedModel, io: Io, signal: AbortSignal): Promise<Loaded> {
  const { output } = saved.model;
  if (source.kind === 'digits') {
    const { train } = await loadRaw({ kind: 'digits', samples: DIGIT_SAMPLES }, output, undefined);
    return { data: parted(train)[1], part: 'test part' };
  }
  if (source.kind === 'idx' || source.kind === 'named') {
    const files =
      source.kind === 'idx' ? await readIdx(source.folder) : await fetchNamed(source.name, { io, json: false, signal });
    const { train, test } = await loadRaw(source, output, files);
    return test ? { data: test, part: 'test part' } : { data: train };
  }
  if (source.kind === 'csv') return { data: await loadTable(source.file, saved) };
  return { data: await loadNpy(source.files, saved) };
}

/** Rows of a table, as the training's were read; the target may be missing. */
async function loadTable(file: string, { encoding }: SavedModel): Promise<Loaded['data']> {
  if (!encoding) {
    throw new DownhillError(
      'DATA-MISMATCH',
      'The network was not trained on a table, so nothing says which columns it takes.',
      'Pass its samples as npy:FILE.npy.',
    );
  }
  const bytes = await readPlainFile(file).catch((cause) => {
    throw new DownhillError(
      'DATA-NOT-FOUND',
      `The table ${file} cannot be read: ${cause.message}.`,
      'Check its path.',
      cause,
    );
  });
  try {
    return await csv(bytes, { encoding });
  } catch (error) {
    // Without its target, or where that is not all there: samples alone. What else is wrong, that says again.
    if (!(error instanceof DownhillError) || !/^DATA-/.test(error.code)) throw error;
    return await csvSamples(bytes, { encoding });
  }
}

async function loadNpy(files: readonly string[], { targets }: SavedModel): Promise<Loaded['data']> {
  const [x, y] = (await readPlain(files)).files;
  const options = { targets: targets.kind === 'values' ? 'values' : 'classes' } as const;
  if (y) return npy({ x: x!, y, ...options });
  if (/\.npz$/i.test(files[0]!)) return npy({ archive: x!, ...options });
  const { shape, data } = parseNpy(x!, files[0]);
  const [samples = 0, ...sample] = shape;
  const features = sample.reduce((product, size) => product * size, 1);
  return { samples, features, x: data instanceof Uint8Array ? data : Float32Array.from(data) };
}
