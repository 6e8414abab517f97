import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ensureBuild } from '../../harness/setup/build.mjs';
import { downhill, jsonLines, readLines, scratch } from '../support/cli.js';

/* A sweep on one machine, without a queue: some children, a folder. */

const { path, remove } = scratch();
afterAll(remove);
beforeAll(() => ensureBuild());

const SPACE = 'lr=log:1e-3..1,momentum=0..0.95';
const TRAIN = '--optimizer sgd --model 784-8-10 --samples 300 --batch 32 --steps 32'.split(' ');
const METHOD = '--method halving --trials 6 --firstRung 0.25'.replace('firstRung', 'first-rung').split(' ');

test('comes to what a search of one process comes to, bit for bit, with two children and small packs', async () => {
  const alone = await downhill(['search', '--space', SPACE, ...METHOD, ...TRAIN, '--out', path('search'), '--json'])
    .done;
  expect(alone.code).toBe(0);
  const added = await downhill(['sweep', 'add', SPACE, ...METHOD, ...TRAIN, '--pack', '2', '--out', path('sweep')])
    .done;
  expect(added.out).toMatch(/added\s+sweep: 6 trials, 3 jobs to begin with/);
  const worked = await downhill(['sweep', 'work', path('sweep'), '--workers', '2', '--json']).done;
  expect(worked.code).toBe(0);
  const results = path('sweep', 'results');
  expect(readLines(`${results}/trials.jsonl`)).toEqual(readLines(path('search', 'trials.jsonl')));
  expect(readFileSync(`${results}/optuna-journal.log`, 'utf8')).toContain('"op_code":6');
  expect(readdirSync(results)).toEqual(expect.arrayContaining(['best.json', 'parallel.svg', 'search.jsonl']));
  const jobs = jsonLines(worked.out).filter(({ type, state }) => type === 'job' && state === 'begin');
  // Both children had some of it, and each kept its device from job to job.
  expect(new Set(jobs.map(({ pid }) => pid)).size).toBe(2);
  expect(jobs.length).toBeGreaterThan(3);
  const status = await downhill(['sweep', 'status', path('sweep')]).done;
  expect(status.out).toMatch(/jobs\s+\d+ of \d+ done\n/);
});

test('a cancelled trial is given up, the others are trained; a folder that has a sweep is refused', async () => {
  const words = [
    'sweep',
    'add',
    SPACE,
    '--method',
    'random',
    '--trials',
    '3',
    ...TRAIN,
    '--pack',
    '1',
    '--out',
    path('c'),
  ];
  expect((await downhill(words).done).code).toBe(0);
  expect((await downhill(words).done).err).toMatch(/has sweep\.json in it already[\s\S]*OUTPUT-UNWRITABLE/);
  await downhill(['sweep', 'cancel', path('c'), '--trial', '1']).done;
  const { code, out } = await downhill(['sweep', 'work', path('c'), '--workers', '1', '--json']).done;
  expect(code).toBe(0);
  const trials = readLines(path('c', 'results', 'trials.jsonl'));
  expect(trials.map(({ state }) => state)).toEqual(['complete', 'failed', 'complete']);
  expect(trials[1]).toMatchObject({ reason: 'cancelled' });
  expect(jsonLines(out).filter(({ type, trial }) => type === 'result' && trial === 1)).toMatchObject([{ value: null }]);
});

test('parameters that make no training fail their trial alone; data that is not there is refused at once', async () => {
  const space = 'lr=0.1,hidden=16|-3'; // no width is negative
  const added = await downhill([
    'sweep',
    'add',
    space,
    '--method',
    'grid',
    '--trials',
    '2',
    ...TRAIN,
    '--out',
    path('bad'),
  ]).done;
  expect(added.err).toMatch(/OPTION-RANGE/);
  const gone = ['sweep', 'add', SPACE, '--trials', '4', '--data', 'idx:/none', '--out', path('gone')];
  expect((await downhill(gone).done).err).toMatch(/DATA-NOT-FOUND/);
});

test('a worker that cannot keep a checkpoint says so and ends; the next one goes on', async () => {
  const words = [
    'sweep',
    'add',
    SPACE,
    '--method',
    'random',
    '--trials',
    '2',
    '--pack',
    '1',
    ...TRAIN,
    '--out',
    path('full'),
  ];
  expect((await downhill(words).done).code).toBe(0);
  // Root may write anywhere: a file where the folder has to be is what nobody can write into.
  writeFileSync(path('full', 'checkpoints'), '');
  const refused = await downhill(['sweep', 'work', path('full'), '--workers', '1']).done;
  expect(refused.code).toBe(1);
  expect(refused.err).toMatch(/cannot be written[\s\S]*OUTPUT-UNWRITABLE/);
  expect(refused.err).toMatch(/start the worker again/);
  rmSync(path('full', 'checkpoints'));
  expect((await downhill(['sweep', 'work', path('full'), '--workers', '1']).done).code).toBe(0);
  const trials = readLines(path('full', 'results', 'trials.jsonl'));
  expect(trials.map(({ state }) => state)).toEqual(['complete', 'complete']);
});
