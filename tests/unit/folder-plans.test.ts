import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { folderPlans } from '../../src/node/index.js';
import type { MeasuredPlan } from '../../src/train/plan-types.js';

const folder = mkdtempSync(join(tmpdir(), 'downhill-plans-'));
afterAll(() => rmSync(folder, { recursive: true }));

const plan: MeasuredPlan = {
  format: 'downhill-plan/1',
  version: '0.1.0',
  adapter: { vendor: 'a', architecture: 'b', device: 'c', description: 'd' },
  key: 'abc',
  choice: { update: 'update/lanes-1' },
  forms: [{ passes: ['update'], operations: 1, form: 'update/lanes-1', ms: 0.5, ratio: 1, taken: true }],
  ms: 10,
  budgetMs: 100,
};

it('keeps plans as JSON files, one for each key, in a folder that it makes', async () => {
  const plans = folderPlans(join(folder, 'new/plans'));
  expect(await plans.load('abc')).toBeUndefined();
  await plans.save('abc', plan);
  await plans.save('abc', plan);
  expect(await plans.load('abc')).toEqual(plan);
  expect(await plans.load('abd')).toBeUndefined();
  expect(readdirSync(join(folder, 'new/plans'))).toEqual(['abc.json']);
  expect(JSON.parse(readFileSync(join(folder, 'new/plans/abc.json'), 'utf8'))).toEqual(plan);
});

it('says what is wrong with a file or a folder', async () => {
  writeFileSync(join(folder, 'bad.json'), '{"format": "downh');
  await expect(folderPlans(folder).load('bad')).rejects.toThrow(/JSON/);
  writeFileSync(join(folder, 'file'), '');
  await expect(folderPlans(join(folder, 'file')).save('abc', plan)).rejects.toThrow(/OUTPUT-UNWRITABLE/);
  expect(() => folderPlans('')).toThrow(/OPTION-TYPE/);
});
