import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname } from 'node:path';
import { initWasm, Resvg } from '@resvg/resvg-wasm';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Decode, images } from '../../src/data/index.js';
import { type Pixels, resize } from '../../src/data/resize.js';
import { DownhillError } from '../../src/gpu/errors.js';
import { imageFolder } from '../../src/node/index.js';
import { decodePicture } from '../../src/node/png.js';
import { scratch } from '../support/cli.js';
import { chunk, type PngOptions, png } from '../support/png.js';

const folder = scratch();
afterAll(folder.remove);
beforeAll(async () => {
  const wasm = createRequire(import.meta.url).resolve('@resvg/resvg-wasm/index_bg.wasm');
  await initWasm(new WebAssembly.Module(readFileSync(wasm)));
});

const failure = (run: Promise<unknown>) =>
  run.then(
    () => expect.fail('nothing was thrown'),
    (error: unknown) => {
      if (!(error instanceof DownhillError)) throw error;
      return error;
    },
  );
function put(path: string, bytes: Uint8Array | string): void {
  mkdirSync(dirname(folder.path(path)), { recursive: true });
  writeFileSync(folder.path(path), bytes);
}
const grey = (width: number, height: number, rows: number[][]) => png({ width, height, rows });
const pgm = (width: number, height: number, values: number[]) =>
  Uint8Array.from([...Buffer.from(`P5\n# by hand\n${width} ${height}\n255\n`), ...values]);
const rgba = (width: number, height: number, of: (i: number) => number[]): Pixels => ({
  width,
  height,
  data: Uint8Array.from(Array.from({ length: width * height }, (_, i) => of(i)).flat()),
});

