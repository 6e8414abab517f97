import { existsSync, readFileSync } from 'node:fs';
import { afterAll, expect, it } from 'vitest';
import { compare } from '../../harness/compare/command.js';
import { fakeIo, scratch } from '../support/cli.js';
import { chaptersThatAre, testChapters, tinyImages } from '../support/compare.js';

const folder = scratch();
afterAll(folder.remove);

/** The others are in compare-networks.test.ts, long ones in tests/slow. */
testChapters(chaptersThatAre({ long: false }).slice(0, 7), folder.path);

const numbersOf = (name: string) => JSON.parse(readFileSync(folder.path(name, 'comparison.json'), 'utf8'));
const namesOf = ({ curves }: { curves: { name: string }[] }) => curves.map(({ name }) => name);

/* Of the runs above. */
it('batching is drawn against iterations, epochs and seconds, with the loss of a batch after its update', () => {
  const { panels, table, notes, seeds } = numbersOf('batching');
  expect(panels.map(({ x }: { x: string }) => x)).toEqual(['iteration', 'iteration', 'epoch', 'seconds']);
  for (const panel of panels) expect(namesOf(panel)).toEqual(table.slice(1).map(([name]: string[]) => name));
  // The notes plot 0 to 1; where not all curves get there, more.
  for (const { range } of panels)
    expect([
      [0, 1],
      [0, 2.5],
    ]).toContainEqual(range);
  const [all, single, few] = panels[2].curves.map(({ x }: { x: number[] }) => x.at(-1));
  // Two batches of 64 are the epoch of 120 images.
  expect([all, single, few]).toEqual([30, 30 / 120, 30 / 2]);
  // At 15 and 30 of 30 steps.
  expect(panels[1].curves.map(({ x }: { x: number[] }) => x)).toEqual([
    [15, 30],
    [15, 30],
    [15, 30],
  ]);
  expect(notes.join(' ')).toMatch(/falls smoothly[\s\S]*60,000 images/);
  expect(seeds).toEqual([0]);
});

it.each(['equal', 'default', 'tuned'])('optimizers are compared at rates that are %s', async (rates) => {
  const out = folder.path(`rates-${rates}`);
  const line = ['optimizers', ...tinyImages(folder.path('images')), '--optimizers', 'sgd,adam', '--rates', rates];
  expect(await compare([...line, '--iterations', '8', '--out', out, '--json'], fakeIo())).toBe(0);
  const { table, given, panels } = numbersOf(`rates-${rates}`);
  const [sgd, adam] = table.slice(1).map(([, rate]: string[]) => Number(rate));
  if (rates === 'equal') expect([sgd, adam]).toEqual([0.01, 0.01]);
  if (rates === 'default') expect([sgd, adam]).toEqual([0.001, 0.001]);
  if (rates === 'tuned') expect(given.every((lr: number) => lr >= 1e-4 && lr <= 1)).toBe(true);
  expect(panels[0].title).toContain({ equal: '0.01 for all', default: 'default', tuned: 'short search' }[rates]);
});

it('draws and keeps what was measured when it is interrupted', async () => {
  const io = fakeIo();
  const out = folder.path('interrupted');
  const line = ['batching', ...tinyImages(folder.path('images')), '--images', '120', '--iterations', '100000'];
  const done = compare([...line, '--out', out], io);
  const asked = setInterval(() => {
    if (/\d runs, about/.test(io.err())) {
      clearInterval(asked);
      setTimeout(() => io.interrupt(), 500);
    }
  }, 20);
  expect(await done).toBe(130);
  expect(io.out()).toContain('comparison.svg');
  expect(existsSync(`${out}/comparison.svg`)).toBe(true);
  const { panels, claims } = JSON.parse(readFileSync(`${out}/comparison.json`, 'utf8'));
  expect(panels[0].curves.length).toBeGreaterThan(0);
  expect(claims).toEqual([]);
});
