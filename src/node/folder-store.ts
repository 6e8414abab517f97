/** Checkpoints in a folder on a disk. */
import { randomUUID } from 'node:crypto';
import { type FileHandle, open, readdir, rename, rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { memoryLeft } from '../data/memory.js';
import { DownhillError, show } from '../gpu/errors.js';
import {
  busyError,
  type CheckpointFiles,
  type CheckpointStore,
  checkStoreOptions,
  makeStore,
  type StoreOptions,
} from '../store/store.js';
import { lockFolder } from './lock.js';
import { makeFolder } from './make-folder.js';
import { readPlainFile } from './plain-file.js';

/** What is being written: hidden, and never taken for a checkpoint. */
const TEMPORARY = /^\.step-\d+\.safetensors\.[0-9a-f-]+\.tmp$/;
/** Bytes per read and write: the system takes at most 2 GiB at once, and other files have their turn in between. */
const PIECE = 256 * 1024;

/**
 * Checkpoints in a folder, one file each: 'step-000123.safetensors'. A checkpoint is written under another name, flushed to
 * the disk, read back and compared, and only then takes its name, so that neither a killed process nor a power cut leaves
 * half of one or takes the one before. What a killed process left is removed when the next one opens the store.
 *
 * @param folder made where it is not there; one process at a time writes it
 * @example
 * const store = await folderStore('runs/a/checkpoints', { keep: 3 });
 * const { problem } = await store.save(await trainer.checkpoint(), { step: trainer.step });
 * if (problem) console.warn(problem.message); // a full disk: the training goes on
 * const found = await store.latest();
 * if (found) await trainer.restore(found.bytes);
 * @throws DownhillError OPTION-*; STORE-BUSY where another process writes there, STORE-UNWRITABLE, STORE-UNREADABLE
 */
export async function folderStore(folder: string, options: StoreOptions = {}): Promise<CheckpointStore> {
  const checked = checkStoreOptions('folderStore', options);
  if (typeof folder !== 'string' || folder === '')
    throw new DownhillError(
      'OPTION-TYPE',
      `folderStore takes the path of a folder, got ${show(folder)}.`,
      'Pass a path.',
    );
  const path = resolve(folder);
  const where = `the folder ${folder}`;
  const release = checked.readOnly ? undefined : await take(path, where);
  return makeStore(new FolderFiles(path, where, release), checked);
}

/** Makes and locks the folder, and clears away what a killed process left. */
async function take(path: string, where: string): Promise<() => void> {
  let locked: ReturnType<typeof lockFolder>;
  try {
    makeFolder(path);
    locked = lockFolder(path);
  } catch (cause) {
    throw new DownhillError(
      'STORE-UNWRITABLE',
      `No checkpoints can be kept in ${where}: ${explain(cause).why}.`,
      'Name another folder.',
      cause,
    );
  }
  if (typeof locked !== 'function')
    throw busyError(where, locked.holder, `; where there is none, remove ${locked.file}`);
  const left = (await readdir(path)).filter((name) => TEMPORARY.test(name));
  await Promise.all(left.map((name) => rm(join(path, name), { force: true })));
  return locked;
}

class FolderFiles implements CheckpointFiles {
  constructor(
    readonly path: string,
    readonly where: string,
    readonly unlock: (() => void) | undefined,
  ) {}

  async names(): Promise<string[]> {
    return await readdir(this.path);
  }

  async read(name: string): Promise<Uint8Array<ArrayBuffer>> {
    // Of any size: one that was written can be read again.
    return await readPlainFile(join(this.path, name), memoryLeft());
  }

  async write(name: string, bytes: Uint8Array): Promise<void> {
    const temporary = join(this.path, `.${name}.${randomUUID()}.tmp`);
    try {
      const file = await open(temporary, 'wx+');
      try {
        for (let at = 0; at < bytes.length; ) {
          at += (await file.write(bytes, at, Math.min(PIECE, bytes.length - at), at)).bytesWritten;
        }
        await file.sync();
        await compare(file, bytes);
      } finally {
        await file.close();
      }
      await rename(temporary, join(this.path, name));
    } catch (error) {
      await rm(temporary, { force: true }).catch(() => {});
      throw error;
    }
    await syncFolder(this.path);
  }

  async remove(name: string): Promise<void> {
    await rm(join(this.path, name), { force: true });
  }

  explain = explain;

  async release(): Promise<void> {
    this.unlock?.();
  }
}

/** Reads until `bytes` is full or the file ends. @returns how many were read */
async function fill(file: FileHandle, bytes: Uint8Array, from: number): Promise<number> {
  let length = 0;
  while (length < bytes.length) {
    const { bytesRead } = await file.read(bytes, length, Math.min(PIECE, bytes.length - length), from + length);
    if (bytesRead === 0) break;
    length += bytesRead;
  }
  return length;
}

/** Reads back what was written: a disk or a network that loses bytes is noticed now, while the one before is still there. */
async function compare(file: FileHandle, bytes: Uint8Array): Promise<void> {
  const { size } = await file.stat();
  const piece = Buffer.allocUnsafe(Math.min(PIECE, bytes.length));
  for (let at = 0; at < bytes.length; at += piece.length) {
    const wanted = bytes.subarray(at, at + piece.length);
    const read = piece.subarray(0, wanted.length);
    if (size === bytes.length && (await fill(file, read, at)) === wanted.length && read.equals(wanted)) continue;
    throw new Error('the file does not read back as it was written');
  }
}

/** A new name is on the disk when its folder is. Windows does so by itself, and opens no folders. */
async function syncFolder(path: string): Promise<void> {
  try {
    const folder = await open(path, 'r');
    try {
      await folder.sync();
    } finally {
      await folder.close();
    }
  } catch {
    // a file system that has no such thing: the name is there, only not yet for sure after a power cut
  }
}

function explain(error: unknown): { why: string; full: boolean } {
  const { code, message } = error as NodeJS.ErrnoException;
  const full = code === 'ENOSPC' || code === 'EDQUOT' || code === 'EFBIG';
  const why: Readonly<Record<string, string>> = {
    ENOSPC: 'the disk is full',
    EDQUOT: "the user's share of the disk is used up",
    EFBIG: 'the file is larger than the system allows',
    EACCES: 'permission is denied',
    EPERM: 'permission is denied',
    EROFS: 'the file system is read-only',
    ENOTDIR: 'part of the path is a file',
    EEXIST: 'there is a file of that name',
    EISDIR: 'there is a folder where a file has to be',
    ENOENT: 'it is not there',
  };
  return { why: why[code ?? ''] ?? message, full };
}
