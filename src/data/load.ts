import { DownhillError, show } from '../gpu/errors.js';
import { memoryLeft } from './memory.js';
import { Silence } from './silence.js';

/** Where a file comes from: its bytes, a Blob or File, a response, or an address to fetch. */
export type Source = ArrayBuffer | Uint8Array | Blob | Response | string | URL;

/** Refuses what is no source, before anything is fetched. */
export function checkSource(where: string, source: unknown): asserts source is Source {
  const known = [ArrayBuffer, Uint8Array, Blob, Response, URL].some((type) => source instanceof type);
  if (known || (typeof source === 'string' && source !== '')) return;
  throw new DownhillError(
    'OPTION-TYPE',
    `${where} must be an ArrayBuffer, Uint8Array, Blob, Response, or an address to fetch, got ${show(source)}.`,
    'Pass the bytes of the file, or its address.',
  );
}

/**
 * The bytes of a source, as they are. A server that sends nothing for 30 s, or less than 1 KiB a second, is given up.
 *
 * @returns `name` is `where` with the address and, if it is telling, the content type: for messages.
 * @throws DownhillError DATA-NOT-FOUND, or DATA-FORMAT for more than `maxBytes`.
 */
export async function readSource(
  where: string,
  source: Source,
  maxBytes: number,
): Promise<{ name: string; bytes: Uint8Array }> {
  if (typeof source === 'string' || source instanceof URL)
    return readSource(where, await request(where, source), maxBytes);
  if (source instanceof Response) return readResponse(where, source, maxBytes);
  const size = source instanceof Blob ? source.size : source.byteLength;
  if (size > maxBytes) throw tooLarge(where, maxBytes);
  if (source instanceof Uint8Array) return { name: where, bytes: source };
  if (source instanceof ArrayBuffer) return { name: where, bytes: new Uint8Array(source) };
  try {
    return { name: where, bytes: new Uint8Array(await source.arrayBuffer()) };
  } catch (cause) {
    throw new DownhillError(
      'DATA-NOT-FOUND',
      `${where} is a Blob that cannot be read.`,
      'Choose the file again.',
      cause,
    );
  }
}

/** Longest that a server may send nothing, in milliseconds. */
const SILENCE_MS = 30_000;

async function request(where: string, address: string | URL): Promise<Response> {
  const controller = new AbortController();
  const silence = new Silence(SILENCE_MS, () => controller.abort());
  try {
    return await fetch(address, { signal: controller.signal });
  } catch (cause) {
    if (silence.words) throw gaveUp(`${where} (${address})`, silence.words, 0);
    throw new DownhillError(
      'DATA-NOT-FOUND',
      `${where} cannot be fetched from ${show(String(address))}.`,
      'Check the address; outside a browser read local files yourself and pass their bytes.',
      cause,
    );
  } finally {
    silence.end();
  }
}

function gaveUp(name: string, words: string, total: number, length?: string | null): DownhillError {
  const of = length ? ` of ${Number(length).toLocaleString('en-US')}` : '';
  const message = `${name} was given up: the server ${words}, after ${total.toLocaleString('en-US')}${of} bytes.`;
  return new DownhillError('DATA-NOT-FOUND', message, 'Try again, or fetch the file yourself and pass its bytes.');
}

async function readResponse(
  where: string,
  response: Response,
  maxBytes: number,
): Promise<{ name: string; bytes: Uint8Array }> {
  const type = response.headers.get('content-type') ?? '';
  const notes = [response.url, type.includes('html') ? `content-type ${type}` : ''].filter((note) => note !== '');
  const name = notes.length > 0 ? `${where} (${notes.join(', ')})` : where;
  if (!response.ok) {
    await response.body?.cancel().catch(() => {});
    const status = `${response.status} ${response.statusText}`.trim();
    throw new DownhillError(
      'DATA-NOT-FOUND',
      `${name} was answered with HTTP status ${status}.`,
      'Check the address of the file.',
    );
  }
  if (response.bodyUsed || response.body?.locked) {
    throw new DownhillError(
      'DATA-NOT-FOUND',
      `${name} is a response whose body is already used.`,
      'Pass response.clone(), or its bytes.',
    );
  }
  if (!response.body) return { name, bytes: new Uint8Array(0) };
  const chunks: Uint8Array[] = [];
  let total = 0;
  const reader = response.body.getReader();
  const silence = new Silence(SILENCE_MS, () => reader.cancel().catch(() => {}));
  try {
    for (;;) {
      const { done, value } = await reader.read().catch((cause: unknown) => {
        const message = `${name} broke off after ${formatBytes(total)}.`;
        throw new DownhillError('DATA-NOT-FOUND', message, 'Try again: the connection failed.', cause);
      });
      if (silence.words) throw gaveUp(name, silence.words, total, response.headers.get('content-length'));
      if (done) return { name, bytes: join(chunks, total) };
      chunks.push(value);
      total += value.length;
      silence.heard(value.length);
      if (total > maxBytes) {
        reader.cancel().catch(() => {});
        throw tooLarge(name, maxBytes);
      }
    }
  } finally {
    silence.end();
  }
}

/** Gzip by its magic number. */
export const isGzip = (bytes: Uint8Array) => bytes[0] === 0x1f && bytes[1] === 0x8b;

