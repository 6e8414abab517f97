/**
 * Reading files that are ones. A pipe is waited for as long as nobody writes to it, /dev/zero and some files of /proc have no
 * end, and a sparse file has any size at all: none of them may hold a program up or fill its memory.
 */
import { closeSync, constants, fstatSync, openSync, readSync, type Stats, statSync } from 'node:fs';
import { open, stat } from 'node:fs/promises';

/** As much as data sets take where nobody says more. */
const MOST_BYTES = 2 ** 31;
/** V8 has no longer texts. */
const MOST_TEXT = 2 ** 29 - 32;
/** Bytes per read: the system takes at most 2 GiB at once, and other work has its turn in between. */
const PIECE = 2 ** 24;
/** Should a pipe take the file's place after it was looked at: opened like this, nobody waits for its other end. */
const READ = constants.O_RDONLY | (constants.O_NONBLOCK ?? 0); // Windows has none, and no such pipes

/**
 * The bytes of the file at `path`.
 *
 * @throws what the file system says, or an error in its manner (`code` ENOTFILE, ERR_FS_FILE_TOO_LARGE) for what is no plain
 *   file or has more than `most` bytes: `message` says it in words that go behind "cannot be read: "
 */
export async function readPlainFile(path: string, most = MOST_BYTES): Promise<Uint8Array<ArrayBuffer>> {
  checkPlain(await stat(path));
  const file = await open(path, READ);
  try {
    const bytes = new Uint8Array(plainSize(await file.stat(), most));
    let at = 0;
    for (let read = 1; read > 0 && at < bytes.length; at += read)
      read = (await file.read(bytes, at, Math.min(PIECE, bytes.length - at), at)).bytesRead;
    if (bytes.length === 0) checkEmpty((await file.read(new Uint8Array(8), 0, 8, 0)).bytesRead);
    return at < bytes.length ? bytes.slice(0, at) : bytes;
  } finally {
    await file.close();
  }
}

/** {@link readPlainFile} at once: for small files. */
export function readPlainFileSync(path: string, most = MOST_BYTES): Uint8Array<ArrayBuffer> {
  const file = openPlainFile(path);
  try {
    const bytes = new Uint8Array(plainSize(fstatSync(file), most));
    let at = 0;
    for (let read = 1; read > 0 && at < bytes.length; at += read)
      read = readSync(file, bytes, at, Math.min(PIECE, bytes.length - at), at);
    if (bytes.length === 0) checkEmpty(readSync(file, new Uint8Array(8), 0, 8, 0));
    return at < bytes.length ? bytes.slice(0, at) : bytes;
  } finally {
    closeSync(file);
  }
}

/** The text of a small file. */
export const readPlainText = (path: string, most = MOST_TEXT): string =>
  new TextDecoder().decode(readPlainFileSync(path, most));

/** Opens it to read parts of it. @returns its descriptor */
export function openPlainFile(path: string): number {
  checkPlain(statSync(path));
  return openSync(path, READ);
}

/** @returns its size @throws as {@link readPlainFile} */
export function plainSize(found: Stats, most = MOST_BYTES): number {
  checkPlain(found);
  if (found.size <= most) return found.size;
  const [has, least] = [found.size, most].map((bytes) => bytes.toLocaleString('en-US'));
  throw refusal('ERR_FS_FILE_TOO_LARGE', `it has ${has} bytes, more than ${least}`);
}

/** Refuses what is no plain file. @throws as {@link readPlainFile} */
export function checkPlain(found: Stats): void {
  if (found.isFile()) return;
  const special = found.isFIFO() ? 'pipe' : found.isSocket() ? 'socket' : 'device';
  throw refusal('ENOTFILE', `it is a ${found.isDirectory() ? 'folder' : special}, not a file`);
}

function checkEmpty(more: number): void {
  if (more > 0) throw refusal('ENOTFILE', 'it has no size, as files that the system makes up (/proc) have none');
}

const refusal = (code: string, message: string) => Object.assign(new Error(message), { code });
