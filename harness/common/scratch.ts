/**
 * The temporary folder of this process, downhill-<pid>-<random>: for a browser's profile and for files that a page reads.
 * It goes when the process exits. What a killed process left goes when the next one makes its folder, with the browser
 * that may still hang in it.
 */
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { isAlive } from '../../src/node/index.js';

/** File of the folder that names this machine: others may share the disk, and their process numbers tell nothing here. */
const HOST = 'host';

let mine: string | undefined;
let parts = 0;

/** A new folder in the temporary folder of this process. */
export function scratchFolder(): string {
  if (mine === undefined) {
    sweep(tmpdir());
    const folder = mkdtempSync(join(tmpdir(), `downhill-${process.pid}-`));
    process.on('exit', () => removeScratch(folder));
    writeFileSync(join(folder, HOST), hostname());
    mine = folder;
  }
  const part = join(mine, String(parts++)); // short: Chrome puts a socket below it, whose path may have 107 bytes
  mkdirSync(part);
  return part;
}

/** Removes what processes of this user and machine left in `folder` that are no more. */
export function sweep(folder: string): void {
  for (const name of readdirSync(folder)) {
    const pid = /^downhill-(\d+)-/.exec(name)?.[1];
    if (!pid || isAlive(Number(pid))) continue;
    const stale = join(folder, name);
    const owner = statSync(stale, { throwIfNoEntry: false })?.uid;
    if (owner === undefined || (process.getuid && owner !== process.getuid())) continue;
    if (hostOf(stale) !== hostname()) continue;
    // Elsewhere nothing tells whether a process of that number is the browser still.
    removeScratch(stale, process.platform === 'linux');
  }
}

function hostOf(folder: string): string | undefined {
  try {
    return readFileSync(join(folder, HOST), 'utf8');
  } catch {
    return undefined;
  }
}

/** Ends a browser whose profile is in `folder`, and all its processes: SIGKILL also ends those that were stopped. */
export function endBrowser(folder: string): void {
  for (const profile of list(folder)) {
    try {
      // Chrome's lock names its process: host-pid. A number may have gone to another process since.
      const pid = Number(
        readlinkSync(join(folder, profile, 'SingletonLock'))
          .split('-')
          .at(-1),
      );
      if (process.platform === 'linux' && !readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(folder)) continue;
      process.kill(-pid, 'SIGKILL'); // Playwright gives each browser a process group of its own
    } catch {
      // no profile, or ended already
    }
  }
}

function removeScratch(folder: string, end = true): void {
  if (end) for (const part of list(folder)) endBrowser(join(folder, part));
  try {
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  } catch {
    // in use, as it can be on Windows: a later run's to remove
  }
}

function list(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}
