import { crc32, deflateSync } from 'node:zlib';

export interface PngOptions {
  readonly width: number;
  readonly height: number;
  readonly depth?: number;
  /** Colour type: 0 grey, 2 RGB, 3 palette, 4 grey and opacity, 6 RGB and opacity. */
  readonly type?: number;
  /** Rows of bytes, as they are before they are filtered. */
  readonly rows: readonly (readonly number[])[];
  readonly palette?: readonly number[];
  readonly opacity?: readonly number[];
  readonly interlace?: number;
}

export function chunk(type: string, content: Uint8Array): Buffer {
  const body = Buffer.concat([Buffer.from(type), content]);
  const file = Buffer.alloc(body.length + 8);
  file.writeUInt32BE(content.length);
  body.copy(file, 4);
  file.writeUInt32BE(crc32(body), body.length + 4);
  return file;
}

/** A PNG without filters. */
export function png({
  width,
  height,
  depth = 8,
  type = 0,
  rows,
  palette,
  opacity,
  interlace = 0,
}: PngOptions): Uint8Array {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width);
  header.writeUInt32BE(height, 4);
  header.set([depth, type, 0, 0, interlace], 8);
  return Buffer.concat([
    Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]),
    chunk('IHDR', header),
    ...(palette ? [chunk('PLTE', Uint8Array.from(palette))] : []),
    ...(opacity ? [chunk('tRNS', Uint8Array.from(opacity))] : []),
    chunk('IDAT', deflateSync(Uint8Array.from(rows.flatMap((row) => [0, ...row])))),
    chunk('IEND', new Uint8Array(0)),
  ]);
}
