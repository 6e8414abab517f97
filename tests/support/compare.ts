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

interface Small {
  /** Flags; without --iterations it is 16 of them. */
  readonly line?: readonly string[];
  /** On drawn digits, where images of 4 x 4 pixels are too easy. */
  readonly drawn?: true;
  /** Takes a CPU adapter a quarter of a minute and more: in tests/slow. */
  readonly long?: true;
  /** The claims that hold also so small, by a part of their text. */
  readonly holds: readonly string[];
}

export const SMALL: Readonly<Record<string, Small>> = {
  batching: { line: ['--iterations', '30'], holds: ['noisier than mini'] },
  ravine: { line: ['--iterations', '150'], holds: ['momentum needs', 'Nesterov', 'AdaGrad'] },
  saddle: { line: ['--iterations', '400'], holds: ['momentum leaves', 'RMSProp', 'Adam'] },
  'local-minima': { line: ['--iterations', '200'], holds: ['nearest', 'lower'] },
  optimizers: { line: ['--optimizers', 'sgd,momentum', '--lr', '0.01'], holds: ['momentum gets further'] },
  'bias-correction': { line: ['--iterations', '40'], holds: ['the correction keeps the highest loss'] },
  'adam-variants': { line: ['--iterations', '40'], holds: ['first step', 'thousandth', 'higher loss'] },
  schedules: { long: true, line: ['--iterations', '60', '--lr', '0.3'], holds: ['a warm-up keeps the highest loss'] },
  warmup: { line: ['--seeds', '1', '--iterations', '40'], holds: ['with less risk'] },
  'batch-size': { line: ['--epochs', '1', '--most', '64'], holds: ['the largest batch ends at the highest loss'] },
  initialisation: { holds: ['vanishes', 'He’s trains faster'] },
  normalisation: { line: ['--iterations', '30'], holds: ['standardised is faster', '10 times the rate batch norm'] },
  regularisation: {
    ...{ drawn: true, long: true },
    line: ['--seeds', '1', '--iterations', '120'],
    holds: ['has turned and risen', 'L2 penalty', 'mixup'],
  },
  'full-batch': { long: true, line: ['--iterations', '60'], holds: ['L-BFGS gets lower than gradient'] },
  search: {
    long: true,
    line: ['--seeds', '1', '--trials', '16', '--iterations', '8'],
    holds: ['the rate alone', 'random search finds a lower'],
  },
};

/** Their names, some of which are long. */
export const chaptersThatAre = ({ long }: { readonly long: boolean }): string[] =>
  Object.keys(SMALL).filter((name) => (SMALL[name]!.long ?? false) === long);

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
    const { line = ['--iterations', '16'], drawn, holds } = SMALL[name]!;
    const withoutData = plan(new Map(), quick, true).withoutData === true;
    const images = drawn ? ['--samples', '500'] : tinyImages(path('images'));
    const data = withoutData ? [] : [...images, '--images', '120'];
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
