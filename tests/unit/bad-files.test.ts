import { mkdirSync, writeFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { afterAll, describe, expect, test } from 'vitest';
import { main } from '../../harness/cli.js';
import { encodeNpy } from '../../src/index.js';
import { fakeIo, scratch } from '../support/cli.js';

/* Bad inputs 78 and 85 to 93 of the plan, as a person meets them: files that a command is given. */

const folder = scratch();
afterAll(() => folder.remove());

const u32 = (n: number) => [n >>> 24, (n >>> 16) & 255, (n >>> 8) & 255, n & 255];
const text = (words: string) => new TextEncoder().encode(words);
const images = Uint8Array.from([0, 0, 8, 3, ...[4, 2, 2].flatMap(u32), ...new Array(16).fill(7)]);
const labels = (...each: number[]) => Uint8Array.from([0, 0, 8, 1, ...u32(each.length), ...each]);
const PAGE = text(
  '<!doctype html>\n<html><head><title>404 Not Found</title></head><body>nginx</body></html>\n'.repeat(9),
);
const EMPTY = new Uint8Array(0);

let made = 0;
function file(bytes: Uint8Array, name: string): string {
  const own = folder.path(`${made++}`);
  mkdirSync(own, { recursive: true });
  const path = `${own}/${name}`;
  writeFileSync(path, bytes);
  return path;
}

function idxOf(x: Uint8Array, y: Uint8Array, ending = ''): string[] {
  const own = folder.path(`${made++}`);
  mkdirSync(own, { recursive: true });
  writeFileSync(`${own}/train-images-idx3-ubyte${ending}`, x);
  writeFileSync(`${own}/train-labels-idx1-ubyte${ending}`, y);
  return ['train', '--data', `idx:${own}`];
}

async function said(args: readonly string[]) {
  const io = fakeIo();
  const code = await main(args, io);
  return { code, err: io.err().replace(/\s+/g, ' ') };
}

const cut = (bytes: Uint8Array, length: number) => bytes.slice(0, length);
const patched = (at: number, ...bytes: number[]) => {
  const copy = images.slice();
  copy.set(bytes, at);
  return copy;
};
const FOUR = labels(0, 1, 2, 3);
const gz = (bytes: Uint8Array) => new Uint8Array(gzipSync(bytes));

describe('IDX', () => {
  test.each<[string, string[], string, RegExp]>([
    ['78 a label of 10', idxOf(images, labels(0, 10, 1, 2)), 'DATA-LABEL', /\[1\] \(sample 1\) is 10/],
    [
      '78 a label of 255, as -1 becomes',
      idxOf(images, labels(0, 1, 2, 255)),
      'DATA-LABEL',
      /\[3\] \(sample 3\) is 255/,
    ],
    [
      '85 another magic number',
      idxOf(patched(0, 1, 2, 3, 4), FOUR),
      'DATA-FORMAT',
      /begins with the bytes 01 02 03 04/,
    ],
    [
      '86 a count beyond the file',
      idxOf(patched(4, ...u32(9)), FOUR),
      'DATA-FORMAT',
      /declares \[9, 2, 2\], 36 bytes .* ends at byte 32/,
    ],
    [
      '87 an end inside a sample',
      idxOf(cut(images, 30), FOUR),
      'DATA-FORMAT',
      /ends at byte 30, inside sample 3 of 4, which starts at byte 28/,
    ],
    [
      '88 gzip that is cut off',
      idxOf(cut(gz(images), 30), gz(FOUR), '.gz'),
      'DATA-FORMAT',
      /30 bytes decode to .* bytes/,
    ],
    [
      '88 a bomb',
      idxOf(gz(Uint8Array.from([...images, ...new Uint8Array(2 ** 22)])), gz(FOUR), '.gz'),
      'DATA-FORMAT',
      /declares 32 bytes with its header but decompresses to more/,
    ],
    ['89 a page', idxOf(PAGE, FOUR), 'DATA-FORMAT', /web page/],
    ['90 nothing', idxOf(EMPTY, FOUR), 'DATA-FORMAT', /is empty \(0 bytes\)/],
    ['91 other counts', idxOf(images, labels(0, 1, 2)), 'DATA-MISMATCH', /4 samples and .*labels 3/],
    [
      '92 dimensions of the other order',
      idxOf(patched(4, 4, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0), FOUR),
      'DATA-FORMAT',
      /its dimensions are little-endian/,
    ],
  ])('%s', async (_, args, code, words) => {
    const { err } = await said(args);
    expect(err).toMatch(words);
    expect(err).toContain(`code ${code}`);
    expect(err).toContain(args[2]!.slice(4)); // where it lies
  });
});

/** Every other flag that takes a file. */
const FLAGS: readonly [string, (bytes: Uint8Array) => string[]][] = [
  ['--data csv:', (bytes) => ['train', '--data', `csv:${file(bytes, 'a.csv')}`, '--target', 'a']],
  [
    '--data npy:',
    (bytes) => ['train', '--data', `npy:${file(bytes, 'x.npy')},${file(encodeNpy(new Float32Array(2), [2]), 'y.npy')}`],
  ],
  ['--data npy: of an archive', (bytes) => ['train', '--data', `npy:${file(bytes, 'xy.npz')}`]],
  ['--config', (bytes) => ['train', '--config', file(bytes, 'run.json')]],
  ['--resume', (bytes) => ['train', '--resume', file(bytes, 'config.json').replace('/config.json', '')]],
  ['predict --model', (bytes) => ['predict', '--model', file(bytes, 'model.safetensors'), '--data', 'digits']],
  ['export --model', (bytes) => ['export', '--model', file(bytes, 'model.safetensors')]],
  ['search --space', (bytes) => ['search', '--space', file(bytes, 'space.json')]],
  ['search --resume', (bytes) => ['search', '--resume', file(bytes, 'search.json').replace('/search.json', '')]],
  ['trial', (bytes) => ['trial', file(bytes, 'trial.json')]],
  ['bench --compare', (bytes) => ['bench', '--compare', file(bytes, 'report.json')]],
];

describe.each(FLAGS)('%s', (_, args) => {
  test.each<[string, Uint8Array]>([
    ['89 a page of a server', PAGE],
    ['90 nothing', EMPTY],
    ['88 a gzip file that is cut off', cut(gz(PAGE), 40)],
    ['bytes without sense', Uint8Array.from({ length: 300 }, (_, i) => (i * 167 + 13) % 256)],
  ])('%s', async (_, bytes) => {
    const { code, err } = await said(args(bytes));
    expect(err).toMatch(/code (DATA-FORMAT|DATA-NOT-FOUND|CHECKPOINT-CORRUPT|OPTION-(TYPE|RANGE))/);
    expect(err).toMatch(/fix \S/);
    expect(code).toBeGreaterThan(0);
  });
});

test('93 a name with markup is said as it is', async () => {
  const path = file(EMPTY, '<img src=x onerror=alert(1)>.csv');
  expect((await said(['train', '--data', `csv:${path}`, '--target', 'a'])).err).toContain(
    '<img src=x onerror=alert(1)>.csv',
  );
});
