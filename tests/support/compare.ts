/** Chapters of `downhill compare`, tiny, on images of 4 x 4 pixels: what they claim where so little decides it, and numbers for all. */
import { mkdirSync, readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { CHAPTERS } from '../../harness/compare/chapters/index.js';
import { compare } from '../../harness/compare/command.js';
import { fakeIo, writeIdx } from './cli.js';

interface Said {
  readonly claims: readonly { readonly text: string; readonly holds: boolean; readonly measured: string }[];
  readonly table: readonly (readonly unknown[])[];
}

/** Flags, and the claims that hold also so small, by a part of their text. */
export const SMALL: Readonly<Record<string, { readonly line?: readonly string[]; readonly holds: readonly string[] }>> =
  {
    batching: { line: ['--iterations', '30'], holds: ['noisier than mini'] },
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

/** Flags of a data set of 160 images to train on, and 40 to test. */
export function tinyImages(folder: string): string[] {
  mkdirSync(folder, { recursive: true });
  writeIdx(folder, 'train', 160);
  writeIdx(folder, 't10k', 40);
  return ['--data', `idx:${folder}`];
}

/** A test of each chapter so called. */
export function testChapters(names: readonly string[], path: (...names: string[]) => string): void {
  it.each(names)('%s', async (name) => {
    const { plan, quick } = CHAPTERS.find((chapter) => chapter.name === name)!;
    const { line = ['--iterations', '16'], holds } = SMALL[name]!;
    const withoutData = plan(new Map(), quick).withoutData === true;
    const data = withoutData ? [] : [...tinyImages(path('images')), '--images', '120'];
    const length = name === 'batch-size' || line.includes('--iterations') ? [] : ['--iterations', '16'];
    const io = fakeIo();
    const out = path(name);
    expect(await compare([name, ...data, ...length, ...line, '--out', out, '--json'], io)).toBe(0);
    const { claims, table } = JSON.parse(io.out()) as Said;
    expect(claims.length).toBeGreaterThan(0);
    for (const part of holds) {
      const claim = claims.find(({ text }) => text.includes(part));
      expect(claim, `${part}: ${claim?.measured}`).toMatchObject({ holds: true });
    }
    expect(table.length).toBeGreaterThan(2);
    const svg = readFileSync(`${out}/comparison.svg`, 'utf8');
    expect(svg).toMatch(/^<svg /);
    expect(svg).not.toMatch(/NaN|undefined/);
    const numbers = JSON.parse(readFileSync(`${out}/comparison.json`, 'utf8'));
    expect(numbers).toMatchObject({ chapter: name, claims, adapter: { name: expect.any(String) } });
    for (const { curves } of numbers.panels) expect(curves.length).toBeGreaterThan(0);
  });
}
