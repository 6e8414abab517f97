import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { idx } from '../../src/data/idx.js';
import { NAMED_SETS, type NamedSet } from '../../src/data/named.js';
import { DownhillError } from '../../src/gpu/errors.js';
import { pcgHash } from '../../src/kernels/random.js';
import { cacheFolder } from '../../src/node/cache.js';
import { type DatasetOptions, fetchSet } from '../../src/node/datasets.js';
import { DATASETS, dataset, datasetFiles } from '../../src/node/index.js';
import { scratch } from '../support/cli.js';

const SAMPLES = 3000;
const u32 = (n: number) => [n >>> 24, (n >>> 16) & 255, (n >>> 8) & 255, n & 255];
/** Bytes that gzip cannot make much smaller. */
const noise = (length: number) => Uint8Array.from({ length }, (_, i) => pcgHash(1, 2, i) >>> 24);
const images = gzipSync(Uint8Array.from([0, 0, 8, 3, ...u32(SAMPLES), ...u32(8), ...u32(8), ...noise(64 * SAMPLES)]));
const labels = gzipSync(Uint8Array.from([0, 0, 8, 1, ...u32(SAMPLES), ...noise(SAMPLES).map((byte) => byte % 10)]));
const sha = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');
const known = (name: string, bytes: Uint8Array) => ({ name, bytes: bytes.length, sha256: sha(bytes) });
const FILES: Readonly<Record<string, Buffer>> = {
  'train-images-idx3-ubyte.gz': images,
  'train-labels-idx1-ubyte.gz': labels,
  't10k-images-idx3-ubyte.gz': images,
  't10k-labels-idx1-ubyte.gz': labels,
};
const SET: NamedSet = {
  title: 'Tiny',
  train: SAMPLES,
  test: SAMPLES,
  features: 64,
  classes: 10,
  mirrors: [],
  files: Object.entries(FILES).map(([name, bytes]) => known(name, bytes)),
};
const BIG = 'train-images-idx3-ubyte.gz';

/** What a server does with a request for a file; folders of the test server are named after these. */
type Manner = (request: IncomingMessage, response: ServerResponse, file: Buffer, name: string) => unknown;

let dropped = 0;
/** What a download was last told to have: a server that hangs up waits for it, or what it sent may be lost with the connection. */
let arrived = 0;
const head = (file: Buffer) => ({ 'content-type': 'application/x-gzip', 'content-length': file.length, etag: '"v1"' });
const send = (response: ServerResponse, file: Buffer) => response.writeHead(200, head(file)).end(file);
/** As S3 answers: whole files, ranges, If-Range. */
const good: Manner = ({ headers }, response, file) => {
  const from = Number(/^bytes=(\d+)-$/.exec(headers.range ?? '')?.[1] ?? 0);
  if (from === 0 || (headers['if-range'] && headers['if-range'] !== '"v1"')) return send(response, file);
  if (from >= file.length) return response.writeHead(416).end();
  const range = `bytes ${from}-${file.length - 1}/${file.length}`;
  response.writeHead(206, { ...head(file), 'content-length': file.length - from, 'content-range': range });
  response.end(file.subarray(from));
};
/** Sends a part of what is asked for and hangs up, as often as `times` says. */
const drops =
  (times: number, rest: Manner): Manner =>
  (request, response, file, name) => {
    if (name !== BIG || dropped++ >= times) return rest(request, response, file, name);
    const from = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0);
    const more = { 'content-range': `bytes ${from}-${file.length - 1}/${file.length}` };
    response.writeHead(from ? 206 : 200, { ...head(file), 'content-length': file.length - from, ...(from && more) });
    response.write(file.subarray(from, from + 40_000));
    const before = arrived;
    const look = setInterval(() => {
      if (arrived === before) return;
      clearInterval(look);
      response.destroy();
    }, 5);
  };

