import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it, vi } from 'vitest';
import { ensureBuild } from '../../harness/setup/build.mjs';
import type { MeasuredPlan } from '../../src/index.js';
import { downhill, scratch } from '../support/cli.js';

const folder = scratch();
afterAll(folder.remove);
beforeAll(() => ensureBuild());
beforeEach(() => vi.stubEnv('DOWNHILL_CACHE', folder.path('cache')));
afterEach(() => vi.unstubAllEnvs());

const net = ['--samples', '200', '--model', '784-8-10', '--batch', '16'];
const json = (file: string) => JSON.parse(readFileSync(folder.path(file), 'utf8'));

it('tune measures, says it, and keeps a plan that train takes up', async () => {
  const tuned = await downhill(['tune', ...net, '--budget', '1', '--out', folder.path('plan.json')]).done;
  expect(tuned).toMatchObject({ code: 0 });
  expect(tuned.out).toMatch(/pass +form +ms +ratio/);
  expect(tuned.out).toMatch(/forward-0 +\S+ +taken +\d+\.\d+ +\d+\.\d+/);
  expect(tuned.out).toMatch(/kept +for train --plan auto/);
  const plan = json('plan.json') as MeasuredPlan;
  expect(readdirSync(folder.path('cache/plans'))).toEqual([`${plan.key}.json`]);
  expect(json(`cache/plans/${plan.key}.json`)).toEqual(plan);

  const run = async (out: string, ...more: string[]) => {
    const line = ['train', ...net, '--steps', '3', '--out', folder.path(out), ...more];
    const { code, err } = await downhill(line).done;
    expect(code).toBe(0);
    return { err, ...json(`${out}/config.json`) };
  };
  expect((await run('auto', '--plan', 'auto')).plan).toMatchObject({ chosenBy: 'kept', choice: plan.choice });
  expect((await run('file', '--plan', folder.path('plan.json'))).plan).toMatchObject({ chosenBy: 'kept' });
  expect((await run('pinned')).plan).toMatchObject({ chosenBy: 'heuristic' });
  // What is no plan for this is said, and costs nothing else.
  writeFileSync(folder.path('plan.json'), JSON.stringify({ ...plan, version: '0.0.0' }));
  const old = await run('old', '--plan', folder.path('plan.json'));
  expect(old.plan).toMatchObject({ chosenBy: 'heuristic', notes: [expect.stringMatching(/release "0.0.0"/)] });
  expect(old.err).toMatch(/release "0.0.0"/);
});
