import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { crc32 } from '../../src/data/crc32.js';
import { encodeNpy, type NpyOptions, npy } from '../../src/data/index.js';
import { readEntry, readZip } from '../../src/data/zip.js';
import { DownhillError } from '../../src/gpu/errors.js';
import fixtures from '../fixtures/npy.json' with { type: 'json' };

const decode = (text: string) => new Uint8Array(Buffer.from(text, 'base64'));
const archives = Object.entries(fixtures.archives).map(([kind, text]) => [kind, decode(text)] as const);
const stored = decode(fixtures.archives.stored);
const f32 = (shape: number[], values?: number[]) =>
  encodeNpy(values ? Float32Array.from(values) : new Float32Array(shape.reduce((a, b) => a * b, 1)), shape);
const u8 = (shape: number[]) => encodeNpy(new Uint8Array(shape.reduce((a, b) => a * b, 1)), shape);

const failure = (options: unknown) =>
  npy(options as NpyOptions).then(
    () => expect.fail('nothing was thrown'),
    (error: unknown) => {
      if (!(error instanceof DownhillError)) throw error;
      return error;
    },
  );

describe('npy', () => {
  it.each(archives)('reads what NumPy put into an archive, %s', async (_, archive) => {
    const data = await npy({ archive });
    expect(data).toMatchObject({ samples: 4, features: 3, scale: 1, shift: 0 });
    expect([...data.x]).toEqual(Array.from({ length: 12 }, (_, i) => i));
    expect(data.targets).toEqual({ kind: 'classes', classes: 3, labels: Uint8Array.of(0, 1, 2, 1) });
    const other = await npy({ archive: new Blob([new Uint8Array(archive)]), x: 'y', y: 'x', featureNames: ['label'] });
    expect(other).toMatchObject({ features: 1, x: Float32Array.of(0, 1, 2, 1), featureNames: ['label'] });
    expect(other.targets).toMatchObject({ kind: 'values', width: 3 });
  });

  it('reads two files, gzipped or not', async () => {
    const x = f32([2, 3], [1, 2, 3, 4, 5, 6]);
    const y = encodeNpy(Float64Array.of(0.5, 1.5), [2]);
    const data = await npy({ x: gzipSync(x), y });
    expect(data).toMatchObject({ samples: 2, features: 3, x: Float32Array.of(1, 2, 3, 4, 5, 6) });
    expect(data.targets).toEqual({ kind: 'values', width: 1, values: Float32Array.of(0.5, 1.5) });
  });

  it('takes bytes as value / 255, booleans as 0 and 1, integers as they are', async () => {
    const y = u8([2]);
    expect(await npy({ x: u8([2, 2]), y })).toMatchObject({ scale: 1 / 255, x: new Uint8Array(4) });
    const bools = decode(fixtures.files.bool.file);
    expect(await npy({ x: bools, y })).toMatchObject({ scale: 1, x: Uint8Array.of(1, 0, 0, 1) });
    expect((await npy({ x: encodeNpy(Int16Array.of(-5, 7), [2]), y })).x).toEqual(Float32Array.of(-5, 7));
  });

  it.each<[number[], readonly [number, number] | undefined]>([
    [
      [2, 4, 3],
      [4, 3],
    ],
    [
      [2, 4, 3, 1],
      [4, 3],
    ],
    [
      [2, 1, 4, 3],
      [4, 3],
    ],
    [[2, 4, 3, 3], undefined],
    [[2, 12], undefined],
    [[2], undefined],
  ])('of samples of shape %s sees the image %s', async (shape, image) => {
    const data = await npy({ x: f32(shape), y: u8([2]) });
    expect(data.image).toEqual(image);
    expect(data.features).toBe(shape.slice(1).reduce((a, b) => a * b, 1));
  });

  it('finds out what the targets are, or is told', async () => {
    const x = f32([3, 1]);
    const ints = encodeNpy(Int32Array.of(0, 4, 1), [3]);
    expect((await npy({ x, y: ints })).targets).toMatchObject({ kind: 'classes', classes: 5 });
    expect((await npy({ x, y: ints, classes: 7 })).targets).toMatchObject({ classes: 7 });
    expect((await npy({ x, y: ints, targets: 'values' })).targets).toMatchObject({ kind: 'values' });
    expect((await npy({ x, y: u8([3, 1]), labels: ['a', 'b'] })).labels).toEqual(['a', 'b']);
    expect((await npy({ x, y: f32([3], [0, 1, 1]), targets: 'classes' })).targets).toMatchObject({ classes: 2 });
    expect((await npy({ x, y: u8([3, 2]) })).targets).toMatchObject({ kind: 'values', width: 2 });
  });

  it.each<[string, () => object, string, RegExp]>([
    [
      'other numbers of samples',
      () => ({ x: f32([3, 1]), y: u8([2]) }),
      'DATA-MISMATCH',
      /shape \(3, 1\).*shape \(2\)/,
    ],
    ['a single value', () => ({ x: f32([], [1]), y: u8([2]) }), 'DATA-MISMATCH', /first dimension/],
    ['no samples', () => ({ x: f32([0, 3]), y: u8([0]) }), 'DATA-MISMATCH', /no samples/],
    [
      'a label that is none',
      () => ({ x: f32([2, 1]), y: encodeNpy(Int8Array.of(0, -1), [2]) }),
      'DATA-LABEL',
      /sample 1/,
    ],
    ['a label too far', () => ({ x: f32([2, 1]), y: u8([2]), classes: 1 }), 'OPTION-RANGE', /classes/],
    [
      'a huge label',
      () => ({ x: f32([1, 1]), y: encodeNpy(Float64Array.of(1e15), [1]), targets: 'classes' }),
      'DATA-LABEL',
      /1000000000000000/,
    ],
    ['half a label', () => ({ x: f32([1, 1]), y: f32([1], [0.5]), targets: 'classes' }), 'DATA-LABEL', /0.5/],
    [
      'float64 out of range',
      () => ({ x: encodeNpy(Float64Array.of(1, 1e300), [2]), y: u8([2]) }),
      'DATA-FORMAT',
      /1e\+300 at place 1/,
    ],
    ['an archive as a file', () => ({ x: stored, y: u8([2]) }), 'DATA-FORMAT', /archive/],
    ['a file as an archive', () => ({ archive: u8([2]) }), 'DATA-FORMAT', /begin with PK/],
    ['an empty archive', () => ({ archive: new Uint8Array(0) }), 'DATA-FORMAT', /empty \(0 bytes\)/],
    ['an array that is not there', () => ({ archive: stored, x: 'X' }), 'DATA-NOT-FOUND', /there are "x", "y"/],
    ['bytes for a name', () => ({ archive: stored, x: u8([1]) }), 'OPTION-TYPE', /name of an array/],
    ['nothing', () => ({}), 'OPTION-TYPE', /npy.x/],
    ['an archive of too much', () => ({ archive: stored, maxBytes: 200 }), 'DATA-FORMAT', /maxBytes/],
    ['a truncated archive', () => ({ archive: stored.subarray(0, 300) }), 'DATA-FORMAT', /no directory: 300 bytes/],
    [
      'a damaged array',
      () => ({ archive: stored.map((byte, i) => (i === 170 ? byte ^ 1 : byte)) }),
      'DATA-FORMAT',
      /checksum/,
    ],
    ['an unknown option', () => ({ archive: stored, X: 'x' }), 'OPTION-UNKNOWN', /X/],
  ])('refuses %s', async (_, options, code, message) => {
    expect(await failure(options())).toMatchObject({ code, message: expect.stringMatching(message) });
  });

  it('throws nothing but its own errors, whatever the archive', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.nat(1),
        fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 4 }),
        async (which, flips) => {
          const archive = archives[which]![1].slice();
          for (const [at, byte] of flips) archive[at % archive.length] = byte;
          await npy({ archive }).catch((error: unknown) => {
            if (!(error instanceof DownhillError)) throw error;
          });
        },
      ),
      { numRuns: 1000 },
    );
  });
});

