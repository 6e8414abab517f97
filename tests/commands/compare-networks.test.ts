import { readFileSync } from 'node:fs';
import { afterAll, expect, it } from 'vitest';
import { CHAPTERS } from '../../harness/compare/chapters/index.js';
import { scratch } from '../support/cli.js';
import { chaptersThatAre, SMALL, testChapters } from '../support/compare.js';

const folder = scratch();
afterAll(folder.remove);

it('every chapter has a test', () => {
  expect(Object.keys(SMALL)).toEqual(CHAPTERS.map(({ name }) => name));
});

testChapters(chaptersThatAre({ long: false }).slice(7), folder.path);

const numbersOf = (name: string) => JSON.parse(readFileSync(folder.path(name, 'comparison.json'), 'utf8'));

/* Of the runs above. */
it('batch sizes have a heat map of rates and batches, and a way with LARS', () => {
  const { heatMaps, table } = numbersOf('batch-size');
  const [{ columns, rows, values }] = heatMaps;
  expect(columns).toEqual(['16', '64']);
  expect(values.map((row: unknown[]) => row.length)).toEqual(rows.map(() => columns.length));
  expect(table.map(([name]: string[]) => name).join()).toMatch(/same rate.*linear scaling.*warm-up.*LARS/);
});
