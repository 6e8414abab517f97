/** The saved network that a command is given: a file, or the folder of a run. */
import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { DownhillError, readModel, type SavedModel } from '../../src/index.js';
import { readPlainFileSync } from '../../src/node/index.js';
import { plural } from '../common/format.js';
import { errorParts } from '../common/io.js';
import { MODEL } from '../train/run-folder.js';

export interface SavedFile {
  /** As it is named in messages. */
  readonly path: string;
  readonly bytes: Uint8Array;
  readonly saved: SavedModel;
}

/**
 * @param path of a safetensors file of ours, or of a run's folder
 * @throws DownhillError DATA-NOT-FOUND; CHECKPOINT-* with the file
 */
export function readSaved(path: string): SavedFile {
  const folder = existsSync(path) && statSync(path).isDirectory();
  const file = folder ? join(path, MODEL) : path;
  let bytes: Uint8Array;
  try {
    bytes = readPlainFileSync(file);
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    const why = code === 'ENOENT' ? 'is not there' : `cannot be read: ${message}`;
    throw new DownhillError(
      'DATA-NOT-FOUND',
      `The model ${file} ${why}.`,
      folder ? 'Name a run that ended, or a checkpoint of it.' : 'Name a file that train saved, or its folder.',
      cause,
    );
  }
  checkKind(file, bytes);
  try {
    return { path: file, bytes, saved: readModel(bytes) };
  } catch (error) {
    if (!(error instanceof DownhillError)) throw error;
    const { message, fix } = errorParts(error);
    throw new DownhillError(error.code, `${file}: ${message}`, fix, error);
  }
}

/** Text where a header should begin is another kind of file, and no damaged one. @throws DownhillError DATA-FORMAT */
function checkKind(file: string, bytes: Uint8Array): void {
  // 8 bytes of a length, below 100 MB: the upper four are 0, and in front of text never.
  if (bytes.length >= 8 && bytes.subarray(4, 8).includes(0)) return;
  if (!bytes.subarray(0, 8).every((byte) => byte === 9 || byte === 10 || byte === 13 || byte >= 32)) return;
  throw new DownhillError(
    'DATA-FORMAT',
    `The model ${file} is no safetensors file.`,
    'Name model.safetensors of a run, a checkpoint, or the folder of a run.',
  );
}

/** '784-100-10, after 1,250 steps: linear, relu'. */
export function describeSaved({ model, step }: SavedModel): string {
  const dense = model.layers.filter(({ tensors }) => tensors.some(({ shape }) => shape.length === 2));
  const widths = [model.input, ...dense.map(({ output }) => output)];
  const kinds = [...new Set(model.layers.map(({ row }) => row.name))];
  return `${widths.join('-')}, after ${plural(step, 'step')}: ${kinds.join(', ')}; ${model.loss.row.name}`;
}
