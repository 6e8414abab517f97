/** Where a run leaves its files, and what a file system says when it will not be written, in words. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { DownhillError } from '../../src/index.js';

/**
 * @param folder As given by the user, for the message.
 * @param gone What a missing path means: before a run that no folder can be made, later that it went away.
 */
export function outputError(
  folder: string,
  cause: unknown,
  gone = 'no folder can be made there',
  fix = 'Name another folder with --out.',
): DownhillError {
  const { code, message } = cause as NodeJS.ErrnoException;
  const why =
    {
      EACCES: 'permission is denied',
      ENXIO: 'it is a pipe, not a file',
      EPERM: 'permission is denied',
      EROFS: 'the file system is read-only',
      ENOTDIR: 'part of the path is a file',
      EEXIST: 'there is a file of that name',
      EISDIR: 'there is a folder where a file has to be',
      ENOSPC: 'the disk is full',
      ENOENT: gone,
    }[code ?? ''] ?? message;
  return new DownhillError('OUTPUT-UNWRITABLE', `The folder ${folder} cannot be written: ${why}.`, fix, cause);
}

/** runs/2025-11-20_14-03-59-adam, in local time; with -2 and so on when another run began in the same second. */
export function defaultFolder(optimizer: string, now = new Date()): string {
  const two = (n: number) => String(n).padStart(2, '0');
  const date = [now.getFullYear(), two(now.getMonth() + 1), two(now.getDate())].join('-');
  const time = [now.getHours(), now.getMinutes(), now.getSeconds()].map(two).join('-');
  const name = join('runs', `${date}_${time}-${optimizer}`);
  let folder = name;
  for (let n = 2; existsSync(folder); n++) folder = `${name}-${n}`;
  return folder;
}
