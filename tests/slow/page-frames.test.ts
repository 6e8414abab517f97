import type { Page } from 'playwright-core';
import { expect, test } from 'vitest';
import { pages, SMALL } from '../support/page.js';
import { nothingLong } from '../support/trace.js';

/*
 * No view holds the tab up for 50 ms while it trains or computes, on a CPU adapter too: tasks of the page's thread, by its own
 * time, so that nothing here depends on what else the machine does. Changing views is in tests/browser/page-frames.test.ts.
 */

const { open } = pages();

const EIGHT = 'sgd,momentum,nesterov,adagrad,rmsprop,adam,adamw,lion';
const FEW = { ...SMALL, v: '2', samples: '625', epochs: '4' };

/** Until an element's text matches. */
const reads = (page: Page, id: string, pattern: string) =>
  page.waitForFunction(
    ([element, source]) => new RegExp(source).test(document.getElementById(element)?.textContent ?? ''),
    [id, pattern] as const,
    { timeout: 120_000 },
  );
/** What follows the last figure: charts are drawn behind it. */
const drawn = (page: Page) => page.waitForTimeout(600);

test('Train: large layers, training, tests', async () => {
  // At once, the weights of these layers would take 150 ms.
  const opened = await open({ ...SMALL, hidden: '1500, 1000', samples: '125', epochs: '1', 'optimizer.lr': '1e-4' });
  await opened.page.waitForSelector('#primary[aria-disabled="false"]');
  await nothingLong(opened, opened.runToEnd);
});

test('Train: every instrument while it trains, and typing beside it', async () => {
  const opened = await open({ ...SMALL, epochs: '100000' });
  const { page } = opened;
  await opened.start();
  await page.locator('#instruments').scrollIntoViewIfNeeded();
  await page.evaluate(() => {
    const painted: string[] = [];
    for (const name of ['putImageData', 'fillRect'] as const) {
      const paint = CanvasRenderingContext2D.prototype[name];
      CanvasRenderingContext2D.prototype[name] = function (...args: unknown[]) {
        painted.push(this.canvas.id);
        return Reflect.apply(paint, this, args);
      };
    }
    Object.assign(window, { painted });
  });
  await nothingLong(opened, async () => {
    for (const tab of ['layers', 'weights', 'confusion', 'draw']) {
      await page.click(`#instruments-${tab}-tab`);
      await page.waitForTimeout(1200);
    }
    await page.locator('[name="hidden"]').pressSequentially(', 16');
    await page.locator('[name="optimizer.lr"]').pressSequentially('5');
  });
  // The picture of the data stands: it is not painted again at each key.
  expect(await page.evaluate(() => (window as unknown as { painted: string[] }).painted)).not.toContain('preview');
});

test('Train: a decision boundary as it trains', async () => {
  const opened = await open({ ...SMALL, data: 'xor', points: '400', epochs: '100000' });
  await opened.start();
  await opened.page.locator('#instruments').scrollIntoViewIfNeeded();
  await nothingLong(opened, () => opened.page.waitForTimeout(3000));
});

test('Compare: eight members, each tuned before', async () => {
  const opened = await open({ ...FEW, view: 'compare', 'compare.rules': EIGHT, 'compare.rates': 'tuned' });
  const { page } = opened;
  await page.waitForSelector('#compare-start[aria-disabled="false"]');
  await nothingLong(opened, async () => {
    await page.click('#compare-start');
    await page.waitForSelector('#compare-status[data-phase="done"]', { timeout: 120_000 });
    await drawn(page);
  });
});

test('Landscape: 30 optimizers, tuned, drawn and played', async () => {
  const opened = await open({ v: '2', view: 'landscape' });
  const { page } = opened;
  const computed = () => reads(page, 'land-status', '30 optimizers, 500 steps: ');
  await computed();
  await drawn(page);
  await nothingLong(opened, async () => {
    await page.selectOption('#land-rates', 'tuned');
    await reads(page, 'land-facts', 'Rates: for each the best');
    await computed();
    await page.click('.land-table >> text=All');
    await drawn(page);
    await page.fill('#land-x', '5');
    await drawn(page);
    await computed();
    await page.click('#land-play');
    await page.waitForTimeout(1500);
  });
});

test.each(['pca', 'random'])('Landscape: the plane of a network, %s', async (plane) => {
  const opened = await open({
    ...{ v: '2', view: 'landscape', samples: '625', batch: '50' },
    ...{ 'landscape.what': 'network', 'landscape.net.plane': plane, 'landscape.net.steps': '50' },
    ...{ 'landscape.net.grid': '5', 'landscape.net.samples': '100' },
  });
  const { page } = opened;
  await page.waitForSelector('#land-plane-start[aria-disabled="false"]');
  await nothingLong(opened, async () => {
    await page.click('#land-plane-start');
    await reads(page, 'land-plane-status', '^26 points of 100 samples: ');
    await drawn(page);
  });
});

test('Search: trials, parallel coordinates, a map, and a range test', async () => {
  const opened = await open({
    ...FEW,
    ...{ view: 'search', hidden: '16', 'search.space': 'lr=log:0.001..0.1,batch=25|50' },
    ...{ 'search.method': 'random', 'search.trials': '12', 'search.steps': '20' },
  });
  const { page } = opened;
  await page.waitForSelector('#search-start[aria-disabled="false"]');
  await nothingLong(opened, async () => {
    await page.click('#search-start');
    await page.waitForSelector('#search-status[data-phase="done"]', { timeout: 120_000 });
    await drawn(page);
    await page.click('#search-panel >> text=Find a rate');
    await page.waitForSelector('#search-panel dd[data-mark="suggestion"] button', { timeout: 120_000 });
  });
});