describe('archives', () => {
  it('unpack no more than they declare', async () => {
    // 100 MB of zeros that declare 100 bytes: decoding ends at once.
    const { deflateRawSync } = await import('node:zlib');
    const packed = deflateRawSync(new Uint8Array(1e8));
    const local = new Uint8Array(30 + packed.length);
    new DataView(local.buffer).setUint32(0, 0x04034b50, true);
    local.set(packed, 30);
    const entry = { name: 'x.npy', method: 8, crc: 0, packed: packed.length, size: 100, offset: 0 };
    const start = performance.now();
    await expect(readEntry('bomb', local, entry, 2 ** 31)).rejects.toMatchObject({ code: 'DATA-FORMAT' });
    await expect(readEntry('bomb', local, { ...entry, size: 1e9 }, 1e8)).rejects.toThrow(/maxBytes/);
    expect(performance.now() - start).toBeLessThan(2000);
    await expect(readEntry('x', local, { ...entry, method: 12 }, 1e8)).rejects.toThrow(/method 12/);
    await expect(readEntry('x', local, { ...entry, offset: 7 }, 1e8)).rejects.toThrow(/byte 7/);
    await expect(readEntry('x', local, { ...entry, packed: 1e9 }, 1e8)).rejects.toThrow(/ends behind/);
  });

  it('refuse an encrypted member and one that is there twice', () => {
    const at = Buffer.from(stored).indexOf(Buffer.from([0x50, 0x4b, 1, 2]));
    const encrypted = stored.slice();
    encrypted[at + 8]! |= 1;
    expect(() => readZip('a', encrypted)).toThrow(/encrypted/);
    const twice = Buffer.from(stored);
    twice[twice.lastIndexOf('y.npy')] = 'x'.charCodeAt(0);
    expect(() => readZip('a', twice)).toThrow(/twice/);
  });

  it('have the checksum of the specification', () => {
    expect(crc32(Buffer.from('123456789'))).toBe(0xcbf43926);
  });
});