const MANNERS: Readonly<Record<string, Manner>> = {
  good,
  missing: (_, response) => response.writeHead(404).end('gone'),
  page: (_, response) =>
    response
      .writeHead(200, { 'content-type': 'text/html; charset=utf-8' })
      .end('<!doctype html><title>Sign in</title>'),
  wrong: (_, response, file) => send(response, Buffer.from(file).fill(7, 20, 30)),
  shorter: (_, response, file) => send(response, file.subarray(0, 1000)),
  truncated: (_, response, file) =>
    response.writeHead(200, { 'transfer-encoding': 'chunked' }).end(file.subarray(0, 90)),
  endless: (_, response, file) => {
    response.writeHead(200, { 'transfer-encoding': 'chunked' });
    const more = () => response.destroyed || response.write(file, () => setImmediate(more));
    more();
  },
  bomb: (_, response) => response.writeHead(200).end(gzipSync(Buffer.alloc(1 << 24))),
  encoded: (_, response, file) => response.writeHead(200, { 'content-encoding': 'gzip' }).end(file),
  silent: (_, response, file) => {
    response.writeHead(200, head(file)).write(file.subarray(0, Math.min(5000, file.length - 1)));
  },
  mute: () => {},
  trickling: (_, response, file) => {
    response.writeHead(200, head(file));
    let at = 0;
    const drop = setInterval(() => response.write(file.subarray(at, ++at)), 20);
    response.on('close', () => clearInterval(drop));
  },
  slow: async (_, response, file) => {
    response.writeHead(200, head(file));
    for (let at = 0; at < file.length; at += 20_000) {
      response.write(file.subarray(at, at + 20_000));
      await sleep(40);
    }
    response.end();
  },
  moved: (_, response, _file, name) => response.writeHead(302, { location: `/good/${name}` }).end(),
  around: (_, response, _file, name) => response.writeHead(302, { location: `/around/${name}` }).end(),
  drops: drops(2, good),
  forgets: drops(1, (_, response, file) => send(response, file)),
  refuses: drops(1, ({ headers }, response, file) =>
    headers.range ? response.writeHead(416).end() : send(response, file),
  ),
  changes: drops(1, ({ headers }, response, file) =>
    // What a proxy may do: the range, of another file, though If-Range tells it not to.
    headers.range
      ? good({ headers: { range: headers.range } } as IncomingMessage, response, Buffer.from(file).reverse(), BIG)
      : send(response, file),
  ),
};

const asked: { path: string; range?: string; ifRange?: string }[] = [];
const server = createServer((request, response) => {
  const [, manner, name] = request.url!.split('/') as [string, string, string];
  const { range, 'if-range': ifRange } = request.headers;
  asked.push({ path: `${manner}/${name}`, ...(range && { range }), ...(ifRange && { ifRange: String(ifRange) }) });
  MANNERS[manner]!(request, response, FILES[name]!, name);
});
let base = '';
const folder = scratch();
beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
  folder.remove();
});
afterEach(() => {
  asked.length = 0;
  dropped = 0;
  vi.unstubAllEnvs();
});

let caches = 0;
const newCache = () => folder.path(`cache-${caches++}`);
const take = (manners: readonly string[], options: DatasetOptions & { set?: NamedSet } = {}) => {
  const { set = SET, ...rest } = options;
  const mirrors = manners.map((manner) => (manner.startsWith('http') ? manner : `${base}/${manner}`));
  // Short only where it is waited for: a busy machine is silent for a while, too.
  const silenceMs = manners.some((manner) => ['silent', 'mute', 'trickling'].includes(manner)) ? 400 : 20_000;
  const onProgress: DatasetOptions['onProgress'] = (progress) => {
    arrived = progress.received;
    rest.onProgress?.(progress);
  };
  return fetchSet('tiny', set, { cache: newCache(), mirrors, silenceMs, ...rest, onProgress });
};
async function failure(work: Promise<unknown>): Promise<DownhillError> {
  const error = await work.then(
    () => undefined,
    (reason) => reason,
  );
  expect(error).toBeInstanceOf(DownhillError);
  return error;
}
const isWhole = (files: Awaited<ReturnType<typeof take>>) => {
  expect(sha(files.train.images)).toBe(sha(images));
  expect(sha(files.test.labels)).toBe(sha(labels));
};
const left = (cache: string) => readdirSync(join(cache, 'tiny')).sort();

