import { mkdirSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';

/**
 * `mkdir -p`. Not by Node's `recursive`: below /proc, whose folders refuse with ENOENT although they are there, Node 20 goes on for ever
 * in a call that no signal ends.
 *
 * @returns the first folder that had to be made; undefined where all were there
 * @throws what `mkdir` says, such as EACCES, ENOENT or ENOTDIR
 */
export function makeFolder(path: string): string | undefined {
  const folder = resolve(path);
  const isFolder = (each: string) => statSync(each, { throwIfNoEntry: false })?.isDirectory() === true;
  const missing: string[] = [];
  for (let each = folder; !isFolder(each); each = dirname(each)) {
    missing.unshift(each);
    if (dirname(each) === each) break;
  }
  for (const each of missing) {
    try {
      mkdirSync(each);
    } catch (error) {
      // Another process may have made it meanwhile.
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST' || !isFolder(each)) throw error;
    }
  }
  return missing[0];
}
