import { describe, expect, test } from 'vitest';
import { readJournal } from '../../app/search/journal.js';

/* The file of a page's search, which anybody may have written. */

const of = {
  space: { lr: { kind: 'log-uniform', low: 1e-4, high: 1 } },
  ...{ method: 'random', metric: 'loss', texts: { optimizer: 'sgd' }, trials: 4, steps: 8, seed: 0 },
};
const log = JSON.stringify({ type: 'search', version: 1, space: of.space, budget: { trials: 4, steps: 8 } });
const fileOf = (value: unknown) => new File([JSON.stringify(value)], 'search.json');
const journal = (more: object = {}) => ({ format: 'downhill-page-search/1', of, ended: false, log: [log], ...more });

test('a search is read as it was saved', async () => {
  const { found, state } = await readJournal(fileOf(journal()));
  expect(found.of).toEqual(of);
  expect(state).toMatchObject({ method: 'random', metric: 'loss', trials: '4', steps: '8', seed: '0' });
});

describe('what is none is refused, with what to do', () => {
  test.each([
    ['another format', journal({ format: 'x' })],
    ['nothing of what it is', journal({ of: {} })],
    ['a method that there is not', journal({ of: { ...of, method: 'constructor' } })],
    ['trials that are no number', journal({ of: { ...of, trials: '4' } })],
    ['settings that are no texts', journal({ of: { ...of, texts: { optimizer: 3 } } })],
    ['a space that is none', journal({ of: { ...of, space: { lr: { kind: 'log-uniform', low: 1, high: 0 } } } })],
    ['a damaged log', journal({ log: ['{'] })],
    ['a list', []],
    ['null', null],
  ])('%s', async (_, value) => {
    const error = await readJournal(fileOf(value)).then(
      () => undefined,
      (thrown: Error & { fix?: string }) => thrown,
    );
    expect(error?.name).toMatch(/^(PageError|DownhillError)$/);
    expect(error?.fix).toBeTruthy();
  });
});
