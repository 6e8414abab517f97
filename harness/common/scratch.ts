/**
 * The temporary folder of this process, downhill-<pid>-<random>: for a browser's profile and for files that a page reads.
 * It goes when the process exits. What a killed process left goes when the next one makes its folder, with the browser
 * that may still hang in it.
 */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

let mine: string | undefined;
let parts = 0;

/** A new folder in the temporary folder of this process. */
export function scratchFolder(): string {
  if (mine === undefined) {
    sweep(tmpdir());
    const folder = mkdtempSync(join(tmpdir(), `downhill-${process.pid}-`));
    process.on('exit', () => removeScratch(folder));
    mine = folder;
  }
  const part = join(mine, String(parts++)); // short: Chrome puts a socket below it, whose path may have 107 bytes
  mkdirSync(part);
  return part;
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'; // somebody else's
  }
}

/** Removes what processes of this user left in `folder` that are no more. */
export function sweep(folder: string): void {
  for (const name of readdirSync(folder)) {
    const pid = /^downhill-(\d+)-/.exec(name)?.[1];
    if (!pid || isAlive(Number(pid))) continue;
    const stale = join(folder, name);
    const owner = statSync(stale, { throwIfNoEntry: false })?.uid;
    if (owner === undefined || (process.getuid && owner !== process.getuid())) continue;
    removeScratch(stale);
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

function removeScratch(folder: string): void {
  for (const part of list(folder)) endBrowser(join(folder, part));
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
