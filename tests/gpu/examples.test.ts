import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { promisify } from 'node:util';
import { beforeAll, expect, it } from 'vitest';
import { ensureBuild } from '../../harness/setup/build.mjs';

const root = resolve(import.meta.dirname, '../..');
/** Runs an example as a user would: on the built package, by its own name. */
const run = async (name: string) =>
  (await promisify(execFile)(process.execPath, [`examples/${name}`], { cwd: root, timeout: 100_000 })).stdout;

beforeAll(() => ensureBuild());

it('the ten lines of the README train', async () => {
  const text = readFileSync(resolve(root, 'examples/train.mjs'), 'utf8');
  expect(readFileSync(resolve(root, 'README.md'), 'utf8')).toContain(text.trimEnd());
  const out = await run('train.mjs');
  expect(out).toMatch(/step 50, loss \d/);
  expect(Number(/accuracy: ([\d.]+)/.exec(out)?.[1])).toBeGreaterThan(0.9);
});

it('an update kernel runs on foreign buffers, in a foreign encoder', async () => {
  expect(Number(await run('own-encoder.mjs'))).toBeCloseTo(0.95, 6);
});
