/** PNG, PGM and PPM files as pixels, with what Node brings along. */
import { inflateSync } from 'node:zlib';
import { crc32 } from '../data/crc32.js';
import { MAX_PIXELS } from '../data/images.js';
import type { Pixels } from '../data/resize.js';
import { DownhillError } from '../gpu/errors.js';

const wrong = (name: string, what: string, fix = 'Save the image again, or remove it.') =>
  new DownhillError('DATA-FORMAT', `${name} ${what}.`, fix);

const SIGNATURE = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];
const begins = (bytes: Uint8Array, with_: readonly number[]) => with_.every((byte, i) => bytes[i] === byte);
/** Other images by their first bytes. */
const OTHERS: readonly (readonly [string, readonly number[]])[] = [
  ['a JPEG', [0xff, 0xd8]],
  ['a GIF', [0x47, 0x49, 0x46]],
  ['a WebP', [0x52, 0x49, 0x46, 0x46]],
  ['a BMP', [0x42, 0x4d]],
];

/** @throws DownhillError DATA-FORMAT for any other file, naming what it is */
export function decodePicture(bytes: Uint8Array, name: string): Pixels {
  if (begins(bytes, SIGNATURE)) return decodePng(bytes, name);
  if (bytes[0] === 0x50 && (bytes[1] === 0x35 || bytes[1] === 0x36)) return decodePnm(bytes, name);
  const other = OTHERS.find(([, magic]) => begins(bytes, magic))?.[0];
  throw wrong(
    name,
    other
      ? `is ${other}, which Node does not decode; PNG, PGM and PPM are read`
      : 'is no PNG, PGM or PPM image by its first bytes',
    other ? 'Convert it to PNG, or pass decode, with a package such as sharp.' : 'Remove the file, or pass decode.',
  );
}

/** Channels of a pixel by colour type: grey, RGB, palette, grey and opacity, RGB and opacity. */
const CHANNELS: Readonly<Record<number, number>> = { 0: 1, 2: 3, 3: 1, 4: 2, 6: 4 };
const DEPTHS: Readonly<Record<number, readonly number[]>> = {
  0: [1, 2, 4, 8, 16],
  2: [8, 16],
  3: [1, 2, 4, 8],
  4: [8, 16],
  6: [8, 16],
};

interface Png {
  readonly width: number;
  readonly height: number;
  readonly depth: number;
  readonly type: number;
}

function decodePng(bytes: Uint8Array, name: string): Pixels {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let header: Png | undefined;
  let palette: Uint8Array | undefined;
  let opacity: Uint8Array | undefined;
  const parts: Uint8Array[] = [];
  for (let at = 8; ; ) {
    if (at + 12 > bytes.length) throw wrong(name, `ends at byte ${bytes.length}, before its last chunk`);
    const length = view.getUint32(at);
    const type = String.fromCharCode(...bytes.subarray(at + 4, at + 8));
    if (at + 12 + length > bytes.length)
      throw wrong(name, `ends at byte ${bytes.length}, inside the chunk at byte ${at}`);
    if (crc32(bytes.subarray(at + 4, at + 8 + length)) !== view.getUint32(at + 8 + length)) {
      throw wrong(name, `is damaged in the chunk at byte ${at}: its checksum is wrong`);
    }
    const content = bytes.subarray(at + 8, at + 8 + length);
    if (!header && type !== 'IHDR') throw wrong(name, 'does not begin with its header at byte 8');
    if (type === 'IHDR') header = readHeader(content, name);
    else if (type === 'PLTE') palette = content;
    else if (type === 'tRNS') opacity = content;
    else if (type === 'IDAT') parts.push(content);
    else if (type === 'IEND') break;
    at += 12 + length;
  }
  if (header!.type === 3 && !palette) throw wrong(name, 'has no palette, which its pixels point into');
  return toPixels(header!, unfilter(header!, parts, name), palette, opacity);
}

function readHeader(content: Uint8Array, name: string): Png {
  if (content.length !== 13) throw wrong(name, `has a header of ${content.length} bytes, not of 13`);
  const view = new DataView(content.buffer, content.byteOffset, 13);
  const [width, height, depth, type] = [view.getUint32(0), view.getUint32(4), content[8]!, content[9]!];
  if (!DEPTHS[type]?.includes(depth))
    throw wrong(name, `has the colour type ${type} with ${depth} bits, which is none`);
  if (content[12] !== 0) throw wrong(name, 'is interlaced', 'Save it without interlacing, or pass decode.');
  if (width * height === 0 || width * height > MAX_PIXELS) {
    throw wrong(name, `has ${width} x ${height} pixels; 1 to ${MAX_PIXELS} are read`, 'Save it smaller.');
  }
  return { width, height, depth, type };
}

