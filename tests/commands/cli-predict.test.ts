import { readFileSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { ensureBuild } from '../../harness/setup/build.mjs';
import { parseNpy } from '../../src/index.js';
import { readLines } from '../support/cli.js';
import { done, nameOf, resumable } from '../support/runs.js';

/* What a run leaves is used: asked about samples. tests/unit/cli-model.test.ts has the rest of predict and export. */

const folder = resumable();
afterAll(folder.remove);
beforeAll(() => ensureBuild());

it('downhill predict says of the test part what the run said at its end', async () => {
  const run = folder.path('run');
  await done(folder.tiny('--epochs', '12', '--out', run));
  const { testAccuracy } = readLines(folder.path('run', 'metrics.jsonl')).at(-1)! as { testAccuracy: number };
  const out = folder.path('p.npy');
  const data = ['--data', `idx:${folder.path('idx')}`];
  const { out: said } = await done(['predict', '--model', run, ...data, '--show', '3', '--out', out]);
  expect(said).toContain(`accuracy ${(100 * testAccuracy).toFixed(2)} %`);
  expect(said).toMatch(/test part: 20 samples/);
  expect(said.match(/^ +[123] {2}[0-3] +\d+\.\d\d %/gm)).toHaveLength(3);
  const { shape, data: outputs } = parseNpy(readFileSync(out));
  expect(shape).toEqual([20, 4]);
  for (let i = 0; i < 20; i++)
    expect([0, 1, 2, 3].reduce((sum, j) => sum + Number(outputs[4 * i + j]), 0)).toBeCloseTo(1, 5);

  const file = folder.path('run', 'checkpoints', nameOf(60));
  const refused = await done(['predict', '--model', file, ...data, '--out', out], 1);
  expect(refused.err).toMatch(/already[\s\S]*--force/);
});

it('a table that was trained on is read again as it was', async () => {
  const rows = Array.from({ length: 200 }, (_, i) => `${i % 9},0;${['a', 'b'][i % 2]};${3 * (i % 9) + 10 * (i % 2)}`);
  writeFileSync(folder.path('t.csv'), `size;kind;price\n${rows.join('\n')}\n`);
  writeFileSync(folder.path('new.csv'), 'kind;size\nb;4,0\n');
  const data = ['--data', `csv:${folder.path('t.csv')}`, '--target', 'price', '--model', '3-16-1', '--lr', '0.03'];
  const written = ['--delimiter', ';', '--decimal', ',', '--drop-last'];
  await done(['train', ...data, ...written, '--batch', '20', '--epochs', '20', '--out', folder.path('table')]);
  const out = folder.path('p.csv');
  await done(['predict', '--model', folder.path('table'), '--data', `csv:${folder.path('new.csv')}`, '--out', out]);
  const [head, row] = readFileSync(out, 'utf8').trim().split('\n');
  expect(head).toBe('sample,price');
  expect(Number(row!.split(',')[1])).toBeGreaterThan(19); // 22
  expect(Number(row!.split(',')[1])).toBeLessThan(25);
});
