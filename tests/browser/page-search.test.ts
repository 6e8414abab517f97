import { readFile } from 'node:fs/promises';
import type { Page } from 'playwright-core';
import { expect, test } from 'vitest';
import { parseSearch, type SearchCommand } from '../../harness/search/options.js';
import { losable, loseDevice, pages, SMALL } from '../support/page.js';

/* The Search view: real searches in a real browser, small enough for a CPU adapter. */

const { open } = pages();

const OF = {
  ...SMALL,
  ...{ v: '2', view: 'search', samples: '625', hidden: '16', epochs: '3', batch: '50' },
  ...{ 'search.space': 'lr=log:0.0001..0.1', 'search.method': 'random', 'search.trials': '6', 'search.steps': '12' },
};

const phaseOf = (page: Page, name: string) =>
  page.waitForSelector(`#search-status[data-phase="${name}"]`, { timeout: 120_000 });
const start = (page: Page) => page.click('#search-start:not([aria-disabled="true"])');
const column = (page: Page, n: number) => page.locator(`#search-rows tr > :nth-child(${n})`).allTextContents();

test('searches a rate; the best line opens in Train with its values', async () => {
  const { page, textOf, complaints } = await open(OF);
  // The library of pictures is no part of the page before there is something to draw.
  const loaded = () =>
    page.evaluate(() =>
      performance
        .getEntriesByType('resource')
        .map(({ name }) => name)
        .join(),
    );
  expect(await loaded()).not.toMatch(/charts-/);
  await expect.poll(() => textOf('search-cost')).toMatch(/^72 steps of training\. About .* here/);
  // The command line reads the same search from the command that the page shows.
  const [, , , ...words] = (await textOf('search-command')).replaceAll("'", '').split(' ');
  const { spec } = parseSearch(words) as SearchCommand;
  expect(spec).toMatchObject({ space: { lr: { low: 0.0001, high: 0.1 } }, method: { name: 'random' }, trials: 6 });
  expect(spec.train).toMatchObject({ steps: '12', samples: '625', model: '784-16-10', batch: '50' });
  // Of another seed it would be another search: the command line's trials have 0.
  await page.evaluate(() => {
    for (const each of document.querySelectorAll<HTMLDetailsElement>('details.more')) each.open = true;
  });
  await page.fill('[name="seed"]', '5');
  await expect.poll(() => textOf('search-command')).toMatch(/seed 0, these with seed 5/);
  await page.fill('[name="seed"]', '0');
  await start(page);
  await phaseOf(page, 'done');
  expect(await column(page, 1)).toHaveLength(6);
  const losses = (await column(page, 2)).map(Number);
  expect(losses).toEqual([...losses].sort((a, b) => a - b));
  const rates = (await column(page, 4)).map(Number);
  for (const lr of rates) expect(lr >= 1e-4 && lr <= 0.1).toBe(true);
  await page.waitForSelector('.search-picture canvas');
  expect(await loaded()).toMatch(/charts-/);
  // One setting makes no map.
  await expect.poll(() => page.locator('.search-figures figure:not([hidden])').count()).toBe(1);
  await page.click('#search-rows tr:first-child button');
  await page.waitForSelector('#search', { state: 'hidden' });
  expect(Number(await page.inputValue('[name="optimizer.lr"]'))).toBeCloseTo(rates[0]!, 4);
  expect(await textOf('status')).toMatch(/Ready/);
  expect(complaints).toEqual([]);
});

