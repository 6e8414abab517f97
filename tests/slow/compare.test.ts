import { existsSync, readFileSync } from 'node:fs';
import { afterAll, expect, it } from 'vitest';
import { compare } from '../../harness/compare/command.js';
import { fakeIo, scratch } from '../support/cli.js';
import { chaptersThatAre, testChapters, tinyImages } from '../support/compare.js';

/* Chapters that train for long, and all of them in one command. */

const folder = scratch();
afterAll(folder.remove);

testChapters(chaptersThatAre({ long: true }), folder.path);

const numbersOf = (name: string) => JSON.parse(readFileSync(folder.path(name, 'comparison.json'), 'utf8'));

const namesOf = ({ curves }: { curves: { name: string }[] }) => curves.map(({ name }) => name);

/* Of the runs above. */
it('schedules are all eight, each with and without a warm-up', () => {
  const { panels, table } = numbersOf('schedules');
  expect(table).toHaveLength(1 + 8);
  for (const panel of panels) expect(namesOf(panel)).toEqual(table.slice(1).map(([name]: string[]) => name));
  const [cold, warm] = [panels[0], panels[2]].map(({ curves }) => curves.map(({ y }: { y: number[] }) => y));
  for (const [i, rates] of warm.entries()) {
    expect(rates[0]).toBeLessThan(cold[i][0]);
    expect(Math.max(...rates)).toBeCloseTo(0.3, 2);
  }
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

it('of all chapters those that can are done, and those that cannot are told of', async () => {
  const io = fakeIo();
  const amounts = ['--quick', '--samples', '60', '--images', '20', '--iterations', '12'];
  expect(await compare(['all', ...amounts, '--out', folder.path('all')], io)).toBe(1);
  expect(io.err()).toContain('batching has batches of 64, but there are 20 images');
  expect(io.out()).toMatch(/batching +failed/);
  expect(io.out()).toMatch(/saddle +\d of 3/);
  expect(io.out()).toMatch(/\n {2}15 chapters, /);
  expect(existsSync(folder.path('all', 'ravine', 'comparison.svg'))).toBe(true);
});

it('trains with each seed, with the same numbers together and alone', async () => {
  const losses = async (seeds: string) => {
    const out = folder.path(`seeds-${seeds}`);
    const line = ['optimizers', ...tinyImages(folder.path('images')), '--optimizers', 'sgd,adam', '--lr', '0.01'];
    expect(await compare([...line, '--iterations', '6', '--seeds', seeds, '--out', out, '--json'], fakeIo())).toBe(0);
    return JSON.parse(readFileSync(`${out}/comparison.json`, 'utf8')).panels[0].curves;
  };
  const [one, three] = [await losses('1'), await losses('3')];
  for (const [i, { y }] of one.entries()) {
    const { low, high } = three[i].band;
    // Seed 0 is one of the three, in the dispatches of six.
    expect(y.every((loss: number, step: number) => low[step] <= loss && loss <= high[step])).toBe(true);
    expect(low).not.toEqual(high);
  }
});
