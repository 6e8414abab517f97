/** The folder or the file that a command leaves what it made in. */
import { accessSync, constants, existsSync, lstatSync, realpathSync, rmdirSync, statSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { DownhillError } from '../../src/index.js';
import { makeFolder } from '../../src/node/index.js';
import { lockFolder } from './lock.js';
import { outputError } from './output.js';
import { removeDrafts, writeAllWhole, writeWhole } from './whole-file.js';

const GONE = 'it is no longer there';

export interface OutOptions {
  /** What writes there, with its article: 'a run'. */
  readonly what: string;
  /** Names of what it writes. Where one is there, it is refused, unless `force` is set. */
  readonly files: readonly string[];
  readonly force?: boolean;
  /** What to do where one is there. */
  readonly fix?: string;
}

/**
 * A folder that one process writes at a time. It is made and tried before the work begins, and goes again where nothing came
 * of that: at `close`, and when the process ends.
 */
export class OutFolder {
  readonly path: string;
  /** The first folder that had to be made, with those in it. */
  #made: string | undefined;
  #unlock: (() => void) | undefined;

  /**
   * @param folder as given by the user, for messages
   * @throws DownhillError OUTPUT-UNWRITABLE where nothing can be written, another process writes, or a file of that name is
   */
  constructor(
    readonly folder: string,
    { what, files, force = false, fix = 'Name another folder with --out, or add --force.' }: OutOptions,
  ) {
    this.path = resolve(folder);
    process.on('exit', this.close);
    try {
      this.#take();
      const taken = force ? undefined : files.find((file) => isThere(join(this.path, file)));
      if (taken !== undefined) {
        const message = `The folder ${folder} has ${taken} in it already, which ${what} would write over.`;
        throw new DownhillError('OUTPUT-UNWRITABLE', message, fix);
      }
    } catch (cause) {
      this.close();
      throw cause instanceof DownhillError ? cause : outputError(folder, cause);
    }
  }

  /** Makes and locks it; once more where it went in between, with a process that had nothing to leave in it. */
  #take(): void {
    for (let left = 9; ; left--) {
      this.#made = makeFolder(this.path) ?? this.#made;
      try {
        this.#unlock = lockFolder(this.path, this.folder);
        removeDrafts(this.path);
        return;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || left === 0) throw error;
      }
    }
  }

  /** As it is shown. */
  shown(file: string): string {
    return join(this.folder, file);
  }

  /**
   * Writes files by their names, all of them or none.
   *
   * @throws DownhillError OUTPUT-UNWRITABLE
   */
  write(files: Readonly<Record<string, string | Uint8Array>>): void {
    this.guard(() => writeAllWhole(Object.entries(files).map(([file, data]) => [join(this.path, file), data])));
  }

  /** Does what files are written with. @throws DownhillError OUTPUT-UNWRITABLE for what the file system says */
  guard<T>(work: () => T, gone = GONE): T {
    try {
      return work();
    } catch (cause) {
      if (cause instanceof DownhillError) throw cause;
      throw outputError(this.folder, cause, gone);
    }
  }

  /** Lets others write there. */
  readonly close = (): void => {
    process.off('exit', this.close);
    this.#unlock?.();
    this.#unlock = undefined;
    if (this.#made === undefined) return;
    const made = this.#made;
    this.#made = undefined;
    try {
      for (let folder = this.path; folder.startsWith(made); folder = dirname(folder)) rmdirSync(folder);
    } catch {
      // there is something in it
    }
  };
}

/** Whether something is called so, be it a link to nothing. */
function isThere(path: string): boolean {
  try {
    lstatSync(path);
    return true;
  } catch {
    return false;
  }
}

/**
 * The one file of a command, looked at before its work begins: whether it is free, and could be written.
 *
 * @returns what writes it, whole or not at all
 * @throws DownhillError OUTPUT-UNWRITABLE, as what is returned does
 */
export function outFile(path: string, force: boolean): (data: string | Uint8Array) => void {
  const there = existsSync(path) ? statSync(path) : undefined;
  const refused = (message: string, fix: string) => new DownhillError('OUTPUT-UNWRITABLE', message, fix);
  if (!there && isThere(path))
    throw refused(`What is at ${path} is a link to nothing.`, 'Name another file with --out.');
  if (there && !force) throw refused(`There is a ${path} already.`, 'Name another one with --out, or add --force.');
  // Written whole, it would take the place of the device or of the folder.
  if (there && !there.isFile()) throw refused(`What is at ${path} is no file.`, 'Name a file with --out.');
  const target = there ? realpathSync(path) : path; // behind a link
  const folder = dirname(path);
  const guarded = (work: () => void) => {
    try {
      work();
    } catch (cause) {
      throw outputError(folder, cause, GONE);
    }
  };
  guarded(() => {
    let made = resolve(folder);
    while (!existsSync(made) && dirname(made) !== made) made = dirname(made);
    // A file that stands for a folder is found by the slash behind it.
    accessSync(join(made, '/'), constants.W_OK);
  });
  return (data) =>
    guarded(() => {
      makeFolder(folder);
      writeWhole(target, data);
    });
}
