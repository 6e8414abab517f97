/**
 * The temporary folder of this process, downhill-<pid>-<random>: for a browser's profile, for files that a page reads, and for
 * what the processes leave that it starts. It goes when the process exits, and they with it. What a killed process left goes
 * when the next command begins, with the browser that may still hang in it.
 */
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { isAlive, startOf } from '../../src/node/index.js';

/** File of the folder that tells whose it is: others may share the disk, and their process numbers tell nothing here. */
const OWNER = 'owner.json';
/** A folder is without that file for a moment, or for ever where the process was killed in it. */
const MOMENT_MS = 60_000;
/** In the environment of a process that was started by another of ours: the folder that it was given. */
const GIVEN = 'DOWNHILL_SCRATCH';

let mine: string | undefined;
let parts = 0;
let cleared = false;
/** Whether a process was started that may be in it. */
let shared = false;

/** A new folder in the temporary folder of this process. */
export function scratchFolder(): string {
  mine ??= ownFolder();
  const part = join(mine, String(parts++)); // short: Chrome puts a socket below it, whose path may have 107 bytes
  mkdirSync(part);
  return part;
}

function ownFolder(): string {
  let folder = process.env[GIVEN];
  if (folder === undefined || !existsSync(folder)) {
    clearRemains();
    folder = mkdtempSync(join(tmpdir(), `downhill-${process.pid}-`));
    writeFileSync(join(folder, OWNER), JSON.stringify({ host: hostname(), born: startOf(process.pid) }));
  }
  const made = folder;
  process.on('exit', () => removeScratch(made, shared));
  return made;
}

/** Environment of a process to start: it has a part of the temporary folder of this one for its own. */
export function childEnvironment(): NodeJS.ProcessEnv {
  shared = true;
  return { ...process.env, [GIVEN]: scratchFolder() };
}

/** Runs `action` where whatever asks for a temporary folder gets `folder`: Playwright's profiles, and the browser itself. */
export async function withTemporary<T>(folder: string, action: () => Promise<T>): Promise<T> {
  shared = true;
  const names = process.platform === 'win32' ? ['TEMP', 'TMP'] : ['TMPDIR'];
  const saved = names.map((name) => [name, process.env[name]] as const);
  for (const name of names) process.env[name] = folder;
  try {
    return await action();
  } finally {
    for (const [name, value] of saved) {
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
  }
}

/** {@link sweep} of the system's temporary folder, once: as a command begins, be it one that needs no folder of its own. */
export function clearRemains(): void {
  if (cleared || process.env[GIVEN] !== undefined) return;
  cleared = true;
  sweep(tmpdir());
}

/** Removes what processes of this user and machine left in `folder` that are no more. */
export function sweep(folder: string): void {
  for (const name of list(folder)) {
    const pid = Number(/^downhill-(\d+)-\w{6}$/.exec(name)?.[1]);
    const path = join(folder, name);
    const stat = pid ? lstatSync(path, { throwIfNoEntry: false }) : undefined;
    if (!stat?.isDirectory() || (process.getuid && stat.uid !== process.getuid())) continue;
    const owner = ownerOf(path);
    if (!owner) {
      if (Date.now() - stat.mtimeMs > MOMENT_MS) removeEmpty(path);
    } else if (owner.host === hostname() && !isAlive(pid, owner.born)) {
      // In a container that starts again the numbers are the same: what began at another time is another process.
      // Elsewhere nothing tells whether a process of that number is the browser still.
      removeScratch(path, process.platform === 'linux');
    }
  }
}

interface Owner {
  readonly host: string;
  readonly born?: string;
}

function ownerOf(folder: string): Owner | undefined {
  try {
    return JSON.parse(readFileSync(join(folder, OWNER), 'utf8'));
  } catch {
    return undefined;
  }
}

/** The group of a process: field 5 of proc(5), the third behind the name, which may hold anything. */
const groupOf = (pid: number): number =>
  Number(readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)!.split(' ')[5 - 3]);

/** Ends what was started in `folder`, a browser and all its processes: SIGKILL also ends those that were stopped. */
export function endProcesses(folder: string): void {
  for (const pid of process.platform === 'linux' ? processesIn(folder) : browsersIn(folder)) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // ended already
    }
  }
}

/** By the folder's name in command line or environment. Parts of a browser may hide theirs: they end with their group. */
function processesIn(folder: string): number[] {
  // Part 1 is none of part 10.
  const named = (text: string) => text.split(folder).some((behind, i) => i > 0 && !/^\w/.test(behind));
  const uses = (pid: number) =>
    ['cmdline', 'environ'].some((file) => named(readFileSync(`/proc/${pid}/${file}`, 'utf8')));
  return list('/proc').flatMap((name) => {
    const pid = Number(name);
    try {
      if (!pid || pid === process.pid || !uses(pid)) return [];
      return groupOf(pid) === pid ? [-pid] : [pid];
    } catch {
      return []; // ended meanwhile, or somebody else's
    }
  });
}

/** By Chrome's lock in its profile, which names its process: host-pid. Playwright gives a browser a group of its own. */
function browsersIn(folder: string): number[] {
  return list(folder).flatMap((name) => {
    const path = join(folder, name);
    try {
      return [-Number(readlinkSync(join(path, 'SingletonLock')).split('-').at(-1))];
    } catch {
      return lstatSync(path).isDirectory() && /^\d+$/.test(name) ? browsersIn(path) : []; // a part
    }
  });
}

function removeScratch(folder: string, end: boolean): void {
  if (end) endProcesses(folder);
  try {
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  } catch {
    // in use, as it can be on Windows: a later run's to remove
  }
}

function removeEmpty(folder: string): void {
  try {
    rmdirSync(folder);
  } catch {
    // not empty: none of ours
  }
}

function list(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}