test('rate by batch, by halving: a map, and a log that is saved and opened again', async () => {
  const settings = {
    ...OF,
    'search.space': 'lr=log:0.001..0.1,batch=25|50',
    'search.method': 'halving',
    'search.trials': '4',
  };
  const { page, textOf, complaints } = await open(settings);
  await start(page);
  await phaseOf(page, 'done');
  await expect.poll(() => page.locator('.search-figures figure:not([hidden])').count()).toBe(2);
  const best = await page.locator('#search-rows tr:first-child').textContent();
  const download = page.waitForEvent('download');
  await page.click('#search-save');
  const path = await (await download).path();
  const saved = JSON.parse(await readFile(path, 'utf8'));
  expect(saved.of.space.batch).toEqual({ kind: 'choice', values: [25, 50] });
  expect(JSON.parse(saved.log[0]).type).toBe('search');

  const other = await open({ v: '2', view: 'search' });
  await other.page.waitForSelector('#search-load:not([aria-disabled="true"])');
  await other.page.setInputFiles('#search-file', {
    name: 'search.json',
    mimeType: 'application/json',
    buffer: Buffer.from(JSON.stringify(saved)),
  });
  await phaseOf(other.page, 'done');
  expect(await other.page.locator('#search-rows tr:first-child').textContent()).toBe(best);
  expect(await other.page.inputValue('[name="hidden"]')).toBe('16');
  expect(await other.page.inputValue('#search-trials')).toBe('4');
  const markup = { name: '<img src=x>.json', mimeType: 'application/json', buffer: Buffer.from('{"format":"x"}') };
  await other.page.setInputFiles('#search-file', markup);
  await other.page.waitForSelector('#problem:not([hidden])');
  expect(await other.textOf('problem-message')).toMatch(/^<img src=x>.json is no log of a search/);
  expect([...complaints, ...other.complaints]).toEqual([]);
  expect(await textOf('search-status')).toMatch(/^Done: 4 trials/);
});

test('a search that is stopped keeps what it measured, and goes on', async () => {
  const { page, textOf, complaints } = await open({ ...OF, 'search.trials': '40', 'search.steps': '30' });
  await start(page);
  await page.waitForSelector('#search-rows tr', { timeout: 120_000 });
  await page.click('#search-start'); // Stop
  await phaseOf(page, 'paused');
  const [done] = /\d+/.exec(await textOf('search-status'))!;
  expect(Number(done)).toBeGreaterThan(0);
  expect(Number(done)).toBeLessThan(40);
  expect(await textOf('search-start')).toBe('Go on');
  await page.click('#search-start');
  await phaseOf(page, 'running');
  await page.waitForFunction(
    (before) => Number(/\d+/.exec(document.getElementById('search-status')!.textContent!)) > before,
    Number(done),
    { timeout: 120_000 },
  );
  await page.click('#search-start');
  await phaseOf(page, 'paused');
  expect(complaints).toEqual([]);
});

test('a device that is lost leaves what was measured', async () => {
  const { page, textOf } = await open({ ...OF, 'search.trials': '40', 'search.steps': '30' }, { before: losable });
  await start(page);
  await page.waitForSelector('#search-rows tr', { timeout: 120_000 });
  await loseDevice(page);
  await phaseOf(page, 'failed');
  expect(await textOf('problem-title')).toMatch(/what was measured stays \(DEVICE-LOST\)$/);
  expect(await page.locator('#search-rows tr').count()).toBeGreaterThan(0);
});

test('what is wrong with a range is said beside it', async () => {
  const { page } = await open(OF);
  await page.fill('.space-boxes input >> nth=0', '-1');
  await expect.poll(() => page.textContent('.space-rows .problem')).toMatch(/above 0/);
  await page.click('#search-start:not([aria-disabled="true"])');
  await page.waitForSelector('#problem:not([hidden])');
  expect(await page.evaluate(() => document.activeElement?.getAttribute('aria-label'))).toBe('From of Rate (lr)');
  const link = await open({ v: '2', view: 'search', 'search.space': 'bogus=0..1', 'search.method': 'magic' });
  await link.page.waitForSelector('#link-notice:not([hidden])');
  const lines = await link.textOf('link-lines');
  for (const key of ['space', 'method']) expect(lines).toContain(key);
});

test('a range test marks rates, and one of them becomes the rate', async () => {
  const { page, complaints } = await open(OF);
  await page.click('.range-finder button:not([aria-disabled="true"])');
  await page.waitForSelector('.range-result:not([hidden])', { timeout: 120_000 });
  const rates = await page.locator('.range-marks dd strong').allTextContents();
  expect(rates).toHaveLength(4);
  const [steepest, suggestion, lowest, diverging] = rates.map(Number);
  expect(steepest).toBeLessThan(lowest!);
  expect(suggestion).toBeCloseTo(lowest! / 10, 3);
  expect(diverging).toBeGreaterThan(lowest!);
  await page.click('.range-marks dd[data-mark="suggestion"] button');
  expect(Number(await page.inputValue('[name="optimizer.lr"]'))).toBe(suggestion);
  expect(new URLSearchParams(new URL(page.url()).hash.slice(1)).get('optimizer.lr')).toBe(String(suggestion));
  expect(complaints).toEqual([]);
});
