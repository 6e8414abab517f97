import { readFileSync } from 'node:fs';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ensureBuild } from '../../harness/setup/build.mjs';
import { downhill, readLines, scratch } from '../support/cli.js';
import { type OpenPage, pages, SMALL } from '../support/page.js';

/* The shelf under all views: runs are kept, compared, renamed, dropped and taken along. */

const folder = scratch();
afterAll(folder.remove);
beforeAll(() => {
  ensureBuild(); // the command line, which repeats a run of the page
});

const { open } = pages();
const QUICK = { ...SMALL, samples: '500', epochs: '2', hidden: '16' };

const row = (page: Page, index: number) => page.locator('.shelf-run').nth(index);
const names = (page: Page) =>
  page.locator('.shelf-name').evaluateAll((fields) => fields.map((field) => (field as HTMLInputElement).value));

/** The runs of the page's own database: what a reload would find. */
const kept = (page: Page) =>
  page.evaluate(
    () =>
      new Promise<{ name: string; pinned: boolean; weights?: Blob }[]>((resolve, reject) => {
        const opening = indexedDB.open('downhill');
        opening.onerror = () => reject(opening.error);
        opening.onsuccess = () => {
          const asking = opening.result.transaction('runs').objectStore('runs').getAll();
          asking.onsuccess = () =>
            resolve(asking.result.map(({ name, pinned, weights }) => ({ name, pinned, weights })));
        };
      }),
  );

/** Another rate, and a run by it. */
async function runAgain({ page, phase }: OpenPage, lr: string): Promise<void> {
  await page.fill('[name="optimizer.lr"]', lr);
  await page.click('#primary:not([aria-disabled="true"])');
  await page.waitForFunction((text) => document.querySelector('#run-caption')?.textContent?.includes(text), `lr ${lr}`);
  await phase('done');
}

async function saved(page: Page, index: number, item: string): Promise<string> {
  await row(page, index)
    .getByRole('button', { name: /^Export/ })
    .click();
  const [download] = await Promise.all([
    page.waitForEvent('download'),
    row(page, index).locator('.shelf-item', { hasText: item }).first().click(),
  ]);
  const path = folder.path(download.suggestedFilename());
  await download.saveAs(path);
  return path;
}

test('runs are overlaid and compared, kept across a reload, renamed, pinned, dropped and taken back', async () => {
  const opened = await open(QUICK);
  const { page, runToEnd, complaints } = opened;
  expect(await page.isHidden('#shelf')).toBe(true);
  await runToEnd();
  await runAgain(opened, '0.03');
  expect(await names(page)).toEqual(['Adam, lr 0.03', 'Adam, lr 0.003']);

  // Where they differ, and only that; what they came to.
  const heads = page.locator('#shelf tbody th');
  expect(await heads.allTextContents()).toEqual(['lr', 'Loss', 'Test loss', 'Accuracy', 'Steps', 'Seconds']);
  expect(await page.locator('#shelf tbody tr').first().locator('td').allTextContents()).toEqual(['0.003', '0.03']);

  // Values under the cursor, by keyboard; by another axis.
  const chart = page.locator('#shelf .lines-plot');
  await chart.focus();
  await page.keyboard.press('Home');
  expect(await page.textContent('#shelf .lines-values')).toMatch(/^Step 1: Adam, lr 0\.003 \d.*, Adam, lr 0\.03 \d/);
  expect(await chart.getAttribute('aria-valuetext')).toMatch(/^Step 1: /);
  await page.keyboard.press('+');
  await page.locator('#shelf .lines-foot button').click();
  expect(await page.isHidden('#shelf .lines-foot button')).toBe(true);
  expect(await chart.evaluate((box) => box === document.activeElement)).toBe(true);
  await page.locator('.shelf-choice select').nth(1).selectOption('epoch');
  await page.keyboard.press('Tab');
  await chart.focus();
  await page.keyboard.press('End');
  expect(await page.textContent('#shelf .lines-values')).toMatch(/^Epoch 2: /);

  await row(page, 1).locator('.shelf-name').fill('<b>first</b>');
  await row(page, 1).locator('.shelf-name').blur();
  await row(page, 1).getByRole('button', { name: /^Pin/ }).click();
  const named = async () => (await kept(page)).map(({ name, pinned }) => `${name}${pinned ? ', pinned' : ''}`).sort();
  await expect.poll(named).toEqual(['<b>first</b>, pinned', 'Adam, lr 0.03']);
  await page.reload();
  await page.waitForSelector('.shelf-run');
  expect(await names(page)).toEqual(['Adam, lr 0.03', '<b>first</b>']);
  expect(await page.locator('#shelf b').count()).toBe(0);
  expect(await row(page, 1).getByRole('button', { name: /^Pin/ }).getAttribute('aria-pressed')).toBe('true');
  expect(await page.locator('#shelf thead th').allTextContents()).toEqual(['<b>first</b>', 'Adam, lr 0.03']);

  await row(page, 0).getByRole('button', { name: /^Drop/ }).click();
  expect(await names(page)).toEqual(['<b>first</b>']);
  expect(await page.locator('.shelf-told button').evaluate((button) => button === document.activeElement)).toBe(true);
  await page.keyboard.press('Enter'); // Undo
  expect(await names(page)).toEqual(['Adam, lr 0.03', '<b>first</b>']);
  await row(page, 0).getByRole('button', { name: /^Drop/ }).click();
  await expect.poll(async () => (await kept(page)).length).toBe(1);

  await row(page, 0).getByRole('button', { name: 'Open in Train' }).click();
  expect(await page.inputValue('[name="optimizer.lr"]')).toBe('0.003');
  expect(await page.textContent('#status')).not.toMatch(/Training|Finished/); // nothing starts by it
  expect(complaints).toEqual([]);
});