/** Zip archives by their first bytes: of a member, or of the end where there is none. */
export const isZip = (bytes: Uint8Array) =>
  bytes[0] === 0x50 && bytes[1] === 0x4b && (bytes[2] === 3 || bytes[2] === 5) && bytes[3] === bytes[2]! + 1;

/** Whether text begins with '<', after white space and a byte order mark. */
export function isPage(bytes: Uint8Array): boolean {
  const first = bytes.findIndex((byte) => ![0x20, 0x09, 0x0a, 0x0d, 0xef, 0xbb, 0xbf].includes(byte));
  return bytes[first] === 0x3c;
}

/**
 * Compressed bytes handed to the decoder at a time. Deflate expands at most 1032 times and Chrome's decoder expands a
 * whole chunk before anybody can stop it, so this bounds what is decoded beyond the declared size to 16 MiB.
 */
const CHUNK = 2 ** 14;
/** Deflate makes at most so many bytes of one. */
const MOST_EXPANSION = 1032;

/**
 * Decompresses a file that says in its beginning how long it is, and no further than that: what is held never exceeds
 * twice the declared size, nor twice what is really there, nor the memory that the machine has left.
 *
 * @param declaredSize Size of the whole file from its beginning; undefined if more of it is needed. May throw. Left out of
 *   files that do not say so: then `maxBytes` is the only bound.
 * @param format What is in it; 'deflate-raw' is what archives hold.
 * @throws DownhillError DATA-FORMAT if the data is truncated or corrupt, is longer than declared, declares more than its
 *   compressed bytes can hold, more than `maxBytes`, or more than there is memory for.
 */
export async function gunzip(
  name: string,
  bytes: Uint8Array,
  maxBytes: number,
  declaredSize: ((beginning: Uint8Array) => number | undefined) | undefined,
  format: CompressionFormat = 'gzip',
): Promise<Uint8Array> {
  let at = 0;
  const compressed = new ReadableStream<Uint8Array<ArrayBuffer>>({
    pull(controller) {
      if (at >= bytes.length) return controller.close();
      controller.enqueue(new Uint8Array(bytes.subarray(at, at + CHUNK))); // a copy: decoders refuse shared memory
      at += CHUNK;
    },
  });
  const reader = compressed.pipeThrough(new DecompressionStream(format)).getReader();
  const chunks: Uint8Array[] = [];
  const left = memoryLeft();
  let total = 0;
  let declared: number | undefined;
  try {
    for (;;) {
      const { done, value } = await reader.read().catch((cause: unknown) => {
        const of = declared === undefined ? '' : ` of the ${formatBytes(declared)} that its header declares`;
        const message = `${name} is truncated or corrupt ${format} data: ${formatBytes(bytes.length)} decode to ${formatBytes(total)}${of}.`;
        throw new DownhillError('DATA-FORMAT', message, 'Download the file again: it is not complete.', cause);
      });
      if (done) return join(chunks, total);
      chunks.push(value);
      total += value.length;
      // Headers are at most 1 KiB long, so few chunks are ever joined here.
      declared ??= declaredSize?.(join(chunks, total));
      const size = declared ?? total;
      if (size > maxBytes) throw tooLarge(name, maxBytes, declared);
      if (size > MOST_EXPANSION * bytes.length) {
        const message = `${name} declares ${formatBytes(size)} with its header, more than ${formatBytes(bytes.length)} of ${format} data can hold.`;
        throw new DownhillError('DATA-FORMAT', message, 'Download the file again: it is not complete.');
      }
      if (2 * size > left) throw tooMuch(name, size, left);
      if (declared !== undefined && total > declared) {
        const message = `${name} declares ${formatBytes(declared)} with its header but decompresses to more.`;
        throw new DownhillError('DATA-FORMAT', message, 'Cut the file to its declared length, or correct the header.');
      }
    }
  } finally {
    reader.cancel().catch(() => {}); // stops the decoder where reading ended early; harmless otherwise
  }
}

function tooLarge(name: string, maxBytes: number, declared?: number): DownhillError {
  const what = declared === undefined ? 'is larger' : `declares ${formatBytes(declared)}, more`;
  return new DownhillError(
    'DATA-FORMAT',
    `${name} ${what} than maxBytes (${formatBytes(maxBytes)}).`,
    'Raise maxBytes if the file is right.',
  );
}

/** Pieces and the whole are there at once for a moment. */
function tooMuch(name: string, size: number, left: number): DownhillError {
  const message = `${name} decompresses to ${formatBytes(size)} or more, which takes twice that; ${formatBytes(left)} of memory are left.`;
  return new DownhillError('DATA-FORMAT', message, 'Make room, or decompress it into a file and use that.');
}

function join(chunks: readonly Uint8Array[], total: number): Uint8Array {
  if (chunks.length === 1) return chunks[0]!;
  const joined = new Uint8Array(total);
  let at = 0;
  for (const chunk of chunks) {
    joined.set(chunk, at);
    at += chunk.length;
  }
  return joined;
}

/** "7,840,016 bytes" */
export const formatBytes = (bytes: number) => `${bytes.toLocaleString('en-US')} byte${bytes === 1 ? '' : 's'}`;
