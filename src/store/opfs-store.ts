/** Checkpoints in the browser: in the origin's own file system (OPFS), which no other site and no user's folder sees. */
import { DownhillError, show } from '../gpu/errors.js';
import {
  busyError,
  type CheckpointFiles,
  type CheckpointStore,
  checkStoreOptions,
  makeStore,
  type StoreOptions,
} from './store.js';

/** Folder of all stores. */
const FOLDER = 'downhill';
/** What browsers call a lack of room. */
const QUOTA = 'QuotaExceededError';
/** Bytes of a small piece. */
const SMALL = 64 * 1024;
/** Bytes that are compared at a time. */
const PIECE = 4 * 1024 * 1024;

/**
 * Checkpoints in the browser, one file each, in a page or a worker; `folderStore` of downhill/node is the same for a disk. What
 * is written takes the place of a file when it is whole, so that a tab which is closed in the middle loses nothing. Two
 * tabs do not write one store: the second is refused.
 *
 * @param name of the store; letters, digits, '.', '_' and '-'
 * @example
 * const store = await opfsStore('mnist', { keep: 3 });
 * const { problem } = await store.save(await trainer.checkpoint(), { step: trainer.step });
 * if (problem) show(problem.message); // no room: the training goes on
 * const found = await store.latest();
 * if (found) await trainer.restore(found.bytes);
 * @throws DownhillError OPTION-*; STORE-BUSY where another tab or worker writes it; STORE-UNWRITABLE where the browser offers no
 *   storage: in private windows of some, and on pages that are neither https nor localhost
 */
export async function opfsStore(name: string, options: StoreOptions = {}): Promise<CheckpointStore> {
  const checked = checkStoreOptions('opfsStore', options);
  if (typeof name !== 'string' || !/^(?!\.)[\w.-]{1,200}$/.test(name)) {
    throw new DownhillError(
      'OPTION-RANGE',
      `opfsStore takes a name of letters, digits, '.', '_' and '-', got ${show(name)}.`,
      "Pass one such as 'mnist'.",
    );
  }
  const where = `the browser's store '${name}'`;
  const folder = await openFolder(name, where);
  const release = checked.readOnly ? undefined : await lock(`${FOLDER}/${name}`, where);
  const files = new OpfsFiles(folder, where, release);
  if (release) await files.clean();
  return makeStore(files, checked);
}

async function openFolder(name: string, where: string): Promise<FileSystemDirectoryHandle> {
  try {
    const root = await navigator.storage.getDirectory();
    const all = await root.getDirectoryHandle(FOLDER, { create: true });
    return await all.getDirectoryHandle(name, { create: true });
  } catch (cause) {
    const secure = globalThis.isSecureContext !== false;
    throw new DownhillError(
      'STORE-UNWRITABLE',
      `No checkpoints can be kept in ${where}: ${(cause as Error).message}.`,
      secure
        ? 'Allow this site to store data; leave a private window.'
        : 'Serve the page over https or from localhost.',
      cause,
    );
  }
}

/** Takes a lock of the origin, which goes with the tab or worker that has it. @returns a function that gives it back */
function lock(name: string, where: string): Promise<() => void> {
  return new Promise((resolve, reject) => {
    const held = (got: Lock | null) =>
      new Promise<void>((release) => {
        if (got) return resolve(release);
        reject(busyError(where, 'in another tab or worker'));
        release();
      });
    navigator.locks.request(name, { ifAvailable: true }, held).catch(reject);
  });
}

class OpfsFiles implements CheckpointFiles {
  constructor(
    readonly folder: FileSystemDirectoryHandle,
    readonly where: string,
    readonly unlock: (() => void) | undefined,
  ) {}

  /** Without those that are empty: of them nothing was written yet, or ever. */
  async names(): Promise<string[]> {
    const names: string[] = [];
    for await (const name of this.folder.keys()) if (!(await this.#isEmpty(name))) names.push(name);
    return names;
  }

  async read(name: string): Promise<Uint8Array<ArrayBuffer>> {
    const file = await (await this.folder.getFileHandle(name)).getFile();
    return new Uint8Array(await file.arrayBuffer());
  }

  /**
   * A writable stream writes beside the file, which changes when the stream is closed, and only then.
   *
   * Where room ends in the middle of a large piece, Chrome may only say 'Failed to write data to data pipe'; of small ones,
   * which take twice as long, it says what it is.
   */
  async write(name: string, bytes: Uint8Array): Promise<void> {
    const handle = await this.folder.getFileHandle(name, { create: true });
    const known = (error: unknown) => (error as DOMException).name === QUOTA;
    try {
      await writeIn(handle, bytes, bytes.length).catch((error) => {
        if (known(error)) throw error;
        return writeIn(handle, bytes, SMALL);
      });
      await compare(await handle.getFile(), bytes);
    } catch (error) {
      await this.#removeEmpty(name);
      throw error;
    }
  }

  async remove(name: string): Promise<void> {
    await this.folder.removeEntry(name);
  }

  /** Takes away what is left where a tab was closed between the making of a file and its bytes. */
  async clean(): Promise<void> {
    for await (const name of this.folder.keys()) await this.#removeEmpty(name);
  }

  async #isEmpty(name: string): Promise<boolean> {
    try {
      return (await (await this.folder.getFileHandle(name)).getFile()).size === 0;
    } catch {
      return false; // a folder, or gone
    }
  }

  async #removeEmpty(name: string): Promise<void> {
    if (await this.#isEmpty(name)) await this.remove(name).catch(() => {}); // it is not taken for a checkpoint anyway
  }

  explain(error: unknown): { why: string; full: boolean } {
    const { name, message } = error as DOMException;
    const full = name === QUOTA;
    return { why: full ? 'the browser gives this site no more room' : message, full };
  }

  async release(): Promise<void> {
    this.unlock?.();
  }
}

/** Writes all of a file, `piece` bytes at a time. */
async function writeIn(handle: FileSystemFileHandle, bytes: Uint8Array, piece: number): Promise<void> {
  const stream = await handle.createWritable();
  try {
    for (let at = 0; at < bytes.length; at += piece) {
      await stream.write(bytes.subarray(at, at + piece) as Uint8Array<ArrayBuffer>);
    }
    await stream.close();
  } catch (error) {
    await stream.abort().catch(() => {}); // after a failed write it is in error already
    throw error;
  }
}

async function compare(file: File, bytes: Uint8Array): Promise<void> {
  let same = file.size === bytes.length;
  for (let at = 0; same && at < bytes.length; at += PIECE) {
    const read = new Uint8Array(await file.slice(at, at + PIECE).arrayBuffer());
    for (let i = 0; i < read.length; i++) same &&= read[i] === bytes[at + i];
  }
  if (!same) throw new Error('the file does not read back as it was written');
}