describe('a data set by name', () => {
  it('is downloaded once, then read from the cache, into parts that train', async () => {
    const cache = newCache();
    const said: number[] = [];
    isWhole(await take(['good'], { cache, onProgress: ({ received, bytes }) => said.push(received / bytes) }));
    expect(asked.map(({ path }) => path)).toEqual(Object.keys(FILES).map((name) => `good/${name}`));
    expect(said.at(-1)).toBe(1);
    expect(said).toEqual([...said].sort((a, b) => a - b));
    expect(left(cache)).toEqual(Object.keys(FILES).sort());
    asked.length = 0;
    const again = await take(['missing'], { cache });
    isWhole(again);
    expect(asked).toEqual([]);
    const train = await idx(again.train);
    expect(train).toMatchObject({ samples: SAMPLES, features: 64, image: [8, 8] });
  });

  // What each mirror is said to have done, when none gave the file.
  const REASONS: readonly [string, RegExp][] = [
    ['missing', /answers with HTTP status 404 Not Found/],
    ['page', /answers with a page \(content-type text\/html; charset=utf-8\)/],
    ['wrong', /sends another file \(SHA-256 [0-9a-f]{12}…\)/],
    ['shorter', /has a file of 1,000 bytes/],
    ['truncated', /ended after 90 bytes/],
    ['endless', /sends more than [\d,]+ bytes/],
    ['bomb', /has a file of|sends another file|ended after/],
    ['encoded', /sends more than|ended after/],
    ['silent', /sent nothing for 0.4 s, after 5,000 bytes/],
    ['mute', /sent nothing for 0.4 s, after 0 bytes/],
    ['trickling', /sent only \d+ bytes in 0.4 s, after \d+ bytes/],
    ['around', /failed \(redirect count exceeded\)/],
    ['http://127.0.0.1:61/none/', /refuses connections/],
  ];
  it.each(REASONS)('leaves a mirror that is no good, for the next: %s', async (manner, reason) => {
    const cache = newCache();
    isWhole(await take([manner, 'good'], { cache }));
    expect(left(cache)).toEqual(Object.keys(FILES).sort());
    const { code, message, fix } = await failure(take([manner]));
    expect(code).toBe('DATA-NOT-FOUND');
    expect(message).toMatch(reason);
    expect(message).toContain(`${BIG} (${images.length.toLocaleString('en-US')} bytes) could not be downloaded`);
    expect(fix).toMatch(/^Put the files of Tiny into .*tiny by hand, or name a folder .* --data idx:DIR\.$/);
  });

  it('tells of every mirror when none is good, and caches nothing', async () => {
    const cache = newCache();
    const { message } = await failure(take(['missing', 'wrong', 'page'], { cache }));
    expect(message.match(/http:\/\/\S+ (answers|sends)/g)).toHaveLength(3);
    expect(left(cache).filter((name) => !name.endsWith('.part'))).toEqual([]);
    // What the second one sent is not taken for the file later on.
    isWhole(await take(['good'], { cache }));
  });

  it('follows redirects, and waits for a server that is slow', async () => {
    isWhole(await take(['moved']));
    isWhole(await take(['slow']));
  });

  it('goes on where the connection broke', async () => {
    isWhole(await take(['drops']));
    const ranges = asked.filter(({ path }) => path.endsWith(BIG));
    expect(ranges.map(({ range, ifRange }) => [Boolean(range), ifRange])).toEqual([
      [false, undefined],
      [true, '"v1"'],
      [true, '"v1"'],
    ]);
  });

  it.each(['forgets', 'refuses', 'changes'])('starts over where what there was does not fit: %s', async (manner) => {
    isWhole(await take([manner]));
    const requests = asked.filter(({ path }) => path.endsWith(BIG)).map(({ range }) => Boolean(range));
    expect(requests).toEqual(manner === 'forgets' ? [false, true] : [false, true, false]);
  });

  it('goes on at another mirror with what the first one sent', async () => {
    isWhole(await take(['silent', 'good']));
    const last = asked.findLast(({ path }) => path === `good/${BIG}`);
    expect(last?.range).toBe('bytes=5000-');
    expect(last?.ifRange).toBeUndefined();
  });

  it('ends when it is aborted, with the reason, and goes on the next time', async () => {
    const cache = newCache();
    const controller = new AbortController();
    const reason = new Error('enough');
    const onProgress = ({ received }: { received: number }) => received > 30_000 && controller.abort(reason);
    await expect(take(['slow'], { cache, signal: controller.signal, onProgress })).rejects.toBe(reason);
    expect(left(cache)).toEqual([`${BIG}.part`]);
    isWhole(await take(['good'], { cache }));
    expect(Number(/\d+/.exec(asked.find(({ path }) => path === `good/${BIG}`)!.range!)![0])).toBeGreaterThan(30_000);
    expect(left(cache)).toEqual(Object.keys(FILES).sort());
  });

  it('takes up what a killed process left, and leaves what a living one writes', async () => {
    for (const [owner, resumes] of [
      [`${hostname()}~2147483647~a`, true],
      [`${hostname()}~${process.pid}~a`, false],
      ['elsewhere~1~a', false],
      ['elsewhere~1~old', true],
    ] as const) {
      const cache = newCache();
      const part = join(cache, 'tiny', `${BIG}.${owner}.part`);
      mkdirSync(join(cache, 'tiny'), { recursive: true });
      writeFileSync(part, Buffer.concat([Buffer.from(`{"url":"${base}/good/${BIG}"}\n`), images.subarray(0, 777)]));
      if (owner.endsWith('old')) utimesSync(part, 1e9, 1e9);
      asked.length = 0;
      isWhole(await take(['good'], { cache }));
      expect([owner, asked[0]!.range]).toEqual([owner, resumes ? 'bytes=777-' : undefined]);
      expect(existsSync(part)).toBe(!resumes);
    }
  });

  it('serves two that want it at once', async () => {
    const cache = newCache();
    for (const files of await Promise.all([
      take(['slow'], { cache }),
      take(['drops'], { cache }),
      take(['good'], { cache }),
    ]))
      isWhole(files);
    expect(left(cache)).toEqual(Object.keys(FILES).sort());
  });

  it('downloads again what is damaged in the cache, and only that', async () => {
    const cache = newCache();
    await take(['good'], { cache });
    const path = join(cache, 'tiny', BIG);
    const bytes = readFileSync(path);
    bytes[1234]! ^= 1;
    writeFileSync(path, bytes);
    asked.length = 0;
    isWhole(await take(['good'], { cache }));
    expect(asked.map(({ path: each }) => each)).toEqual([`good/${BIG}`]);
    expect(sha(readFileSync(path))).toBe(sha(images));
  });

  it('takes files that were put into the folder by hand', async () => {
    const cache = newCache();
    mkdirSync(join(cache, 'tiny'), { recursive: true });
    for (const [name, bytes] of Object.entries(FILES)) writeFileSync(join(cache, 'tiny', name), bytes);
    isWhole(await take(['missing'], { cache }));
    expect(asked).toEqual([]);
  });

  it('says when the cache cannot be written', async () => {
    const cache = folder.path('a-file');
    writeFileSync(cache, '');
    const { code, message, fix } = await failure(take(['good'], { cache }));
    expect(code).toBe('OUTPUT-UNWRITABLE');
    expect(message).toContain('part of the path is a file');
    expect(fix).toContain('DOWNHILL_CACHE');
  });

  it('does not unpack a bomb, were it the right file', async () => {
    const bomb = gzipSync(Uint8Array.from([0, 0, 8, 3, ...u32(2), ...u32(2), ...u32(2), ...new Uint8Array(1 << 24)]));
    const files = SET.files.map((file) => (file.name === BIG ? known(BIG, bomb) : file));
    const cache = newCache();
    mkdirSync(join(cache, 'tiny'), { recursive: true });
    writeFileSync(join(cache, 'tiny', BIG), bomb);
    const { train } = await take(['good'], { cache, set: { ...SET, files } });
    expect((await failure(idx(train))).code).toBe('DATA-FORMAT');
  });
});

