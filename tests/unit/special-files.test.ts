import { execFileSync, spawn } from 'node:child_process';
import { mkdirSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import os from 'node:os';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { main } from '../../harness/cli.js';
import { readTrial } from '../../harness/search/trial.js';
import { SweepFolder } from '../../harness/sweep/folder.js';
import { folderKeeper } from '../../harness/sweep/keeper.js';
import { readCa } from '../../harness/sweep/redis/connect.js';
import { DownhillError } from '../../src/index.js';
import {
  fileLog,
  folderPlans,
  folderStore,
  idxFolder,
  idxSource,
  imageFolder,
  readPlainFile,
} from '../../src/node/index.js';
import { fakeIo, scratch, writeIdx } from '../support/cli.js';

/* Pipes, devices, sockets, folders and files of /proc where a file has to be: an error at once, for every reader. */

const folder = scratch();
const pipe = folder.path('pipe');
/** Names that readers go by, each the name of a pipe. */
const NAMED = [
  'pipe',
  'pipe.csv',
  'pipe.npy',
  'pipe.npz',
  'idx/train-images-idx3-ubyte',
  'idx/train-labels-idx1-ubyte',
  'run/config.json',
  'run/model.safetensors',
  'run/search.json',
  'run/sweep.json',
  'run/results.jsonl',
  'run/step-000001.safetensors',
  'run/plan.json',
  'images/a/1.png',
];
const server = createServer();
const socket = folder.path('socket');
const release = spawn(
  'sh',
  // Who waits at a pipe after all is let go, so that the test fails and does not hang.
  [
    '-c',
    'sleep 60; for each in "$@"; do (echo >"$each") & done; sleep 5; kill $(jobs -p)',
    'sh',
    ...NAMED.map((name) => folder.path(name)),
  ],
  { stdio: 'ignore', detached: true },
);

beforeAll(async () => {
  for (const name of ['idx', 'run', 'images/a', 'images/b', 'half']) mkdirSync(folder.path(name), { recursive: true });
  execFileSync(
    'mkfifo',
    NAMED.map((name) => folder.path(name)),
  );
  symlinkSync('/dev/zero', folder.path('zero.npz'));
  symlinkSync('/dev/zero', folder.path('images/b/1.png'));
  writeIdx(folder.path('half'), 'train', 8);
  writeFileSync(folder.path('sparse'), '');
  truncateSync(folder.path('sparse'), 2 ** 40);
  await new Promise<void>((resolve) => server.listen(socket, resolve));
});
afterAll(() => {
  process.kill(-release.pid!, 'SIGKILL');
  server.close();
  folder.remove();
});

const SPECIAL: Readonly<Record<string, readonly [path: () => string, words: RegExp]>> = {
  'a pipe': [() => pipe, /it is a pipe, not a file/],
  'a socket': [() => socket, /it is a socket, not a file/],
  'a folder': [() => folder.path('half'), /it is a folder, not a file/],
  '/dev/zero': [() => '/dev/zero', /it is a device, not a file/],
  '/proc/self/pagemap, which has no size': [
    () => '/proc/self/pagemap',
    /it has no size, as files that the system makes up/,
  ],
  'a sparse file': [() => folder.path('sparse'), /it has 1,099,511,627,776 bytes, more than/],
};

async function said(args: readonly string[]): Promise<{ code: number; err: string }> {
  const io = fakeIo();
  const code = await main(args, io);
  return { code, err: io.err().replace(/\s+/g, ' ') };
}

describe.each(Object.entries(SPECIAL))('%s', (_, [path, words]) => {
  test.each<[string, (path: string) => string[]]>([
    ['train --data csv:', (file) => ['train', '--data', `csv:${file}`, '--target', 'a']],
    ['train --data npy:', (file) => ['train', '--data', `npy:${file},${file}`]],
    ['train --config', (file) => ['train', '--config', file]],
    ['train --plan', (file) => ['train', '--plan', file, '--samples', '100']],
    ['search --space', (file) => ['search', '--space', file]],
    ['trial', (file) => ['trial', file]],
    ['bench --compare', (file) => ['bench', '--compare', file]],
  ])('%s', async (_, args) => {
    const { code, err } = await said(args(path()));
    expect(err).toMatch(words);
    expect(err).toMatch(/code (DATA-NOT-FOUND|DATA-FORMAT)/);
    expect(code).toBeGreaterThan(0);
  });
});

test.each<[string, () => string[]]>([
  ['train --data idx:', () => ['train', '--data', `idx:${folder.path('idx')}`]],
  ['train --data npy: of an archive', () => ['train', '--data', `npy:${folder.path('pipe.npz')}`]],
  ['train --resume', () => ['train', '--resume', folder.path('run')]],
  ['predict --model of a folder', () => ['predict', '--model', folder.path('run'), '--data', 'digits']],
  ['predict --model', () => ['predict', '--model', pipe, '--data', 'digits']],
  ['export --model', () => ['export', '--model', pipe]],
  ['search --resume', () => ['search', '--resume', folder.path('run')]],
])('a pipe in a folder that is named: %s', async (_, args) => {
  const { code, err } = await said(args());
  expect(err).toMatch(/it is a pipe, not a file|cannot be read/);
  expect(err).toMatch(/code (DATA-NOT-FOUND|DATA-FORMAT)/);
  expect(code).toBeGreaterThan(0);
});

test('an archive without an end', async () => {
  expect((await said(['train', '--data', `npy:${folder.path('zero.npz')}`])).err).toMatch(/it is a device, not a file/);
});

test.each<[string, string, () => unknown]>([
  ['idxFolder', 'DATA-NOT-FOUND', () => idxFolder(folder.path('idx'))],
  [
    'idxSource, images',
    'DATA-NOT-FOUND',
    () => idxSource({ images: pipe, labels: folder.path('half/train-labels-idx1-ubyte') }),
  ],
  ['idxSource, labels', 'DATA-NOT-FOUND', () => idxSource({ images: pipe, labels: pipe })],
  ['imageFolder', 'DATA-NOT-FOUND', () => imageFolder(folder.path('images'))],
  ['fileLog', 'OUTPUT-UNWRITABLE', () => fileLog(pipe).read()],
  ['folderStore', 'STORE-UNREADABLE', async () => (await folderStore(folder.path('run'), { readOnly: true })).latest()],
  ['a trial’s file', 'DATA-NOT-FOUND', () => readTrial(pipe)],
  ['a sweep', 'DATA-NOT-FOUND', () => new SweepFolder(folder.path('run')).read()],
  ['a sweep’s results', 'OUTPUT-UNWRITABLE', () => new SweepFolder(folder.path('run')).results()],
  ['a certificate', 'DATA-NOT-FOUND', () => readCa(pipe)],
])('%s', async (_, code, read) => {
  const error = await Promise.resolve()
    .then(read)
    .then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
  expect(error).toBeInstanceOf(DownhillError);
  expect((error as DownhillError).code).toBe(code);
});

test('what is kept, plans and checkpoints of trials, is not waited for either', async () => {
  await expect(folderPlans(folder.path('run')).load('plan')).rejects.toThrow('it is a pipe, not a file');
  expect(() => folderKeeper(folder.path()).get('pipe')).toThrow('it is a pipe, not a file');
});

test('a file is read whole, and an empty one is empty', async () => {
  writeFileSync(folder.path('file'), 'abc');
  writeFileSync(folder.path('empty'), '');
  expect(await readPlainFile(folder.path('file'))).toEqual(Uint8Array.from([97, 98, 99]));
  expect(await readPlainFile(folder.path('empty'))).toHaveLength(0);
  await expect(readPlainFile(folder.path('file'), 2)).rejects.toThrow('it has 3 bytes, more than 2');
});

test('a checkpoint may have any size that memory has room for', async () => {
  mkdirSync(folder.path('large'));
  const file = folder.path('large/step-000001.safetensors');
  writeFileSync(file, '');
  const store = await folderStore(folder.path('large'), { readOnly: true });
  const words = async () => String(await store.latest().catch((error: Error) => error));
  for (const [size, free, said] of [
    [5000, 4096, /it has 5,000 bytes, more than 4,096/],
    [5000, 8192, /damaged/],
  ] as const) {
    truncateSync(file, size);
    vi.spyOn(os, 'freemem').mockReturnValue(free);
    expect(await words()).toMatch(said);
  }
  vi.restoreAllMocks();
});

test('a part of a folder of IDX files is one of two, not a pattern', async () => {
  for (const part of ['tr(ain', '.*', 'T10K', '', null]) {
    await expect(idxFolder(folder.path('half'), part as 'train')).rejects.toMatchObject({
      code: expect.stringMatching(/^OPTION-(RANGE|TYPE)$/),
    });
  }
  expect((await idxFolder(folder.path('half'), 'train')).images).toHaveLength(16 + 8 * 16);
});
