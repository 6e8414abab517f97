import os from 'node:os';
import v8 from 'node:v8';
import { deflateRawSync, gzipSync } from 'node:zlib';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { csv } from '../../src/csv.js';
import { gunzip } from '../../src/data/load.js';
import { memoryLeft } from '../../src/data/memory.js';
import { readEntry } from '../../src/data/zip.js';
import { encodeNpy, idx, npy } from '../../src/index.js';

/* Small files that become large ones: they stop at what their header says, and at the memory that there is. */

afterEach(() => vi.restoreAllMocks());

const u32 = (n: number) => [n >>> 24, (n >>> 16) & 255, (n >>> 8) & 255, n & 255];
const imagesOf = (samples: number, bytes: number) => {
  const file = new Uint8Array(16 + bytes);
  file.set([0, 0, 8, 3, ...u32(samples), ...u32(28), ...u32(28)]);
  return gzipSync(file);
};
const labels = gzipSync(Uint8Array.from([0, 0, 8, 1, ...u32(2), 0, 1]));
const MIB = 2 ** 20;

describe('a header that lies', () => {
  test('more than deflate can make of the file is refused at the header', async () => {
    const images = imagesOf(2_700_000, 20 * MIB); // 2.1 GB declared, of 20 kB
    await expect(idx({ images, labels })).rejects.toMatchObject({
      code: 'DATA-FORMAT',
      message: expect.stringMatching(
        /declares 2,116,800,016 bytes with its header, more than [\d,]+ bytes of gzip data can hold/,
      ),
    });
  });

  test('3 GiB are more than maxBytes', async () => {
    const images = imagesOf(4_200_000, MIB);
    await expect(idx({ images, labels })).rejects.toThrow(/declares 3,292,800,016 bytes, more than maxBytes/);
  });

  test('a member of an archive that cannot hold what its entry says', async () => {
    const packed = deflateRawSync(new Uint8Array(MIB));
    const local = new Uint8Array(30 + packed.length);
    local.set([0x50, 0x4b, 3, 4]);
    local.set(packed, 30);
    const entry = { name: 'x.npy', method: 8, crc: 0, packed: packed.length, size: 2e9, offset: 0 };
    await expect(readEntry('archive', local, entry, 2 ** 31)).rejects.toThrow(/data can hold/);
  });
});

describe('less memory than a file takes', () => {
  const little = () => vi.spyOn(os, 'freemem').mockReturnValue(8 * MIB);

  test('stops IDX files at their header', async () => {
    little();
    const images = imagesOf(10_000, 7_840_000);
    await expect(idx({ images, labels })).rejects.toMatchObject({
      code: 'DATA-FORMAT',
      message: expect.stringContaining(
        'decompresses to 7,840,016 bytes or more, which takes twice that; 8,388,608 bytes of memory are left',
      ),
    });
  });

  test('stops arrays of NumPy at theirs', async () => {
    little();
    const x = gzipSync(encodeNpy(new Float32Array(2 * MIB), [2 * MIB]));
    await expect(npy({ x, y: encodeNpy(new Float32Array(2), [2]) })).rejects.toThrow(
      /8,388,608 bytes of memory are left/,
    );
  });

  test('stops tables, which say nothing beforehand, in the middle', async () => {
    little();
    const text = gzipSync(`a,b\n${'1,2\n'.repeat(4 * MIB)}`);
    const error = await csv(text, { target: 'b' }).catch((thrown: Error) => thrown);
    expect(String(error)).toMatch(/decompresses to [\d,]+ bytes or more/);
    const [reached] = /[\d,]{7,}/.exec(String(error))!;
    expect(Number(reached.replaceAll(',', ''))).toBeLessThan(6 * MIB);
  });

  test('and what fits is read', async () => {
    little();
    const bytes = new Uint8Array(MIB).map((_, i) => i);
    expect(Buffer.compare(await gunzip('file', gzipSync(bytes), 2 ** 31, undefined), bytes)).toBe(0);
  });
});

describe('memory that is left', () => {
  const GIB = 2 ** 30;
  const system = (platform: string, free: number, limit: number, own: number) => {
    vi.spyOn(process, 'platform', 'get').mockReturnValue(platform as 'linux');
    vi.spyOn(os, 'freemem').mockReturnValue(free);
    vi.spyOn(os, 'totalmem').mockReturnValue(16 * GIB);
    vi.spyOn(process, 'constrainedMemory').mockReturnValue(limit);
    vi.spyOn(process.memoryUsage, 'rss').mockReturnValue(own);
  };

  test.each<[string, Parameters<typeof system>, number]>([
    ['what the system has free', ['linux', 5 * GIB, 2 ** 64, GIB], 5 * GIB],
    ['without a limit that is told', ['win32', 5 * GIB, 0, GIB], 5 * GIB],
    ['what a container may have, though it is full of kept files', ['linux', 5 * GIB, 4 * GIB, GIB], 3 * GIB],
    ['none of a container', ['linux', 5 * GIB, GIB, 2 * GIB], 0],
    ['on macOS, which counts what it keeps of files for used', ['darwin', MIB, 0, GIB], 16 * GIB],
  ])('%s', (_, given, left) => {
    vi.spyOn(process, 'availableMemory').mockReturnValue(MIB);
    system(...given);
    expect(memoryLeft()).toBe(left);
  });
});

describe('a table of more cells than JavaScript has room for', () => {
  const heap = (bytes: number) =>
    vi.spyOn(v8, 'getHeapStatistics').mockReturnValue({ heap_size_limit: bytes } as v8.HeapInfo);
  const [rows, line, semicolons] = ['1,2\n'.repeat(600_000), ','.repeat(3_000_000), '1;2;3\r\n'.repeat(500_000)];

  test.each([
    ['rows', rows, /has 600,001 rows and 1,200,001 cells, which take some 240,000,350 bytes as a table/],
    ['cells of a row', line, /has 1 rows and 3,000,001 cells/],
    ['other marks', semicolons, /has 500,001 rows and 1,500,001 cells/],
  ])('%s', async (_, text, words) => {
    heap(100 * MIB);
    await expect(csv(text, { target: -1, header: false })).rejects.toMatchObject({
      code: 'DATA-FORMAT',
      message: expect.stringMatching(words),
    });
  });

  test('MNIST as a table is none of them', async () => {
    // A row has 785 cells. Of the 60,000 rows, and of what V8 has on 64 bits, a thirtieth.
    heap(4_345_298_944 / 30);
    const text = `${`${'1,'.repeat(784)}\n`.repeat(2000)}x`;
    await expect(csv(text, { target: -1, header: false })).rejects.toThrow(/where 785 were expected/);
  });
});
