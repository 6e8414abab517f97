import { existsSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { bench } from '../../harness/bench/command.js';
import { readReport } from '../../harness/bench/report/read.js';
import { launchBrowser } from '../../harness/pages/find.js';
import { serve } from '../../harness/pages/server.js';
import { ensureBuild } from '../../harness/setup/build.mjs';
import { fakeIo, scratch } from '../support/cli.js';

/* One case of each thing in tests/slow that needs a browser; cli-chrome.test.ts trains in one. */

const root = resolve(import.meta.dirname, '../..');
const files = scratch();
beforeAll(() => ensureBuild());
afterAll(() => files.remove());

it('the page of benchmarks measures a case', async () => {
  const site = await serve(resolve(root, 'dist/pages'), { files: {}, wasm: true });
  const { browser } = await launchBrowser();
  try {
    const page = await browser.newPage();
    const errors: string[] = [];
    page.on('pageerror', (error) => errors.push(String(error)));
    await page.goto(`${site.url}bench.html`);
    await page.waitForSelector('#start:not(:disabled)');
    // All in one moment: the page goes on finding out which libraries it has, and switches off the rest.
    await page.$$eval('input[name="scenario"], input[name="peer"]', (boxes) => {
      for (const box of boxes as HTMLInputElement[])
        if (!box.disabled && box.checked !== (box.value === 'resolution')) box.click();
    });
    await page.click('#start');
    await page.waitForSelector('#status[data-phase="done"]', { timeout: 100_000 });
    expect(await page.textContent('#status')).toMatch(/^Finished: 1 case in \d/);
    expect(await page.locator('#results .ours td').first().textContent()).toMatch(/^\d/);
    expect(errors).toEqual([]);
  } finally {
    await browser.close();
    await site.close();
  }
});

it('bench runs in a page, and a library beside it where that is built and works', async (context) => {
  const [name, built] = ['jax-wasm', existsSync(resolve(root, 'dist/peers/web/jax.js'))];
  const args = ['step', '--in', 'chrome', '--quick', '--peers', built ? name : 'none', '--out', files.path('report')];
  await bench(args, fakeIo()); // 1 where a contender failed, which for a library is no fault of ours
  const path = files.path('report', 'report.json');
  const { machines, cases } = readReport(readFileSync(path, 'utf8'), path);
  expect(machines[0]).toMatchObject({ place: 'chrome' });
  expect(cases).toHaveLength(3);
  for (const { error, contenders } of cases) {
    expect(error).toBeUndefined();
    expect(contenders[0]).toMatchObject({ name: 'downhill', outcome: 'measured', check: { ok: true } });
  }
  if (!built) context.skip(`only downhill was measured: ${name} is not built (node harness/setup/setup.mjs --peers)`);
  const other = cases.flatMap(({ contenders }) => contenders).find(({ outcome }) => outcome !== 'measured');
  if (other) context.skip(`${other.name}: ${other.note}`);
});
