/** Files that are there whole or not at all. */
import { randomUUID } from 'node:crypto';
import { closeSync, fsyncSync, openSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';

/** What is being written: hidden, and never taken for a file of a run. */
const TEMPORARY = /^\.[^/]+\.[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\.tmp$/;

/** Writes a file under another name, flushes it, and gives it its own: a killed process leaves what was there before. */
export const writeWhole = (path: string, data: string | Uint8Array): void => writeAllWhole([[path, data]]);

/** Writes files that belong together: none takes its name before there was room for all of them. */
export function writeAllWhole(files: Iterable<readonly [path: string, data: string | Uint8Array]>): void {
  const drafts: [draft: string, path: string][] = [];
  try {
    for (const [path, data] of files) {
      const draft = join(dirname(path), `.${basename(path)}.${randomUUID()}.tmp`);
      drafts.push([draft, path]);
      writeDraft(draft, data);
    }
    for (const [draft, path] of drafts) renameSync(draft, path);
  } catch (error) {
    for (const [draft] of drafts) rmSync(draft, { force: true });
    throw error;
  }
}

function writeDraft(path: string, data: string | Uint8Array): void {
  const file = openSync(path, 'wx');
  try {
    writeFileSync(file, data);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

/** Removes what killed processes were writing in a folder that is locked: nobody else writes there. */
export function removeDrafts(folder: string): void {
  for (const name of readdirSync(folder)) if (TEMPORARY.test(name)) rmSync(join(folder, name), { force: true });
}

/** Whether an error of the file system means that there is no room. */
export const isFull = (error: unknown): boolean =>
  ['ENOSPC', 'EDQUOT', 'EFBIG'].includes((error as NodeJS.ErrnoException).code ?? '');
