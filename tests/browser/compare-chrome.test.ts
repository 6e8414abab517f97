import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { compare } from '../../harness/compare/command.js';
import { ensureBuild } from '../../harness/setup/build.mjs';
import { fakeIo, scratch } from '../support/cli.js';
import { tinyImages } from '../support/compare.js';

const folder = scratch();
afterAll(folder.remove);
beforeAll(() => ensureBuild());

const numbersOf = (name: string) => JSON.parse(readFileSync(folder.path(name, 'comparison.json'), 'utf8'));

describe('downhill compare --in chrome', () => {
  it('does a chapter in a page, with the curves of Node, and names the browser and its adapter', async () => {
    const line = ['optimizers', ...tinyImages(folder.path('images')), '--optimizers', 'sgd,momentum', '--lr', '0.01'];
    const amounts = ['--iterations', '12', '--seeds', '2', '--json'];
    const io = fakeIo();
    const at = (place: string) => [...line, ...amounts, '--in', place, '--out', folder.path(place)];
    expect(await compare(at('chrome'), io)).toBe(0);
    expect(io.err()).toMatch(/4 runs, about/);
    expect(await compare(at('node'), fakeIo())).toBe(0);
    const [there, here] = [numbersOf('chrome'), numbersOf('node')];
    expect(Object.keys(there.versions).join()).toMatch(/Chrom|Edge/);
    expect(there.adapter.name).toEqual(expect.any(String));
    expect(there).toMatchObject({ amounts: here.amounts, seeds: [0, 1], commit: here.commit });
    expect(there.claims.map(({ text }: { text: string }) => text)).toEqual(
      here.claims.map(({ text }: { text: string }) => text),
    );
    const losses = ({ panels }: typeof there) => panels[0].curves.flatMap(({ y }: { y: number[] }) => y);
    for (const [i, loss] of losses(there).entries()) expect(Math.abs(loss / losses(here)[i] - 1)).toBeLessThan(1e-3);
    expect(readFileSync(folder.path('chrome', 'comparison.svg'), 'utf8')).toContain(there.adapter.name);
  });

  it('does one of an analytic function, without data', async () => {
    const out = folder.path('saddle');
    expect(await compare(['saddle', '--quick', '--in', 'chrome', '--out', out, '--json'], fakeIo())).toBe(0);
    expect(numbersOf('saddle').claims.every(({ holds }: { holds: boolean }) => holds)).toBe(true);
  });

  it('keeps what was measured when it is interrupted', async () => {
    const io = fakeIo();
    const line = ['batching', ...tinyImages(folder.path('images')), '--images', '120', '--iterations', '100000'];
    const done = compare([...line, '--in', 'chrome', '--out', folder.path('interrupted')], io);
    const asked = setInterval(() => {
      if (!/\d runs, about/.test(io.err())) return;
      clearInterval(asked);
      setTimeout(() => io.interrupt(), 500);
    }, 20);
    expect(await done).toBe(130);
    const { panels, claims } = numbersOf('interrupted');
    expect(panels[0].curves.length).toBeGreaterThan(0);
    expect(claims).toEqual([]);
  });
});
