import { existsSync, readFileSync } from 'node:fs';
import { afterAll, expect, it } from 'vitest';
import { compare } from '../../harness/compare/command.js';
import { fakeIo, scratch } from '../support/cli.js';
import { SMALL, testChapters, tinyImages } from '../support/compare.js';

const folder = scratch();
afterAll(folder.remove);

/** Chapters of the first half; the others are in compare-networks.test.ts. */
testChapters(Object.keys(SMALL).slice(0, 8), folder.path);

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