describe('options', () => {
  it('are checked before anything is asked for', async () => {
    const bad = (name: string, options: unknown) => failure(datasetFiles(name as 'mnist', options as DatasetOptions));
    expect(await bad('mnits', {})).toMatchObject({ code: 'OPTION-RANGE', fix: expect.stringContaining("'mnist'") });
    expect(await bad('mnist', { chache: '' })).toMatchObject({ code: 'OPTION-UNKNOWN' });
    expect(await bad('mnist', { mirrors: ['ftp://a/'] })).toMatchObject({ code: 'OPTION-TYPE' });
    expect(await bad('mnist', { mirrors: [] })).toMatchObject({ code: 'OPTION-TYPE' });
    expect(await bad('mnist', { silenceMs: 0 })).toMatchObject({ code: 'OPTION-RANGE' });
    expect(await bad('mnist', { cache: '' })).toMatchObject({ code: 'OPTION-TYPE' });
  });

  it('come from the environment where they are not given', async () => {
    vi.stubEnv('DOWNHILL_CACHE', newCache());
    vi.stubEnv('DOWNHILL_MIRROR', `${base}/missing`);
    const { message, fix } = await failure(dataset('fashion-mnist'));
    expect(message).toContain(`${base}/missing/fashion-mnist/${BIG} answers with HTTP status 404`);
    expect(fix).toContain(join(process.env.DOWNHILL_CACHE!, 'fashion-mnist'));
  });

  it('have the folder of caches that a platform has', () => {
    const at = (platform: string, env: Record<string, string> = {}) => cacheFolder({ platform, env, home: '/home/a' });
    expect(at('linux')).toBe('/home/a/.cache/downhill');
    expect(at('linux', { XDG_CACHE_HOME: '/c' })).toBe('/c/downhill');
    expect(at('darwin')).toBe('/home/a/Library/Caches/downhill');
    expect(at('win32', { LOCALAPPDATA: '/local' })).toBe('/local/downhill/cache');
    expect(at('darwin', { DOWNHILL_CACHE: '/x', XDG_CACHE_HOME: '/c' })).toBe('/x');
  });
});

describe('the table of sets', () => {
  it('has four files in each, of several mirrors', () => {
    for (const set of Object.values(NAMED_SETS)) {
      expect(set.files.map(({ name }) => name)).toEqual(Object.keys(FILES));
      for (const { sha256 } of set.files) expect(sha256).toMatch(/^[0-9a-f]{64}$/);
      expect(set.mirrors.length).toBeGreaterThan(1);
      for (const mirror of set.mirrors) expect(new URL(mirror).pathname).toMatch(/\/$/);
    }
    expect(DATASETS.mnist).toMatchObject({ train: 60_000, test: 10_000, features: 784, classes: 10 });
  });

  const real = '../shared/data/mnist';
  it.skipIf(!existsSync(real))('has the checksums of real files', () => {
    for (const { name, bytes, sha256 } of NAMED_SETS.mnist.files.filter((file) => file.name.startsWith('t10k'))) {
      const file = readFileSync(join(real, name));
      expect([name, file.length, sha(file)]).toEqual([name, bytes, sha256]);
    }
  });
});