describe('decodePicture', () => {
  it.each<[string, PngOptions, number[]]>([
    ['grey', { width: 2, height: 1, rows: [[7, 255]] }, [7, 7, 7, 255, 255, 255, 255, 255]],
    [
      '1 bit',
      { width: 9, height: 1, depth: 1, rows: [[0b10000001, 0b10000000]] },
      [1, 0, 0, 0, 0, 0, 0, 1, 1].flatMap((bit) => [255 * bit, 255 * bit, 255 * bit, 255]),
    ],
    [
      '2 bits',
      { width: 4, height: 1, depth: 2, rows: [[0b00011011]] },
      [0, 85, 170, 255].flatMap((v) => [v, v, v, 255]),
    ],
    ['4 bits', { width: 2, height: 1, depth: 4, rows: [[0x2f]] }, [34, 34, 34, 255, 255, 255, 255, 255]],
    ['16 bits', { width: 1, height: 1, depth: 16, rows: [[0x12, 0xff]] }, [0x12, 0x12, 0x12, 255]],
    [
      'RGB',
      {
        width: 1,
        height: 2,
        type: 2,
        rows: [
          [1, 2, 3],
          [4, 5, 6],
        ],
      },
      [1, 2, 3, 255, 4, 5, 6, 255],
    ],
    ['RGB of 16 bits', { width: 1, height: 1, type: 2, depth: 16, rows: [[1, 9, 2, 9, 3, 9]] }, [1, 2, 3, 255]],
    [
      'a palette',
      {
        width: 3,
        height: 1,
        type: 3,
        depth: 2,
        rows: [[0b00011000]],
        palette: [1, 2, 3, 4, 5, 6, 7, 8, 9],
        opacity: [0, 128],
      },
      [1, 2, 3, 0, 4, 5, 6, 128, 7, 8, 9, 255],
    ],
    ['grey and opacity', { width: 1, height: 1, type: 4, rows: [[9, 3]] }, [9, 9, 9, 3]],
    ['RGB and opacity', { width: 1, height: 1, type: 6, rows: [[1, 2, 3, 4]] }, [1, 2, 3, 4]],
  ])('reads PNG: %s', (_, options, expected) => {
    const { width, height, data } = decodePicture(png(options), 'x');
    expect([width, height]).toEqual([options.width, options.height]);
    expect([...data]).toEqual(expected);
  });

  it('reads what another encoder filtered: the pixels that resvg drew', () => {
    const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="61" height="40"><defs><linearGradient id="g"><stop stop-color="#e41"/><stop offset="1" stop-color="#14e"/></linearGradient></defs><rect width="61" height="40" fill="url(#g)"/><circle cx="30" cy="20" r="15" fill="#fd0"/></svg>`;
    const drawn = new Resvg(svg).render();
    const found = decodePicture(drawn.asPng(), 'x');
    expect([found.width, found.height]).toEqual([61, 40]);
    expect(Buffer.from(found.data).equals(Buffer.from(drawn.pixels))).toBe(true);
  });

  it('reads PGM and PPM', () => {
    expect([...decodePicture(pgm(2, 1, [3, 4]), 'x').data]).toEqual([3, 3, 3, 255, 4, 4, 4, 255]);
    const ppm = Uint8Array.from([...Buffer.from('P6 1 1 100 '), 100, 50, 0]);
    expect([...decodePicture(ppm, 'x').data]).toEqual([255, 128, 0, 255]);
  });

  const good = grey(3, 2, [[1, 2, 3], [4, 5, 6]]); // biome-ignore format: two rows
  it.each<[string, Uint8Array, RegExp]>([
    ['a JPEG', Uint8Array.of(0xff, 0xd8, 0xff), /is a JPEG, which Node does not decode/],
    ['text', Buffer.from('hello'), /no PNG, PGM or PPM/],
    ['a web page', Buffer.from('<html>'), /no PNG, PGM or PPM/],
    ['a truncated file', good.subarray(0, 50), /ends at byte 50, inside the chunk at byte 33/],
    ['a file without an end', good.subarray(0, good.length - 12), /before its last chunk/],
    ['a wrong checksum', good.map((byte, i) => (i === 20 ? byte ^ 1 : byte)), /damaged in the chunk at byte 8/],
    ['an interlaced file', png({ width: 1, height: 1, rows: [[1]], interlace: 1 }), /interlaced/],
    ['a colour type that is none', png({ width: 1, height: 1, type: 5, rows: [[1]] }), /colour type 5/],
    ['too many pixels', png({ width: 100_000, height: 100_000, rows: [[1]] }), /100000 x 100000 pixels/],
    ['no pixels', png({ width: 0, height: 5, rows: [[1]] }), /0 x 5 pixels/],
    ['a bomb', png({ width: 2, height: 1, rows: [new Array(100_000).fill(0)] }), /more than the 3 bytes/],
    ['too few rows', png({ width: 2, height: 3, rows: [[1, 2]] }), /3 bytes of pixels, not 9/],
    ['a palette that is not there', png({ width: 1, height: 1, type: 3, rows: [[0]] }), /no palette/],
    [
      'pixels that are no zlib',
      Buffer.concat([good.subarray(0, 33), chunk('IDAT', Uint8Array.of(1, 2, 3)), chunk('IEND', new Uint8Array(0))]),
      /do not decompress/,
    ],
    [
      'no header',
      Buffer.concat([good.subarray(0, 8), chunk('IEND', new Uint8Array(0))]),
      /does not begin with its header/,
    ],
    ['a PGM without values', pgm(3, 3, [1]), /ends at byte \d+: 3 x 3 pixels need/],
    ['a PGM of 16 bits', Buffer.from('P5 1 1 65535 ab'), /up to 65535/],
    ['a PGM without a header', Buffer.from('P5 x'), /no header/],
  ])('refuses %s', (_, file, message) => {
    let error: unknown;
    try {
      decodePicture(file, 'x');
    } catch (caught) {
      error = caught;
    }
    expect(error).toBeInstanceOf(DownhillError);
    expect(error).toMatchObject({ code: 'DATA-FORMAT', message: expect.stringMatching(message) });
  });

  it('throws nothing but its own errors, whatever the bytes', () => {
    const files = [good, pgm(3, 2, [1, 2, 3, 4, 5, 6]), png({ width: 3, height: 1, type: 3, depth: 2, rows: [[0b00011000]], palette: [1, 2, 3] })]; // biome-ignore format: a list
    fc.assert(
      fc.property(fc.nat(2), fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 4 }), (which, flips) => {
        const file = Uint8Array.from(files[which]!);
        for (const [at, byte] of flips) file[at % file.length] = byte;
        try {
          const { width, height, data } = decodePicture(file, 'x');
          expect(data.length).toBe(4 * width * height);
        } catch (error) {
          if (!(error instanceof DownhillError)) throw error;
        }
      }),
      { numRuns: 2000 },
    );
  });
});

describe('resize', () => {
  const to = (pixels: Pixels, size: [number, number], channels: 1 | 3 = 1) => {
    const into = new Uint8Array(size[0] * size[1] * channels);
    resize(pixels, size, channels, into);
    return [...into];
  };

  it('keeps pixels of the right size; grey is luma, opaque before black', () => {
    const colors = [[255, 0, 0, 255], [0, 255, 0, 255], [0, 0, 255, 255], [200, 100, 50, 51]]; // biome-ignore format: four pixels
    const pixels = rgba(2, 2, (i) => colors[i]!);
    expect(to(pixels, [2, 2])).toEqual([76, 150, 29, Math.round(0.2 * (0.299 * 200 + 0.587 * 100 + 0.114 * 50))]);
    expect(to(pixels, [2, 2], 3)).toEqual([255, 0, 0, 0, 255, 0, 0, 0, 255, 40, 20, 10]);
  });

  it('keeps what is constant, and the mean of what is not, at any size', () => {
    const one = rgba(7, 5, () => [90, 90, 90, 255]);
    for (const size of [
      [1, 1],
      [3, 2],
      [5, 7],
      [11, 13],
      [1, 9],
    ] as [number, number][]) {
      // biome-ignore format: sizes
      expect(to(one, size)).toEqual(new Array(size[0] * size[1]).fill(90));
      expect(to(one, size, 3)).toEqual(new Array(size[0] * size[1] * 3).fill(90));
    }
    // By hand: 4 to 2 with a triangle of half-width 2, centres 1 and 3: weights 3:3:1 of the first three pixels' centres.
    const row = rgba(4, 1, (i) => [70 * i, 70 * i, 70 * i, 255]);
    expect(to(row, [1, 2])).toEqual([(3 * 0 + 3 * 70 + 1 * 140) / 7, (1 * 70 + 3 * 140 + 3 * 210) / 7].map(Math.round));
    // Up, 2 to 4: places 0.25 and so on between the centres, and what lies outside is left out.
    const two = rgba(2, 1, (i) => [100 * i, 100 * i, 100 * i, 255]);
    expect(to(two, [1, 4])).toEqual([0, 25, 75, 100]);
    expect(
      to(
        rgba(1, 2, (i) => [100 * i, 100 * i, 100 * i, 255]),
        [4, 1],
      ),
    ).toEqual([0, 25, 75, 100]);
  });
});

describe('imageFolder', () => {
  it('makes a data set of folders by class', async () => {
    put('set/dogs/b.png', grey(2, 1, [[1, 2]]));
    put('set/dogs/a.pgm', pgm(2, 1, [3, 4]));
    put('set/cats/<b>.PNG', grey(2, 1, [[5, 6]]));
    put('set/cats/.hidden.png', 'x');
    put('set/cats/notes.txt', 'x');
    put('set/.git/x.png', 'x');
    put('set/readme.md', 'x');
    const data = await imageFolder(folder.path('set'));
    expect(data).toMatchObject({ samples: 3, features: 2, image: [1, 2], labels: ['cats', 'dogs'], scale: 1 / 255 });
    expect(data.x).toEqual(Uint8Array.of(5, 6, 3, 4, 1, 2));
    expect(data.targets).toMatchObject({ kind: 'classes', classes: 2, labels: Uint8Array.of(0, 1, 1) });
    const colored = await imageFolder(folder.path('set'), { color: 'rgb', size: [1, 1] });
    expect([colored.features, colored.image]).toEqual([3, undefined]);
    expect(colored.x[0]).toBe(colored.x[2]);
  });

  it('takes a decoder of one’s own', async () => {
    put('own/a/1.jpg', Uint8Array.of(0xff, 0xd8, 7));
    put('own/b/1.jpg', Uint8Array.of(0xff, 0xd8, 9));
    const decode: Decode = async (bytes) => ({
      width: 1,
      height: 1,
      data: Uint8Array.of(bytes[2]!, bytes[2]!, bytes[2]!, 255),
    });
    expect((await imageFolder(folder.path('own'), { decode })).x).toEqual(Uint8Array.of(7, 9));
    expect(await failure(imageFolder(folder.path('own')))).toMatchObject({
      code: 'DATA-FORMAT',
      message: expect.stringMatching(/1\.jpg" is a JPEG/),
      fix: expect.stringMatching(/sharp/),
    });
    const broken = [
      () => ({}),
      () => ({ width: 2, height: 1, data: new Uint8Array(4) }),
      () => Promise.reject(new Error('no')),
    ];
    for (const each of broken)
      expect((await failure(imageFolder(folder.path('own'), { decode: each as unknown as Decode }))).code).toBe(
        'DATA-FORMAT',
      );
  });

  it('refuses what makes no data set, naming file and folder', async () => {
    put('unlike/a/1.png', grey(2, 1, [[1, 2]]));
    put('unlike/b/1.png', grey(1, 1, [[1]]));
    expect(await failure(imageFolder(folder.path('unlike')))).toMatchObject({
      code: 'DATA-MISMATCH',
      message: expect.stringMatching(/b\/1\.png" has 1 x 1 pixels, .*a\/1\.png" 1 x 2/),
    });
    expect((await imageFolder(folder.path('unlike'), { size: [2, 2] })).samples).toBe(2);
    put('one/a/1.png', grey(1, 1, [[1]]));
    expect((await failure(imageFolder(folder.path('one')))).code).toBe('DATA-MISMATCH');
    mkdirSync(folder.path('one/b'));
    expect(await failure(imageFolder(folder.path('one')))).toMatchObject({
      code: 'DATA-NOT-FOUND',
      message: expect.stringContaining('one/b'),
    });
    put('one/b/1.png', '');
    expect(await failure(imageFolder(folder.path('one')))).toMatchObject({
      message: expect.stringMatching(/1\.png" is empty/),
    });
    put('one/b/1.png', new Uint8Array(200));
    expect((await failure(imageFolder(folder.path('one'), { maxBytes: 100 }))).message).toMatch(/more than maxBytes/);
    expect((await failure(imageFolder(folder.path('nowhere')))).code).toBe('DATA-NOT-FOUND');
    expect((await failure(imageFolder(folder.path('unlike'), { size: 28 as never }))).code).toBe('OPTION-TYPE');
    expect((await failure(imageFolder(folder.path('unlike'), { size: [0, 1] }))).code).toBe('OPTION-RANGE');
    expect((await failure(imageFolder(folder.path('unlike'), { grey: true } as never))).code).toBe('OPTION-UNKNOWN');
  });
});

describe('images', () => {
  const decode: Decode = (bytes) => decodePicture(bytes, 'x');
  const file = (path: string, value: number) => ({ path, blob: new Blob([new Uint8Array(grey(1, 1, [[value]]))]) });

  it('takes dropped files by their paths', async () => {
    const files = [
      file('set/dogs/1.png', 1),
      file('set/cats/2.png', 2),
      file('/set/cats/1.png', 3),
      file('set/.x/1.png', 4),
      file('set/cats/.DS_Store', 5),
    ];
    const data = await images(files, { decode });
    expect(data).toMatchObject({ samples: 3, labels: ['cats', 'dogs'], x: Uint8Array.of(3, 2, 1) });
    const chosen = new File([new Uint8Array(grey(1, 1, [[9]]))], '1.png');
    Object.defineProperty(chosen, 'webkitRelativePath', { value: 'set/birds/1.png' });
    expect((await images([...files, chosen], { decode })).labels).toEqual(['birds', 'cats', 'dogs']);
  });

  it('refuses files without folders, no files, and a place that decodes nothing', async () => {
    expect(await failure(images([new File(['x'], '1.png'), file('a/1.png', 1)], { decode }))).toMatchObject({
      code: 'DATA-MISMATCH',
      message: expect.stringMatching(/some in none/),
    });
    expect((await failure(images([], { decode }))).code).toBe('DATA-MISMATCH');
    expect((await failure(images(5 as never))).code).toBe('OPTION-TYPE');
    expect((await failure(images([file('a/1.png', 1), file('b/1.png', 1)]))).fix).toMatch(/imageFolder/);
  });
});
