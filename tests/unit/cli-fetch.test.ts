import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gunzipSync, gzipSync } from 'node:zlib';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { main } from '../../harness/cli.js';
import { fitted } from '../../harness/common/progress.js';
import { shapeOf } from '../../harness/train/data.js';
import { downloadParts, fetchNamed } from '../../harness/train/fetch.js';
import { loadData } from '../../harness/train/node.js';
import { parseTrain, type TrainCommand } from '../../harness/train/options.js';
import { fakeIo, jsonLines, scratch } from '../support/cli.js';

const u32 = (n: number) => [n >>> 24, (n >>> 16) & 255, (n >>> 8) & 255, n & 255];
const file = (shape: number[], data: ArrayLike<number>) =>
  gzipSync(Uint8Array.from([0, 0, 8, shape.length, ...shape.flatMap(u32), ...Array.from(data)]), { level: 0 });
const FILES: Readonly<Record<string, Buffer>> = {
  'train-images-idx3-ubyte.gz': file(
    [400, 28, 28],
    new Uint8Array(400 * 784).map((_, i) => (i * 31) % 251),
  ),
  'train-labels-idx1-ubyte.gz': file(
    [400],
    new Uint8Array(400).map((_, i) => i % 10),
  ),
  't10k-images-idx3-ubyte.gz': file([50, 28, 28], new Uint8Array(50 * 784).fill(9)),
  't10k-labels-idx1-ubyte.gz': file([50], new Uint8Array(50)),
};

// The real sets are not here to be served: the table gets a small one in the place of MNIST.
vi.mock('../../src/data/named.js', async (original) => {
  const { NAMED_SETS } = await original<typeof import('../../src/data/named.js')>();
  const files = () =>
    Object.entries(FILES).map(([name, bytes]) => {
      return { name, bytes: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex') };
    });
  const tiny = { ...NAMED_SETS.mnist, train: 400, test: 50 };
  Object.defineProperty(tiny, 'files', { get: files });
  return { NAMED_SETS: { ...NAMED_SETS, mnist: tiny } };
});

let answer: (response: ServerResponse, bytes: Buffer) => unknown;
const whole = (response: ServerResponse, bytes: Buffer) => response.end(bytes);
const server = createServer(({ url }, response) => {
  const bytes = FILES[url!.split('/').at(-1)!]!;
  response.writeHead(200, { 'content-length': bytes.length });
  answer(response, bytes);
});
const folder = scratch();
let caches = 0;
beforeAll(() => new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve)));
beforeEach(() => {
  answer = whole;
  vi.stubEnv('DOWNHILL_MIRROR', `http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  vi.stubEnv('DOWNHILL_CACHE', folder.path(`cache-${caches++}`));
  vi.stubEnv('NO_COLOR', '1');
});
afterEach(() => vi.unstubAllEnvs());
afterAll(() => {
  server.closeAllConnections();
  server.close();
  folder.remove();
});

const signal = new AbortController().signal;

describe('--data mnist', () => {
  it('is downloaded the first time, with a line that moves, and read from the cache from then on', async () => {
    const io = fakeIo(100);
    let time = 0;
    const now = () => {
      time += 200;
      return time;
    };
    const files = await fetchNamed('mnist', { io, json: false, signal, now });
    expect(gunzipSync(files.train.images).length).toBe(16 + 400 * 784);
    expect(io.out()).toContain('Downloading MNIST, 353.4 kB, from 127.0.0.1:');
    expect(io.out()).toMatch(/━+─* {2} *\d+\.\d\/353\.4 kB .* kB\/s .*train-images-idx3-ubyte\.gz/);
    expect(io.out()).toMatch(/ {2}It is kept in .*cache-0\/mnist\n$/);
    const again = fakeIo(100);
    const { config } = parseTrain(['--data', 'mnist']) as TrainCommand;
    const data = await loadData(config, await fetchNamed('mnist', { io: again, json: false, signal }));
    expect(again.out()).toBe('');
    expect(shapeOf(data)).toEqual({ train: 400, test: 50, features: 784, classes: 10 });
  });

  it('says so without a terminal in two lines, and as JSON', async () => {
    const io = fakeIo();
    await fetchNamed('mnist', { io, json: false, signal });
    expect(io.out()).toMatch(/^ {2}Downloading MNIST, .*\n {2}It is kept in .*\n$/);
    vi.stubEnv('DOWNHILL_CACHE', folder.path(`cache-${caches++}`));
    const json = fakeIo();
    await fetchNamed('mnist', { io: json, json: true, signal });
    const host = new URL(process.env.DOWNHILL_MIRROR!).host;
    expect(jsonLines(json.out())).toEqual([{ type: 'download', name: 'mnist', bytes: expect.any(Number), host }]);
  });

  it('checks the network before it downloads', async () => {
    answer = () => expect.unreachable();
    const io = fakeIo();
    expect(await main(['train', '--data', 'mnist', '--model', '784-9'], io)).toBe(2);
    expect(io.err()).toContain('Use --model 784-10');
  });

  it('says why no mirror gave it, and what to do: exit code 1', async () => {
    vi.stubEnv('DOWNHILL_MIRROR', 'http://127.0.0.1:61');
    const io = fakeIo();
    expect(await main(['train', '--data', 'mnist'], io)).toBe(1);
    expect(io.err()).toMatch(
      /error {2}train-images-idx3-ubyte.gz \(\S+ bytes\) could not be downloaded: http:\S+ refuses/,
    );
    expect(io.err()).toMatch(/fix +Put the files of MNIST into .*mnist by hand, or .* --data idx:DIR\.\n/);
    expect(io.err()).toMatch(/code +DATA-NOT-FOUND/);
  });

  it('ends at Ctrl+C with 130 and keeps what it has', async () => {
    const io = fakeIo();
    answer = (response, bytes) => response.write(bytes.subarray(0, 1000), () => setTimeout(() => io.interrupt(), 50));
    expect(await main(['train', '--data', 'mnist'], io)).toBe(130);
    expect(io.err()).toBe('');
    expect(io.out()).toContain('Stopped; the next time the download goes on from here.');
    const part = readFileSync(`${process.env.DOWNHILL_CACHE}/mnist/train-images-idx3-ubyte.gz.part`);
    expect(part.subarray(part.indexOf('\n') + 1)).toEqual(FILES['train-images-idx3-ubyte.gz']!.subarray(0, 1000));
  });
});

describe('the line of a download', () => {
  const progress = { file: 'train-images-idx3-ubyte.gz', host: 'a', received: 812_345, bytes: 11_594_722 };

  it('keeps its columns, and gives way from the right', () => {
    const wide = fitted(downloadParts(progress, 1_300_000), 100);
    expect(wide).toEqual({ bar: 24, text: ' 0.8/11.6 MB    1.3 MB/s  8.3 s left   train-images-idx3-ubyte.gz' });
    const later = fitted(downloadParts({ ...progress, received: 10_900_000 }, 987_000), 100);
    expect(later.text.indexOf('train')).toBe(wide.text.indexOf('train'));
    expect(fitted(downloadParts(progress, undefined), 80).text).toBe(' 0.8/11.6 MB  train-images-idx3-ubyte.gz');
    expect(fitted(downloadParts(progress, 1_300_000), 40).text).toBe(' 0.8/11.6 MB    1.3 MB/s  8.3 s left ');
  });
});
