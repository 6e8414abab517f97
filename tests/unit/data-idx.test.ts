import { existsSync, readFileSync } from 'node:fs';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type IdxOptions, idx, parseIdx } from '../../src/data/index.js';
import { DownhillError } from '../../src/gpu/errors.js';

/** An IDX file of bytes; `data` is cut or repeated by the caller to break it. */
function file(shape: number[], data: ArrayLike<number>): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(4 + 4 * shape.length + data.length);
  bytes.set([0, 0, 8, shape.length]);
  const view = new DataView(bytes.buffer);
  for (const [i, side] of shape.entries()) view.setUint32(4 + 4 * i, side);
  bytes.set(data, 4 + 4 * shape.length);
  return bytes;
}

const ramp = (length: number) => Uint8Array.from({ length }, (_, i) => i);
const gzip = (bytes: Uint8Array) => new Uint8Array(gzipSync(bytes));

const images = file([3, 2, 2], ramp(12));
const labels = file([3], [2, 0, 9]);

async function failure(run: () => unknown): Promise<DownhillError> {
  try {
    await run();
  } catch (error) {
    expect(error).toBeInstanceOf(DownhillError);
    expect((error as DownhillError).fix).toMatch(/[.?]$/);
    return error as DownhillError;
  }
  throw new Error('expected a DownhillError');
}

describe('parseIdx', () => {
  it('reads any rank', () => {
    for (const shape of [[5], [2, 3], [3, 2, 2], [1, 2, 3, 4], [2, 1, 1, 1, 1, 2]]) {
      const data = ramp(shape.reduce((a, b) => a * b));
      expect(parseIdx(file(shape, data))).toEqual({ shape, data });
    }
    expect(parseIdx(file([0, 28, 28], []))).toEqual({ shape: [0, 28, 28], data: new Uint8Array(0) });
    expect(parseIdx(images.buffer)).toEqual({ shape: [3, 2, 2], data: ramp(12) });
  });

  it('reads a view that does not begin its buffer, without copying, also of a Node Buffer', () => {
    const shared = Buffer.concat([Buffer.from([1, 2, 3]), images]).subarray(3);
    const { data } = parseIdx(shared);
    expect(data.constructor).toBe(Uint8Array);
    expect(data.buffer).toBe(shared.buffer);
    expect(data).toEqual(ramp(12));
  });

  const cut = (end: number) => images.subarray(0, end);
  const patched = (at: number, ...bytes: number[]) => {
    const copy = images.slice();
    copy.set(bytes, at);
    return copy;
  };
  it.each<[string, Uint8Array, RegExp]>([
    ['nothing', new Uint8Array(0), /is empty \(0 bytes\)/],
    ['3 bytes', cut(3), /ends at byte 3, inside its header of 4 bytes/],
    ['half a header', cut(10), /ends at byte 10, inside its header of 16 bytes/],
    [
      'another magic number',
      patched(0, 0x89, 0x50, 0x4e, 0x47),
      /begins with the bytes 89 50 4e 47, not with 00 00 08/,
    ],
    ['no dimensions', patched(3, 0), /begins with the bytes 00 00 08 00/],
    ['a little-endian file', patched(0, 3, 8, 0, 0), /its header is little-endian/],
    ['little-endian dimensions', patched(4, 3, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0), /its dimensions are little-endian/],
    ['32-bit integers', patched(2, 0x0c), /holds i32 values \(type 0x0c\)/],
    ['floats', patched(2, 0x0d), /holds f32 values/],
    ['gzip', gzip(images), /still gzipped/],
    ['a page', new TextEncoder().encode('<!doctype html><title>404</title>'), /web page.*starts with '<'/],
    ['an indented page', new TextEncoder().encode('\uFEFF \n <html>'), /web page/],
    [
      'a count larger than the file',
      patched(4, 0, 0, 0, 5),
      /declares \[5, 2, 2\], 20 bytes after a header of 16, but ends at byte 28, after 3 of 5/,
    ],
    ['the end inside a sample', cut(25), /12 bytes .*ends at byte 25, inside sample 2 of 3, which starts at byte 24/],
    ['the end after a sample', cut(24), /ends at byte 24, after 2 of 3 samples/],
    ['no values', cut(16), /ends at byte 16, after 0 of 3 samples/],
    ['a huge count', patched(4, 0xff, 0xff, 0xff, 0xff), /declares \[4294967295, 2, 2\], 17,179,869,180 bytes/],
    ['trailing bytes', new Uint8Array([...images, 0, 0]), /12 bytes .*goes on for 2 bytes after that/],
    ['255 huge dimensions', file(new Array(255).fill(2 ** 32 - 1), [1]), /∞ bytes .*inside sample 0/],
  ])('refuses %s', async (_, bytes, message) => {
    expect(await failure(() => parseIdx(bytes))).toMatchObject({
      code: 'DATA-FORMAT',
      message: expect.stringMatching(message),
    });
  });

  it('refuses what is no bytes', async () => {
    expect((await failure(() => parseIdx('x' as unknown as Uint8Array))).code).toBe('OPTION-TYPE');
    expect((await failure(() => parseIdx(new Uint16Array(9) as unknown as Uint8Array))).code).toBe('OPTION-TYPE');
  });

  it('parses or refuses any bytes, and never breaks', () => {
    const near = fc.tuple(
      fc.constantFrom([0, 0, 8], [0, 0, 13], [8, 0, 0], []),
      fc.integer({ min: 0, max: 4 }),
      fc.array(fc.constantFrom([0, 0, 0, 0], [0, 0, 0, 1], [0, 0, 0, 3], [2, 0, 0, 0], [255, 255, 255, 255]), {
        maxLength: 5,
      }),
      fc.uint8Array({ maxLength: 30 }),
    );
    const close = near.map(([magic, rank, sides, data]) => Uint8Array.from([...magic, rank, ...sides.flat(), ...data]));
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 100 }), close), (bytes) => {
        try {
          const { shape, data } = parseIdx(bytes);
          expect(data.length).toBe(shape.reduce((a, b) => a * b, 1));
          expect(file([...shape], data)).toEqual(bytes.slice());
        } catch (error) {
          if (!(error instanceof DownhillError)) throw error;
          expect(error.code).toBe('DATA-FORMAT');
        }
      }),
      { numRuns: 2000 },
    );
  });

  it('gives back every file it could have written', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 4 }), { minLength: 1, maxLength: 5 }), (shape) => {
        const data = ramp(shape.reduce((a, b) => a * b));
        expect(parseIdx(file(shape, data))).toEqual({ shape, data });
      }),
    );
  });
});

