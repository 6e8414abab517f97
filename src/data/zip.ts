import { DownhillError, show } from '../gpu/errors.js';
import { crc32 } from './crc32.js';
import { formatBytes, gunzip } from './load.js';

/* Zip archives, as far as np.savez writes them: stored or deflated members, ZIP64 sizes, no encryption, one volume. */

/** A member of an archive: where it lies, and what it must be. */
export interface ZipEntry {
  readonly name: string;
  readonly method: number;
  readonly crc: number;
  readonly packed: number;
  readonly size: number;
  /** Of its local header. */
  readonly offset: number;
}

const END = 0x06054b50;
const END_64_LOCATOR = 0x07064b50;
const END_64 = 0x06064b50;
const CENTRAL = 0x02014b50;
const LOCAL = 0x04034b50;
const MAX_COMMENT = 2 ** 16 - 1;

const wrong = (where: string, what: string, fix = 'Copy or download the file again.') =>
  new DownhillError('DATA-FORMAT', `${where} ${what}.`, fix);

const viewOf = (bytes: Uint8Array) => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/**
 * The members by name, from the directory at the end. Nothing is unpacked.
 *
 * @throws DownhillError DATA-FORMAT, with the byte offset.
 */
export function readZip(where: string, bytes: Uint8Array): Map<string, ZipEntry> {
  const view = viewOf(bytes);
  const { count, start, end } = readEnd(where, view);
  const entries = new Map<string, ZipEntry>();
  let at = start;
  for (let i = 0; i < count; i++) {
    if (at + 46 > end || view.getUint32(at, true) !== CENTRAL) {
      throw wrong(where, `has no entry ${i} of ${count} in its directory at byte ${at}`);
    }
    const [nameLength, extraLength, comment] = [28, 30, 32].map((field) => view.getUint16(at + field, true));
    const next = at + 46 + nameLength! + extraLength! + comment!;
    if (next > end) throw wrong(where, `ends inside entry ${i} of its directory, at byte ${at}`);
    const name = new TextDecoder().decode(new Uint8Array(bytes.subarray(at + 46, at + 46 + nameLength!)));
    const flags = view.getUint16(at + 8, true);
    if (flags & 1) throw wrong(where, `holds ${show(name)} encrypted`, 'Save it without a password.');
    if (entries.has(name)) throw wrong(where, `holds ${show(name)} twice`, 'Give every array a name of its own.');
    entries.set(name, {
      name,
      method: view.getUint16(at + 10, true),
      crc: view.getUint32(at + 16, true),
      ...readSizes(view, at, at + 46 + nameLength!, extraLength!),
    });
    at = next;
  }
  return entries;
}

/** Where the directory lies. The record about it ends the file, but for a comment. */
function readEnd(where: string, view: DataView) {
  let at = view.byteLength - 22;
  const first = Math.max(at - MAX_COMMENT, 0);
  while (
    at >= first &&
    !(view.getUint32(at, true) === END && at + 22 + view.getUint16(at + 20, true) <= view.byteLength)
  )
    at--;
  if (at < first) throw wrong(where, `has no directory: ${formatBytes(view.byteLength)} end inside the archive`);
  let place = [view.getUint16(at + 10, true), view.getUint32(at + 12, true), view.getUint32(at + 16, true)];
  if (at >= 20 && view.getUint32(at - 20, true) === END_64_LOCATOR) {
    const record = Number(view.getBigUint64(at - 12, true));
    if (record + 56 > at || view.getUint32(record, true) !== END_64) {
      throw wrong(where, `has no ZIP64 record at byte ${record}, where it says so`);
    }
    place = [32, 40, 48].map((field) => Number(view.getBigUint64(record + field, true)));
  }
  const [count, size, start] = place as [number, number, number];
  if (start + size > at)
    throw wrong(where, `says that its directory ends at byte ${start + size}, behind its end at ${at}`);
  return { count, start, end: start + size };
}

/** Sizes of 32 bits, or of 64 in the extra field where these are all ones. */
function readSizes(view: DataView, at: number, extra: number, length: number) {
  const sizes = {
    size: view.getUint32(at + 24, true),
    packed: view.getUint32(at + 20, true),
    offset: view.getUint32(at + 42, true),
  };
  for (let field = extra; field + 4 <= extra + length; ) {
    const [id, bytes] = [view.getUint16(field, true), view.getUint16(field + 2, true)];
    const end = Math.min(field + 4 + bytes, extra + length);
    let value = field + 4;
    if (id === 1) {
      for (const key of ['size', 'packed', 'offset'] as const) {
        if (sizes[key] !== 0xffffffff || value + 8 > end) continue;
        sizes[key] = Number(view.getBigUint64(value, true));
        value += 8;
      }
    }
    field += 4 + bytes;
  }
  return sizes;
}

/**
 * A member's bytes: a view of the archive where it is stored. Never more than its entry declares, nor than `maxBytes`.
 *
 * @throws DownhillError DATA-FORMAT
 */
export async function readEntry(
  where: string,
  bytes: Uint8Array,
  { name, method, crc, packed, size, offset }: ZipEntry,
  maxBytes: number,
): Promise<Uint8Array> {
  const own = `${where}, ${name},`;
  if (size > maxBytes) {
    throw wrong(
      own,
      `declares ${formatBytes(size)}, more than maxBytes (${formatBytes(maxBytes)})`,
      'Raise maxBytes if the file is right.',
    );
  }
  const view = viewOf(bytes);
  if (offset + 30 > bytes.length || view.getUint32(offset, true) !== LOCAL) {
    throw wrong(own, `does not begin at byte ${offset}, where the directory says`);
  }
  const start = offset + 30 + view.getUint16(offset + 26, true) + view.getUint16(offset + 28, true);
  if (start + packed > bytes.length) {
    throw wrong(
      own,
      `of ${formatBytes(packed)} from byte ${start} ends behind the archive of ${formatBytes(bytes.length)}`,
    );
  }
  if (method !== 0 && method !== 8) {
    throw wrong(
      own,
      `is packed by method ${method}; stored (0) and deflated (8) ones are read`,
      'Save it with np.savez or np.savez_compressed.',
    );
  }
  const content = bytes.subarray(start, start + packed);
  const whole = method === 0 ? content : await gunzip(own, content, maxBytes, () => size, 'deflate-raw');
  if (whole.length !== size) throw wrong(own, `declares ${formatBytes(size)}, but holds ${formatBytes(whole.length)}`);
  const found = crc32(whole);
  if (found === crc) return whole;
  throw wrong(own, `has the checksum ${hex(found)}, not ${hex(crc)} as the archive says: its content is damaged`);
}

const hex = (value: number) => value.toString(16).padStart(8, '0');
