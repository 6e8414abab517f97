/** Files of lines that are added as they come. */
import { closeSync, constants, fstatSync, fsyncSync, ftruncateSync, openSync, writeSync } from 'node:fs';
import { checkPlain } from './plain-file.js';

const { O_WRONLY, O_APPEND, O_CREAT } = constants;
/** A pipe would be waited for until somebody reads it. */
const APPEND = O_WRONLY | O_APPEND | O_CREAT | (constants.O_NONBLOCK ?? 0); // Windows has none, and no such pipes

/**
 * Adds lines to a file: all of them, or none where the disk is full. What it took of them is cut off again, so that the
 * file ends with a whole line.
 *
 * @param options.sync wait until they are on the disk
 * @throws what the file system says, or an error in its manner (`code` ENOTFILE) for what is no plain file
 */
export function appendLines(path: string, lines: string, { sync = false } = {}): void {
  const bytes = Buffer.from(lines);
  const file = openSync(path, APPEND, 0o666);
  try {
    const stat = fstatSync(file);
    checkPlain(stat);
    const { size } = stat;
    try {
      // A disk that is nearly full takes a part and says so only by the number.
      for (let at = 0; at < bytes.length; ) at += writeSync(file, bytes, at, bytes.length - at);
      if (sync) fsyncSync(file);
    } catch (error) {
      ftruncateSync(file, size);
      throw error;
    }
  } finally {
    closeSync(file);
  }
}