/** The rows of bytes, decompressed and with what was subtracted added again. */
function unfilter({ width, height, depth, type }: Png, parts: readonly Uint8Array[], name: string): Uint8Array {
  const pixelBytes = Math.max((CHANNELS[type]! * depth) >> 3, 1);
  const row = Math.ceil((width * CHANNELS[type]! * depth) / 8);
  const expected = (row + 1) * height;
  let raw: Uint8Array;
  try {
    raw = inflateSync(Buffer.concat(parts), { maxOutputLength: expected + 1 });
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    const more = code === 'ERR_BUFFER_TOO_LARGE';
    throw new DownhillError(
      'DATA-FORMAT',
      more
        ? `${name} holds more than the ${expected} bytes of its pixels.`
        : `${name} holds pixels that do not decompress: ${message}.`,
      'Save the image again, or remove it.',
      cause,
    );
  }
  if (raw.length !== expected) throw wrong(name, `holds ${raw.length} bytes of pixels, not ${expected}`);
  const out = new Uint8Array(row * height);
  for (let y = 0; y < height; y++) {
    const filter = raw[y * (row + 1)]!;
    if (filter > 4) throw wrong(name, `has the filter ${filter} in row ${y}, which is none`);
    const start = y * row;
    for (let i = 0; i < row; i++) {
      const left = i >= pixelBytes ? out[start + i - pixelBytes]! : 0;
      const up = y > 0 ? out[start + i - row]! : 0;
      const corner = y > 0 && i >= pixelBytes ? out[start + i - row - pixelBytes]! : 0;
      out[start + i] = raw[y * (row + 1) + 1 + i]! + predicted(filter, left, up, corner);
    }
  }
  return out;
}

/** What a filter took off a byte. */
function predicted(filter: number, left: number, up: number, corner: number): number {
  if (filter < 3) return [0, left, up][filter]!;
  if (filter === 3) return (left + up) >> 1;
  const [a, b, c] = [Math.abs(up - corner), Math.abs(left - corner), Math.abs(left + up - 2 * corner)];
  return a <= b && a <= c ? left : b <= c ? up : corner;
}

/** The values of all pixels: of 16 bits the upper 8, fewer than 8 unpacked. */
function unpack({ width, height, depth, type }: Png, rows: Uint8Array): Uint8Array {
  const count = width * CHANNELS[type]!;
  const row = Math.ceil((count * depth) / 8);
  if (depth === 8) return rows;
  const values = new Uint8Array(count * height);
  for (let y = 0, at = 0; y < height; y++) {
    for (let i = 0; i < count; i++, at++) {
      const bit = i * depth;
      const byte = rows[y * row + (bit >> 3)]!;
      values[at] = depth === 16 ? byte : (byte >> (8 - depth - (bit & 7))) & (2 ** depth - 1);
    }
  }
  return values;
}

function toPixels(
  png: Png,
  rows: Uint8Array,
  palette: Uint8Array | undefined,
  opacity: Uint8Array | undefined,
): Pixels {
  const { width, height, depth, type } = png;
  const data = new Uint8Array(4 * width * height);
  const values = unpack(png, rows);
  const channels = CHANNELS[type]!;
  const scale = type === 3 || depth >= 8 ? 1 : 255 / (2 ** depth - 1);
  for (let pixel = 0; pixel < width * height; pixel++) {
    const own = pixel * channels;
    const index = values[own]!;
    for (let i = 0; i < 3; i++) {
      data[4 * pixel + i] = type === 3 ? (palette![3 * index + i] ?? 0) : values[own + (channels < 3 ? 0 : i)]! * scale;
    }
    data[4 * pixel + 3] = type === 3 ? (opacity?.[index] ?? 255) : type >= 4 ? values[own + channels - 1]! : 255;
  }
  return { width, height, data };
}

/** Binary PGM (P5) and PPM (P6) of 8 bits: a header of text, one white space, the values. */
function decodePnm(bytes: Uint8Array, name: string): Pixels {
  const channels = bytes[1] === 0x35 ? 1 : 3;
  const text = String.fromCharCode(...bytes.subarray(0, 1024));
  const match = /^P[56](?:\s|#[^\n]*\n)+(\d+)(?:\s|#[^\n]*\n)+(\d+)(?:\s|#[^\n]*\n)+(\d+)\s/.exec(text);
  if (!match) throw wrong(name, 'has no header of width, height and largest value');
  const [width, height, most] = match.slice(1, 4).map(Number) as [number, number, number];
  if (most < 1 || most > 255) throw wrong(name, `has values up to ${most}; 1 to 255 are read`, 'Save it with 8 bits.');
  if (width * height === 0 || width * height > MAX_PIXELS) {
    throw wrong(name, `has ${width} x ${height} pixels; 1 to ${MAX_PIXELS} are read`, 'Save it smaller.');
  }
  const values = bytes.subarray(match[0].length);
  if (values.length < width * height * channels) {
    throw wrong(
      name,
      `ends at byte ${bytes.length}: ${width} x ${height} pixels need ${match[0].length + width * height * channels}`,
    );
  }
  const data = new Uint8Array(4 * width * height);
  for (let pixel = 0; pixel < width * height; pixel++) {
    for (let i = 0; i < 3; i++) {
      const value = values[pixel * channels + (channels === 1 ? 0 : i)]!;
      data[4 * pixel + i] = most === 255 ? value : Math.min(Math.round((value * 255) / most), 255);
    }
    data[4 * pixel + 3] = 255;
  }
  return { width, height, data };
}