describe('idx', () => {
  const expected = {
    samples: 3,
    features: 4,
    x: ramp(12),
    scale: 1 / 255,
    shift: 0,
    targets: { kind: 'classes', classes: 10, labels: Uint8Array.of(2, 0, 9) },
    image: [2, 2],
  };

  it.each<[string, (bytes: Uint8Array<ArrayBuffer>) => IdxOptions['images']]>([
    ['Uint8Array', (bytes) => bytes],
    ['Buffer', (bytes) => Buffer.from(bytes)],
    ['ArrayBuffer', (bytes) => bytes.slice().buffer],
    ['Blob', (bytes) => new Blob([bytes])],
    ['Response', (bytes) => new Response(bytes)],
    ['data URL', (bytes) => `data:application/octet-stream;base64,${Buffer.from(bytes).toString('base64')}`],
    ['URL', (bytes) => new URL(`data:application/octet-stream;base64,${Buffer.from(bytes).toString('base64')}`)],
  ])('reads a %s, gzipped or not', async (_, wrap) => {
    const plain = await idx({ images: wrap(images), labels: wrap(labels) });
    expect(plain).toEqual(expected);
    expect(Object.isFrozen(plain)).toBe(true);
    expect(await idx({ images: wrap(gzip(images)), labels: wrap(gzip(labels)) })).toEqual(expected);
  });

  it('gives no image for other ranks', async () => {
    expect(await idx({ images: file([3, 4], ramp(12)), labels })).toEqual({ ...expected, image: undefined });
    const colour = await idx({ images: file([3, 1, 2, 2], ramp(12)), labels });
    expect(colour).toMatchObject({ samples: 3, features: 4 });
    expect(colour.image).toBeUndefined();
  });

  const bomb = () => {
    const size = 64 * 2 ** 20;
    const bytes = new Uint8Array(size);
    bytes.set(images);
    return gzip(bytes);
  };
  const corrupt = () => {
    const bytes = gzip(images);
    bytes[bytes.length - 6]! ^= 0xff; // in the checksum
    return bytes;
  };
  const noise = Uint8Array.from({ length: 30_000 }, (_, i) => Math.imul(i * i, 2654435761) >>> 24);
  const big = gzip(file([300, 10, 10], noise));

  it.each<[string, () => Partial<IdxOptions>, string, RegExp]>([
    ['different counts', () => ({ labels: file([2], [0, 1]) }), 'DATA-MISMATCH', /3 samples and idx.labels 2/],
    ['no samples', () => ({ images: file([0, 2, 2], []), labels: file([0], []) }), 'DATA-MISMATCH', /no values/],
    [
      'swapped files',
      () => ({ images: labels, labels: images }),
      'DATA-FORMAT',
      /\[3\] and idx.labels \[3, 2, 2\].*Swap/,
    ],
    ['images twice', () => ({ labels: images }), 'DATA-FORMAT', /expected \[samples, ...\] and \[samples\]/],
    ['a label outside the classes', () => ({ classes: 9 }), 'DATA-LABEL', /labels\[2\] \(sample 2\) is 9/],
    ['0 bytes', () => ({ images: new Blob([]) }), 'DATA-FORMAT', /idx.images is empty \(0 bytes\)/],
    ['gzip of 0 bytes', () => ({ images: gzip(new Uint8Array(0)) }), 'DATA-FORMAT', /decompressed, is empty/],
    ['gzip of a page', () => ({ images: gzip(new TextEncoder().encode('<html>')) }), 'DATA-FORMAT', /web page/],
    ['gzip twice', () => ({ images: gzip(gzip(images)) }), 'DATA-FORMAT', /still gzipped/],
    [
      'gzip that is cut off',
      () => ({ images: big.subarray(0, 20_000) }),
      'DATA-FORMAT',
      /truncated or corrupt gzip data: 20,000 bytes decode to .* of the 30,016 bytes/,
    ],
    [
      'gzip that is cut off at once',
      () => ({ images: gzip(images).subarray(0, 5) }),
      'DATA-FORMAT',
      /truncated or corrupt/,
    ],
    ['gzip with a wrong checksum', () => ({ images: corrupt() }), 'DATA-FORMAT', /truncated or corrupt/],
    [
      'gzip magic and junk',
      () => ({ images: Uint8Array.of(0x1f, 0x8b, 9, 9, 9, 9) }),
      'DATA-FORMAT',
      /truncated or corrupt/,
    ],
    [
      'gzip of a truncated file',
      () => ({ images: gzip(images.subarray(0, 25)) }),
      'DATA-FORMAT',
      /decompressed, .*byte 25/,
    ],
    [
      'gzip of half a header',
      () => ({ images: gzip(images.subarray(0, 9)) }),
      'DATA-FORMAT',
      /byte 9, inside its header/,
    ],
    [
      'gzip of trailing bytes',
      () => ({ images: gzip(new Uint8Array([...images, 0])) }),
      'DATA-FORMAT',
      /declares 28 bytes .*to more/,
    ],
    [
      'a gzip bomb',
      () => ({ images: bomb() }),
      'DATA-FORMAT',
      /declares 28 bytes with its header but decompresses to more/,
    ],
    ['gzip above maxBytes', () => ({ images: gzip(images), maxBytes: 27 }), 'DATA-FORMAT', /maxBytes/],
    ['a file above maxBytes', () => ({ maxBytes: 27 }), 'DATA-FORMAT', /larger than maxBytes \(27 bytes\)/],
    ['a response above maxBytes', () => ({ images: new Response(images), maxBytes: 27 }), 'DATA-FORMAT', /maxBytes/],
    ['a used response', () => ({ images: usedResponse() }), 'DATA-NOT-FOUND', /already used/],
    [
      'a path in place of an address',
      () => ({ images: './train-images.gz' }),
      'DATA-NOT-FOUND',
      /cannot be fetched from "\.\/train/,
    ],
    ['a number', () => ({ images: 5 as unknown as string }), 'OPTION-TYPE', /idx.images must be an ArrayBuffer/],
    ['nothing', () => ({ labels: undefined }), 'OPTION-TYPE', /idx.labels must be/],
    ['an unknown option', () => ({ label: labels }) as Partial<IdxOptions>, 'OPTION-UNKNOWN', /'labels'/],
    ['classes beyond a byte', () => ({ classes: 257 }), 'OPTION-RANGE', /from 2 to 256/],
  ])('refuses %s', async (_, options, code, message) => {
    const error = await failure(() => idx({ images, labels, ...options() }));
    expect(error).toMatchObject({ code, message: expect.stringMatching(message) });
  });

  const usedResponse = () => {
    const response = new Response(images);
    response.body!.getReader();
    return response;
  };

  it('stops decompressing a bomb', async () => {
    // 1 GiB of zeros behind a header of 28 bytes; reading it all takes as much memory.
    const zeros = new Uint8Array(2 ** 20);
    const head = zeros.slice();
    head.set(images);
    const members = [gzip(head), ...new Array<Uint8Array>(1023).fill(gzip(zeros))];
    const before = process.memoryUsage().arrayBuffers;
    expect((await failure(() => idx({ images: Buffer.concat(members), labels }))).code).toBe('DATA-FORMAT');
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(64 * 2 ** 20);
  });

  it('refuses a header that declares more than there is without making room for it', async () => {
    const before = process.memoryUsage().arrayBuffers;
    const error = await failure(() => idx({ images: gzip(file([2 ** 21, 28, 28], ramp(5))), labels }));
    expect(error.message).toMatch(
      /declares 1,644,167,184 bytes with its header, more than 35 bytes of gzip data can hold/,
    );
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(2 ** 24);
  });
});