test('run.json repeats the run in the command line, bit for bit; the other exports hold it', async () => {
  const { page, runToEnd, complaints } = await open({ ...QUICK, 'optimizer.lr': '0.01', hidden: '12, 8', seed: '5' });
  await runToEnd();
  await expect.poll(async () => (await kept(page))[0]?.weights).toBeTruthy();
  const file = await saved(page, 0, 'run.json');
  const exported = JSON.parse(readFileSync(file, 'utf8'));
  expect(exported.metrics.losses).toHaveLength(16);

  const out = folder.path('again');
  const run = await downhill(['train', '--config', file, '--out', out]).done;
  expect(run.code, run.err).toBe(0);
  const lines = readLines(folder.path('again', 'metrics.jsonl'));
  expect(lines.slice(0, -1).map(({ loss }) => loss)).toEqual(
    exported.metrics.losses.map(({ loss }: { loss: number }) => loss),
  );
  expect(lines.at(-1)).toMatchObject({
    testLoss: exported.result.testLoss,
    testAccuracy: exported.result.testAccuracy,
  });
  const weights = await saved(page, 0, 'Weights');
  expect(readFileSync(weights).equals(readFileSync(folder.path('again', 'model.safetensors')))).toBe(true);

  expect(
    readFileSync(await saved(page, 0, 'CSV'), 'utf8')
      .trimEnd()
      .split('\n'),
  ).toHaveLength(17);
  expect(readFileSync(await saved(page, 0, 'SVG'), 'utf8')).toContain('test accuracy');
  const picture = readFileSync(await saved(page, 0, 'PNG'));
  expect([picture.readUInt32BE(16), picture.readUInt32BE(20)]).toEqual([1920, 1120]);
  expect(complaints).toEqual([]);
});

test.each([
  [
    'refuses',
    'The operation is insecure.',
    () => {
      IDBFactory.prototype.open = () => {
        throw new DOMException('The operation is insecure.', 'SecurityError');
      };
    },
  ],
  [
    'is full',
    'No room.',
    () => {
      IDBObjectStore.prototype.put = () => {
        throw new DOMException('No room.', 'QuotaExceededError');
      };
    },
  ],
])('where the browser %s, runs stay in the tab, and that is said', async (_, why, before) => {
  const { page, runToEnd, complaints } = await open(QUICK, { before: (fresh) => fresh.addInitScript(before) });
  await runToEnd();
  expect(await names(page)).toEqual(['Adam, lr 0.003']);
  await expect
    .poll(() => page.textContent('#shelf .hint'))
    .toBe(`Runs stay in this tab only: the browser does not keep them (${why}).`);
  expect(complaints).toEqual([]);
});

test('a link of 100 KB is not read, one of another version as far as it goes; neither starts anything', async () => {
  const long = await open(`#seed=${'9'.repeat(100_000)}`);
  await long.page.waitForSelector('#link-notice:not([hidden])');
  expect(await long.textOf('link-notice')).toMatch(/100,006 characters; 16,384 at most/);
  const { page, textOf, complaints } = await open('#v=3&view=nowhere&optimizer=<b>&seed=3&__proto__=1');
  await page.waitForSelector('#link-notice:not([hidden])');
  expect(await textOf('link-notice')).toMatch(/version 3.*none called nowhere.*__proto__/s);
  expect(await page.inputValue('[name="seed"]')).toBe('3');
  expect(await page.getAttribute('#status', 'data-phase')).toBe('idle');
  expect(await page.isHidden('#shelf')).toBe(true);
  expect([...long.complaints, ...complaints]).toEqual([]);
});

test('the shelf fits a phone, in dark', async () => {
  const opened = await open(QUICK, { viewport: { width: 390, height: 800 }, colorScheme: 'dark' });
  const { page, runToEnd, complaints } = opened;
  await runToEnd();
  await runAgain(opened, '0.0123');
  expect(await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)).toBeLessThanOrEqual(0);
  await row(page, 0)
    .getByRole('button', { name: /^Export/ })
    .click();
  const menu = (await row(page, 0).locator('.shelf-menu').boundingBox())!;
  expect(menu.x).toBeGreaterThanOrEqual(0);
  expect(menu.x + menu.width).toBeLessThanOrEqual(390);
  await page.keyboard.press('Escape');
  expect(await row(page, 0).locator('.shelf-menu').isHidden()).toBe(true);
  expect(complaints).toEqual([]);
});
