import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { Page } from 'playwright-core';
import { expect, test } from 'vitest';
import { LONG, pages, SMALL } from '../support/page.js';

/* Nobody is left out: by keyboard, by ear, on a small screen, enlarged, in other colours. */

const { open } = pages();

const ON = '#primary[aria-disabled="false"]';
const focused = (page: Page) => page.evaluate(() => document.activeElement?.id ?? '');

test('all of it works by keyboard, and the focus is never lost', async () => {
  const { page, textOf, phase, atLeast, complaints } = await open(LONG);
  await page.waitForSelector(ON);
  // Enter in a field starts; it does nothing to a run under way.
  await page.press('[name="seed"]', 'Enter');
  await phase('running');
  await page.press('[name="seed"]', 'Enter');
  await atLeast('step', 5);
  expect(await focused(page)).toBe('control-seed');
  // The buttons keep it through all phases.
  await page.focus('#primary');
  for (const [key, next] of [
    ['Enter', 'paused'],
    ['Space', 'running'],
  ] as const) {
    await page.keyboard.press(key);
    await phase(next);
    expect(await focused(page)).toBe('primary');
  }
  await page.focus('#secondary');
  await page.keyboard.press('Enter'); // Stop
  await phase('done');
  await page.keyboard.press('Enter'); // Reset, and then nothing to reset
  await phase('idle');
  expect(await page.getAttribute('#secondary', 'aria-disabled')).toBe('true');
  await page.keyboard.press('Enter');
  expect(await focused(page)).toBe('secondary');
  // Outside of fields, also where somebody clicked on nothing.
  await page.click('#run-title');
  await page.keyboard.press('Space');
  await phase('running');
  await page.keyboard.press('Space');
  await phase('paused');
  await page.focus('[name="hidden"]');
  await page.keyboard.press('Escape');
  await page.keyboard.press('Space');
  expect(await textOf('status')).toMatch(/^Paused/);
  await page.focus('#primary');
  await page.keyboard.press('Escape');
  await phase('done');
  expect(complaints).toEqual([]);
});

test('a screen reader hears the milestones of a run, and nothing else', async () => {
  const { page, runToEnd, says } = await open({ ...SMALL, epochs: '10' });
  await page.evaluate(() => {
    const heard: string[] = [];
    Object.assign(window, { heard });
    const region = document.getElementById('announcement')!;
    new MutationObserver(() => heard.push(region.textContent!)).observe(region, { childList: true });
  });
  await runToEnd();
  await says('step', '200 / 200');
  const heard = await page.evaluate(() => (window as unknown as { heard: string[] }).heard);
  expect(heard[0]).toBe('Training started: 200 steps');
  expect(heard.at(-1)).toMatch(/^Finished after 200 steps: loss [\d.]+, test accuracy [\d.]+ %$/);
  const tenths = heard.slice(1, -1);
  // Steps come in bursts of a submit, of which a fast GPU does several tenths at once: the last of them is heard.
  expect(tenths.length).toBeGreaterThan(0);
  expect(tenths.length).toBeLessThanOrEqual(9);
  for (const text of tenths) expect(text).toMatch(/^[1-9]0 %: step \d+ of 200, loss [\d.]+$/);
});

const VIEWS = ['train', 'compare', 'landscape', 'search'];
const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** What axe finds, in a line each. */
async function faults(page: Page): Promise<string[]> {
  await page.evaluate(AXE);
  return page.evaluate(async () => {
    const { axe } = window as unknown as { axe: typeof import('axe-core') };
    const { violations } = await axe.run();
    return violations.flatMap(({ id, nodes }) =>
      nodes.map(({ target, failureSummary }) => `${id} ${target}: ${failureSummary}`),
    );
  });
}

/** Looks at every view as the page is shown now: axe finds nothing, and nothing runs out sideways. */
async function lookAtViews(page: Page, as: string): Promise<void> {
  for (const view of VIEWS) {
    await page.click(`[data-view="${view}"]`);
    await page.waitForSelector(`[data-view="${view}"][aria-current="page"]`);
    expect(await page.evaluate(() => document.documentElement.scrollWidth - innerWidth), view).toBeLessThanOrEqual(0);
    expect(await faults(page), `${view}, ${as}`).toEqual([]);
  }
}

test('axe finds nothing in any view, and nothing runs out sideways: in light, in dark, small, enlarged, in other colours', async () => {
  const { page, runToEnd, complaints } = await open({ ...SMALL, bogus: '1' });
  await page.waitForSelector(ON);
  for (const colorScheme of ['dark', 'light'] as const) {
    await page.emulateMedia({ colorScheme });
    expect(await faults(page), `before a run, ${colorScheme}`).toEqual([]);
  }
  await runToEnd();
  await page.click('.plan summary');
  await lookAtViews(page, 'in light');
  // Not in dark: axe asks for the fill of the text, of which Chromium then says the colour that is not forced.
  await page.emulateMedia({ forcedColors: 'active', reducedMotion: 'reduce' });
  await lookAtViews(page, 'in forced colours');
  await page.emulateMedia({ forcedColors: 'none', reducedMotion: 'no-preference', colorScheme: 'dark' });
  await lookAtViews(page, 'in dark');
  await page.click('#lessons');
  await page.waitForSelector('dialog[open]');
  for (const colorScheme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme });
    expect(await faults(page), `lessons, ${colorScheme}`).toEqual([]);
  }
  await page.keyboard.press('Escape');
  expect(await focused(page)).toBe('lessons');
  await page.emulateMedia({ colorScheme: 'light' });
  await page.setViewportSize({ width: 390, height: 844 });
  await lookAtViews(page, 'on a phone');
  await page.setViewportSize({ width: 640, height: 400 }); // 1280 px at 200 %
  await lookAtViews(page, 'at 200 %');
  expect(complaints).toEqual([]);
});

test('opened at 200 %, in forced colours, it trains; nothing moves where that is not wanted', async () => {
  const { page, start, complaints } = await open(LONG, {
    ...{ viewport: { width: 640, height: 400 }, deviceScaleFactor: 2 },
    ...({ forcedColors: 'active', reducedMotion: 'reduce' } as const),
  });
  const moving = () =>
    page.evaluate(() =>
      document.getAnimations().some(({ effect }) => effect?.getTiming().iterations === Number.POSITIVE_INFINITY),
    );
  await start();
  expect(await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)).toBeLessThanOrEqual(0);
  expect(await faults(page)).toEqual([]);
  expect(await moving()).toBe(false);
  await page.emulateMedia({ reducedMotion: 'no-preference' });
  expect(await moving()).toBe(true);
  expect(complaints).toEqual([]);
});

test.each([
  ['in light', {}],
  ['in dark, on a phone', { colorScheme: 'dark', viewport: { width: 390, height: 844 } } as const],
])('the page of benchmarks, too: %s', async (_, options) => {
  const { page } = await open('', { path: 'bench.html', ...options });
  await page.waitForSelector('#adapter:not([data-kind="unknown"])');
  expect(await faults(page)).toEqual([]);
  expect(await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)).toBeLessThanOrEqual(0);
});
