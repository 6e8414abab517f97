import { readFileSync } from 'node:fs';
import { afterAll, expect, it } from 'vitest';
import { scratch } from '../support/cli.js';
import { SMALL, testChapters } from '../support/compare.js';

const folder = scratch();
afterAll(folder.remove);

testChapters(
  Object.keys(SMALL).filter((name) => SMALL[name]!.slow),
  folder.path,
);

/* Of the run above. */
it('regularisation has mixup, and the point marked at which one stops', () => {
  const { panels, table } = JSON.parse(readFileSync(folder.path('regularisation', 'comparison.json'), 'utf8'));
  const [training, validation] = panels;
  expect(training.marks).toBeUndefined();
  expect(validation.marks).toEqual([{ x: expect.any(Number), text: 'stop here, without' }]);
  expect(table.map(([name]: string[]) => name).join()).toMatch(/none,L2 penalty.*dropout.*batch norm,mixup/);
  // The lowest of the curve without.
  const [{ x, y }] = validation.curves;
  expect(x[y.indexOf(Math.min(...y))]).toBe(validation.marks[0].x);
});
