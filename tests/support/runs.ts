/** What the tests of runs that are gone on with share: small runs, and what they leave. */
import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { expect } from 'vitest';
import { downhill, scratch, writeIdx } from './cli.js';

/** A folder with data of 4 x 4 pixels, of which runs train; and what is asked of it. */
export function resumable() {
  const folder = scratch();
  mkdirSync(folder.path('idx'));
  writeIdx(folder.path('idx'), 'train', 70);
  writeIdx(folder.path('idx'), 't10k', 20);
  const bytes = (...names: string[]) => readFileSync(folder.path(...names));
  return {
    ...folder,
    bytes,
    /** 5 steps per epoch, the last batch short. */
    tiny: (...more: string[]) => [
      ...['train', '--data', `idx:${folder.path('idx')}`, '--model', '16-12-4', '--batch', '16', '--lr', '0.02'],
      ...more,
    ],
    checkpoints: (run: string) => readdirSync(folder.path(run, 'checkpoints')).sort(),
    /** What a run leaves must be that of one that was never stopped, byte for byte. */
    expectSame(run: string, whole: string, step: number): void {
      for (const file of [['metrics.jsonl'], ['model.safetensors'], ['checkpoints', nameOf(step)]])
        expect(bytes(run, ...file).equals(bytes(whole, ...file)), file.join('/')).toBe(true);
    },
  };
}

export const nameOf = (step: number) => `step-${String(step).padStart(6, '0')}.safetensors`;

/** Runs a command to its end. */
export async function done(args: readonly string[], expected = 0) {
  const run = await downhill(args).done;
  expect(run.code, run.err).toBe(expected);
  return run;
}