describe('idx over HTTP', () => {
  const answer: RequestListener = ({ url }, response) => {
    if (url === '/images') response.end(gzip(images));
    else if (url === '/labels') response.end(labels);
    else if (url === '/page') response.writeHead(200, { 'content-type': 'text/html' }).end('<!doctype html>');
    else if (url === '/broken') {
      response.writeHead(200, { 'content-length': '100' }).write(images);
      setTimeout(() => response.destroy(), 50);
    } else response.writeHead(404).end('no');
  };
  const server = createServer(answer);
  let at = '';
  beforeAll(async () => {
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    at = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  afterAll(() => server.close());

  it('fetches', async () => {
    const data = await idx({ images: `${at}/images`, labels: new URL('/labels', at) });
    expect(data).toMatchObject({ samples: 3, image: [2, 2] });
  });

  it.each([
    ['/none', 'DATA-NOT-FOUND', /\/none\) was answered with HTTP status 404 Not Found/],
    ['/page', 'DATA-FORMAT', /\/page, content-type text\/html\) is a web page/],
    ['/broken', 'DATA-NOT-FOUND', /broke off after 28 bytes/],
  ])('refuses %s', async (address, code, message) => {
    const error = await failure(() => idx({ images: at + address, labels }));
    expect(error).toMatchObject({ code, message: expect.stringMatching(message) });
  });

  it('refuses a server that is not there', async () => {
    const error = await failure(() => idx({ images: 'http://127.0.0.1:1/x', labels }));
    expect(error.code).toBe('DATA-NOT-FOUND');
    expect(error.cause).toBeInstanceOf(Error);
  });
});

describe('MNIST', () => {
  it('reads the real test set', async (ctx) => {
    const folder = path.resolve(import.meta.dirname, '../../../shared/data/mnist');
    if (!existsSync(folder)) return ctx.skip(`no MNIST at ${folder}`);
    const test = await idx({
      images: readFileSync(path.join(folder, 't10k-images-idx3-ubyte.gz')),
      labels: readFileSync(path.join(folder, 't10k-labels-idx1-ubyte.gz')),
    });
    expect(test).toMatchObject({ samples: 10_000, features: 784, image: [28, 28], targets: { classes: 10 } });
    // The first labels and the number of each digit, as published.
    const labels = test.targets.kind === 'classes' ? test.targets.labels : [];
    expect(Array.from(labels.slice(0, 5))).toEqual([7, 2, 1, 0, 4]);
    const counts = new Array<number>(10).fill(0);
    for (const label of labels) counts[label]!++;
    expect(counts).toEqual([980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]);
  });
});
