import { DownhillError, show } from '../gpu/errors.js';
import { checkSource, isZip, readSource } from './load.js';
import { type Named, parseNpy } from './npy-format.js';
import { readEntry, readZip } from './zip.js';

/* What np.savez writes: arrays in an archive. A module of its own, as a page that trains on digits never loads it. */

/** As a caller gave them. */
interface Archive {
  readonly archive?: unknown;
  readonly x?: unknown;
  readonly y?: unknown;
}

/** Two arrays of an archive, by name. */
export async function fromArchive({ x = 'x', y = 'y', archive }: Archive, maxBytes: number): Promise<[Named, Named]> {
  checkSource('npy.archive', archive);
  for (const [option, name] of [
    ['x', x],
    ['y', y],
  ]) {
    // biome-ignore format: two pairs
    if (typeof name === 'string') continue;
    throw new DownhillError(
      'OPTION-TYPE',
      `npy.${option} must be the name of an array in the archive, got ${show(name)}.`,
      'Pass a name, or leave out archive.',
    );
  }
  const { name, bytes } = await readSource('npy.archive', archive, maxBytes);
  if (!isZip(bytes)) {
    const found = bytes.length === 0 ? 'is empty (0 bytes)' : 'is no .npz archive: it does not begin with PK';
    throw new DownhillError(
      'DATA-FORMAT',
      `${name} ${found}.`,
      'Pass a file that np.savez wrote, or its arrays as x and y.',
    );
  }
  const entries = readZip(name, bytes);
  const read = async (array: string): Promise<Named> => {
    const entry = entries.get(`${array}.npy`) ?? entries.get(array);
    if (entry) {
      const own = `${name}, ${entry.name},`;
      return { name: own, array: parseNpy(await readEntry(name, bytes, entry, maxBytes), own) };
    }
    const there = [...entries.keys()].map((each) => show(each.replace(/\.npy$/, '')));
    throw new DownhillError(
      'DATA-NOT-FOUND',
      `${name} holds no array ${show(array)}; there ${there.length === 1 ? 'is' : 'are'} ${there.slice(0, 20).join(', ') || 'none'}.`,
      'Name the arrays of samples and targets as x and y.',
    );
  };
  return [await read(x as string), await read(y as string)];
}
