import { afterAll, beforeAll, expect, test } from 'vitest';
import { ensureBuild } from '../../harness/setup/build.mjs';
import { downhill, jsonLines, readLines, scratch } from '../support/cli.js';

/* Workers of a sweep that train in headless Chrome. */

const { path, remove } = scratch();
afterAll(remove);
beforeAll(() => ensureBuild());

const WORDS = (
  'lr=log:1e-3..1 --method halving --trials 4 --first-rung 0.5 --optimizer sgd --model 784-8-10 --samples 300 --batch 32 --steps 32 ' +
  '--pack 4 --every 8'
).split(' ');

test('a sweep in Chrome goes on from checkpoints that came from the page, and has the results of Node', async () => {
  for (const name of ['node', 'chrome'])
    expect((await downhill(['sweep', 'add', ...WORDS, '--out', path(name)]).done).code).toBe(0);
  const node = await downhill(['sweep', 'work', path('node'), '--workers', '1', '--json']).done;
  expect(node.code).toBe(0);
  const chrome = await downhill(['sweep', 'work', path('chrome'), '--workers', '1', '--in', 'chrome', '--json']).done;
  expect(chrome.err).toBe('');
  expect(chrome.code).toBe(0);
  const ready = jsonLines(chrome.out).filter(({ type }) => type === 'ready');
  expect(ready).toMatchObject([{ adapter: expect.stringMatching(/\w/) }]);
  const trials = (name: string) => readLines(path(name, 'results', 'trials.jsonl'));
  expect(trials('chrome').map(({ state, step }) => [state, step])).toEqual(
    trials('node').map(({ state, step }) => [state, step]),
  );
  // Another adapter may round otherwise.
  for (const [i, { value }] of trials('chrome').entries())
    expect(value as number).toBeCloseTo(trials('node')[i]!.value as number, 3);
});
