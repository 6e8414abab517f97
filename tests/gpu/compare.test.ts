import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { CHAPTERS } from '../../harness/compare/chapters/index.js';
import { compare } from '../../harness/compare/command.js';
import { fakeIo, scratch, writeIdx } from '../support/cli.js';

/* Every chapter, tiny, on images of 4 x 4 pixels: what it claims where so little decides it, and that it has numbers for all. */

const folder = scratch();
afterAll(folder.remove);
beforeAll(() => {
  mkdirSync(folder.path('images'));
  writeIdx(folder.path('images'), 'train', 160);
  writeIdx(folder.path('images'), 't10k', 40);
});

interface Said {
  readonly claims: readonly { readonly text: string; readonly holds: boolean; readonly measured: string }[];
  readonly table: readonly (readonly unknown[])[];
}

/** Flags, and the claims that hold also so small, by a part of their text. */
const SMALL: Readonly<Record<string, { readonly line?: readonly string[]; readonly holds: readonly string[] }>> = {
  batching: { line: ['--iterations', '30'], holds: ['noisiest'] },
  ravine: { line: ['--iterations', '150'], holds: ['momentum needs', 'Nesterov', 'AdaGrad'] },
  saddle: { line: ['--iterations', '400'], holds: ['momentum leaves', 'RMSProp', 'Adam'] },
  'local-minima': { line: ['--iterations', '200'], holds: ['nearest', 'lower'] },
  optimizers: { line: ['--optimizers', 'sgd,momentum', '--lr', '0.01'], holds: ['momentum gets further'] },
  'bias-correction': { holds: [] },
  'adam-variants': { line: ['--iterations', '40'], holds: ['first step', 'thousandth', 'higher loss'] },
  schedules: { holds: [] },
  warmup: { holds: [] },
  'batch-size': { line: ['--epochs', '1'], holds: [] },
  initialisation: { holds: ['vanishes'] },
  normalisation: { holds: [] },
  regularisation: { holds: [] },
  'full-batch': { line: ['--iterations', '60'], holds: ['L-BFGS gets lower than gradient'] },
  search: { line: ['--trials', '4'], holds: [] },
};

it('knows every chapter', () => {
  expect(Object.keys(SMALL)).toEqual(CHAPTERS.map(({ name }) => name));
});

it.each(CHAPTERS.map((chapter) => [chapter.name, chapter] as const))('%s', async (name, { plan, quick }) => {
  const { line = ['--iterations', '16'], holds } = SMALL[name]!;
  const withoutData = plan(new Map(), quick).withoutData === true;
  const data = withoutData ? [] : ['--data', `idx:${folder.path('images')}`, '--images', '120'];
  const length = name === 'batch-size' || line.includes('--iterations') ? [] : ['--iterations', '16'];
  const io = fakeIo();
  const out = folder.path(name);
  expect(await compare([name, ...data, ...length, ...line, '--out', out, '--json'], io)).toBe(0);
  const { claims, table } = JSON.parse(io.out()) as Said;
  expect(claims.length).toBeGreaterThan(0);
  for (const part of holds) {
    const claim = claims.find(({ text }) => text.includes(part));
    expect(claim, part).toMatchObject({ holds: true });
  }
  expect(table.length).toBeGreaterThan(2);
  const svg = readFileSync(`${out}/comparison.svg`, 'utf8');
  expect(svg).toMatch(/^<svg /);
  expect(svg).not.toMatch(/NaN|undefined/);
  const numbers = JSON.parse(readFileSync(`${out}/comparison.json`, 'utf8'));
  expect(numbers).toMatchObject({ chapter: name, claims, adapter: { name: expect.any(String) } });
  for (const { curves } of numbers.panels) expect(curves.length).toBeGreaterThan(0);
});

it('trains with each seed, with the same numbers together and alone', async () => {
  const losses = async (seeds: string) => {
    const out = folder.path(`seeds-${seeds}`);
    const line = ['optimizers', '--data', `idx:${folder.path('images')}`, '--optimizers', 'sgd,adam', '--lr', '0.01'];
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
  const line = ['batching', '--data', `idx:${folder.path('images')}`, '--images', '120', '--iterations', '100000'];
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
