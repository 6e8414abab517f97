import { readFileSync } from 'node:fs';
import { afterAll, expect, it } from 'vitest';
import { CHAPTERS } from '../../harness/compare/chapters/index.js';
import { scratch } from '../support/cli.js';
import { SMALL, testChapters } from '../support/compare.js';

const folder = scratch();
afterAll(folder.remove);

it('every chapter has a test', () => {
  expect(Object.keys(SMALL)).toEqual(CHAPTERS.map(({ name }) => name));
});

testChapters(Object.keys(SMALL).slice(8), folder.path);

const numbersOf = (name: string) => JSON.parse(readFileSync(folder.path(name, 'comparison.json'), 'utf8'));

/* Of the runs above. */
it('batch sizes have a heat map of rates and batches, and a way with LARS', () => {
  const { heatMaps, table } = numbersOf('batch-size');
  const [{ columns, rows, values }] = heatMaps;
  expect(columns).toEqual(['16', '64']);
  expect(values.map((row: unknown[]) => row.length)).toEqual(rows.map(() => columns.length));
  expect(table.map(([name]: string[]) => name).join()).toMatch(/same rate.*linear scaling.*warm-up.*LARS/);
});

it('regularisation has mixup, and the point marked at which one stops', () => {
  const { panels, table } = numbersOf('regularisation');
  const [training, validation] = panels;
  expect(training.marks).toBeUndefined();
  expect(validation.marks).toEqual([{ x: expect.any(Number), text: 'stop here, without' }]);
  expect(table.map(([name]: string[]) => name).join()).toMatch(/none,L2 penalty.*dropout.*batch norm,mixup/);
  // The lowest of the curve without.
  const [{ x, y }] = validation.curves;
  expect(x[y.indexOf(Math.min(...y))]).toBe(validation.marks[0].x);
});
