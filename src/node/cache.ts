/** The folder in which downloads stay, and the parts of those that broke off. Several processes may use it at once. */
import { randomUUID } from 'node:crypto';
import { type FileHandle, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { homedir, hostname } from 'node:os';
import { join, resolve } from 'node:path';
import type { Part, PartOrigin, PartStore } from '../data/download.js';
import { DownhillError, show } from '../gpu/errors.js';
import { isAlive } from './lock.js';
import { makeFolder } from './make-folder.js';

/** What the folder depends on; tests pass a made-up one. */
export interface CacheMachine {
  readonly platform: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly home: string;
}

/** DOWNHILL_CACHE, or the platform's folder of caches: ~/.cache/downhill on Linux. */
export function cacheFolder(
  { platform, env, home }: CacheMachine = { platform: process.platform, env: process.env, home: homedir() },
): string {
  if (env.DOWNHILL_CACHE) return resolve(env.DOWNHILL_CACHE);
  if (env.XDG_CACHE_HOME) return join(resolve(env.XDG_CACHE_HOME), 'downhill');
  if (platform === 'darwin') return join(home, 'Library/Caches/downhill');
  if (platform === 'win32') return join(env.LOCALAPPDATA || join(home, 'AppData/Local'), 'downhill', 'cache');
  return join(home, '.cache/downhill');
}

/** A part that nobody has written to for so long is nobody's, also where its process cannot be asked. */
const STALE_MS = 600_000;

/**
 * The part of one file. While it is written it has a name of its own, `<file>.<id>.part`, so that two processes that download
 * the same do not meet; left in peace it is `<file>.part`. Renaming takes it, so only one can.
 */
export class FilePart implements PartStore {
  readonly #folder: string;
  readonly #name: string;
  readonly #own: string;
  #handle: FileHandle | undefined;

  constructor(folder: string, name: string) {
    this.#folder = folder;
    this.#name = name;
    this.#own = join(folder, `${name}.${hostname()}~${process.pid}~${randomUUID()}.part`);
  }

  /** The longest part that nobody writes to becomes ours; the others go. */
  read(): Promise<Part | undefined> {
    return writing(this.#folder, async () => {
      makeFolder(this.#folder);
      for (const { path } of await this.#abandoned()) {
        if (this.#handle) await rm(path, { force: true });
        else await this.#take(path);
      }
      if (!this.#handle) return undefined;
      const file = await readFile(this.#own);
      const end = file.indexOf('\n');
      try {
        const from = JSON.parse(file.toString('utf8', 0, Math.max(end, 0))) as PartOrigin;
        if (typeof from?.url === 'string') return { from, bytes: new Uint8Array(file.subarray(end + 1)) };
      } catch {
        // killed while it wrote the first line
      }
      return undefined;
    });
  }

  async #abandoned(): Promise<{ path: string; size: number }[]> {
    const found = [];
    for (const each of await readdir(this.#folder)) {
      if (!each.startsWith(`${this.#name}.`) || !each.endsWith('.part')) continue;
      const path = join(this.#folder, each);
      const info = await stat(path).catch(() => undefined);
      if (!info?.isFile()) continue;
      const [host, pid] = each.slice(this.#name.length + 1).split('~');
      const left = pid === undefined || (host === hostname() && !isAlive(Number(pid)));
      if (left || Date.now() - info.mtimeMs > STALE_MS) found.push({ path, size: info.size });
    }
    return found.sort((a, b) => b.size - a.size);
  }

  async #take(path: string): Promise<void> {
    try {
      await rename(path, this.#own);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return; // another process was faster
      throw error;
    }
    this.#handle = await open(this.#own, 'a');
  }

  begin(from: PartOrigin): Promise<void> {
    return writing(this.#folder, async () => {
      this.#handle ??= await open(this.#own, 'a');
      await this.#handle.truncate(0);
      await this.#handle.writeFile(`${JSON.stringify(from)}\n`);
    });
  }

  append(bytes: Uint8Array): Promise<void> {
    return writing(this.#folder, async () => {
      await this.#handle!.writeFile(bytes);
    });
  }

  /** Leaves what there is to the next try. */
  async leave(): Promise<void> {
    if (!this.#handle) return;
    await this.#handle.close();
    this.#handle = undefined;
    await rename(this.#own, join(this.#folder, `${this.#name}.part`)).catch(() => {});
  }

  /** Removes it, and what killed processes left: the file is there. */
  async remove(): Promise<void> {
    await this.#handle?.close();
    this.#handle = undefined;
    const others = await this.#abandoned();
    for (const path of [this.#own, ...others.map((each) => each.path)]) await rm(path, { force: true });
  }
}

/** Writes a file that others see whole or not at all, also after a crash. */
export function writeWhole(folder: string, name: string, bytes: Uint8Array): Promise<void> {
  return writing(folder, async () => {
    makeFolder(folder);
    const draft = join(folder, `${name}.${randomUUID()}.tmp`);
    try {
      const file = await open(draft, 'wx');
      try {
        await file.writeFile(bytes);
        await file.sync();
      } finally {
        await file.close();
      }
      await rename(draft, join(folder, name));
    } catch (error) {
      await rm(draft, { force: true }).catch(() => {});
      throw error;
    }
  });
}

const WHY: Readonly<Record<string, string>> = {
  EACCES: 'permission is denied',
  EPERM: 'permission is denied',
  EROFS: 'the file system is read-only',
  ENOTDIR: 'part of the path is a file',
  EEXIST: 'there is a file of that name',
  ENOSPC: 'the disk is full',
};

/** What the file system refuses, in words. */
async function writing<T>(folder: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    if (cause instanceof DownhillError) throw cause;
    const { code, message } = cause as NodeJS.ErrnoException;
    throw new DownhillError(
      'OUTPUT-UNWRITABLE',
      `The cache folder ${show(folder)} cannot be written: ${WHY[code ?? ''] ?? message}.`,
      'Make room, or set DOWNHILL_CACHE to a folder that you may write.',
      cause,
    );
  }
}
