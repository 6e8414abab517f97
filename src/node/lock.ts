/** A folder that one process writes at a time: runs of the command line, and stores of checkpoints. */
import { randomUUID } from 'node:crypto';
import { linkSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { readPlainText } from './plain-file.js';

const FILE = '.downhill-lock';
/** The texts of the locks that this process has. */
const held = new Set<string>();

/**
 * Takes the folder at `path` for this process. A process that was killed holds nothing: its lock is taken over.
 *
 * @returns a function that gives it back, as the exit of the process does; where another process has it, that process in
 *   words and the file of the lock
 * @throws what the file system says, when it cannot be written
 */
export function lockFolder(path: string): (() => void) | { readonly holder: string; readonly file: string } {
  const file = join(path, FILE);
  const own = JSON.stringify({ pid: process.pid, host: hostname(), started: startOf(process.pid), id: randomUUID() });
  for (let attempt = 0; !write(file, own); attempt++) {
    const text = read(file);
    const holder = text && holderOf(text);
    if (holder || attempt > 9) return { holder: holder || 'one of many', file };
    if (text !== undefined) takeAway(file, text);
  }
  held.add(own);
  clear(path);
  const release = () => {
    held.delete(own);
    process.off('exit', release);
    if (read(file) === own) rmSync(file, { force: true });
  };
  process.on('exit', release);
  return release;
}

/** Whether a process lives. @param started when it began, by {@link startOf}: another of its number is another process */
export function isAlive(pid: number, started?: string): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') return false; // else somebody else's
  }
  const now = startOf(pid);
  return now !== ENDED && (now === undefined || started === undefined || now === started);
}

/** Of a process that is no more. */
const ENDED = 'ended';

/** When a process began, which no other one of its number did; undefined where the system does not tell. */
export function startOf(pid: number): string | undefined {
  try {
    // Fields 3 and 22 of proc(5), behind the command's name, which may have brackets: the state, and ticks since the
    // machine began. One that ended and that nobody has asked for yet is a zombie.
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)!.split(' ');
    return fields[0] === 'Z' ? ENDED : fields[22 - 3];
  } catch {
    return undefined;
  }
}

/** The lock gets its name when its text is whole: nobody sees a part of it. @returns false where there is one already */
function write(file: string, text: string): boolean {
  const whole = beside(file);
  try {
    writeFileSync(whole, text);
    link(whole, file, text);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  } finally {
    rmSync(whole, { force: true });
  }
}

function link(whole: string, file: string, text: string): void {
  try {
    linkSync(whole, file);
  } catch (error) {
    // exFAT and some network file systems have no links: there it is written in place, and two runs may meet.
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') throw error;
    writeFileSync(file, text, { flag: 'wx' });
  }
}

/** A name of its own: containers that share a folder have the same process numbers. */
const beside = (file: string) => `${file}-${randomUUID()}`;

/** A text is written at once: one that is a part still after so long is a dead process's. */
const PART_MS = 60_000;

/** Removes what processes left that were killed while a lock of theirs had no name yet. */
function clear(path: string): void {
  for (const name of readdirSync(path)) {
    if (!name.startsWith(`${FILE}-`)) continue;
    const file = join(path, name);
    const text = read(file);
    const age = Date.now() - (statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? Number.POSITIVE_INFINITY);
    if (text === undefined || holderOf(text) !== undefined || !(text.endsWith('}') || age > PART_MS)) continue;
    rmSync(file, { force: true });
  }
}

function read(file: string): string | undefined {
  try {
    return readPlainText(file);
  } catch {
    return undefined;
  }
}

/** Who has the lock, in words; undefined where that is a dead process. */
function holderOf(text: string): string | undefined {
  try {
    const { pid, host, started } = JSON.parse(text) as { pid: number; host: string; started?: string };
    // A container that starts again has the name and the numbers of the one that was killed: also for other processes.
    const lives = host !== hostname() || (pid === process.pid ? held.has(text) : isAlive(pid, started));
    return lives ? `process ${pid} on ${host}` : undefined;
  } catch {
    return undefined; // no lock of ours
  }
}

/** Removes the lock of a dead process, unless another run was faster and has put its own there. */
function takeAway(file: string, text: string): void {
  const aside = beside(file);
  try {
    renameSync(file, aside);
    if (read(aside) === text) rmSync(aside, { force: true });
    else renameSync(aside, file);
  } catch {
    // gone meanwhile
  }
}
