import { setTimeout as wait } from 'node:timers/promises';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { LESSONS } from '../../app/lessons/lessons.js';
import { toLink } from '../../app/shell/link.js';
import { page as command } from '../../harness/pages/command.js';
import { launchBrowser } from '../../harness/pages/find.js';
import { builtPages } from '../support/built-pages.js';
import { fakeIo } from '../support/cli.js';
import { OpenPage } from '../support/page.js';

/* The ways in: the page as `downhill page` serves it, under the policy that it states itself, and its lessons. */

let browser: Browser;
let url: string;
let stop: (() => Promise<number>) | undefined;

beforeAll(async () => {
  const io = fakeIo();
  const ended = command(['--port', '0'], io, await builtPages());
  while (!io.out().includes('ends it')) await wait(20);
  url = /http:\S+/.exec(io.out())![0];
  stop = () => {
    io.interrupt();
    return ended;
  };
  ({ browser } = await launchBrowser());
});

afterAll(async () => {
  await browser?.close();
  if (stop) expect(await stop()).toBe(130);
});

async function opened<T>(path: string, work: (page: OpenPage) => Promise<T>): Promise<T> {
  const fresh = new OpenPage(await (await browser.newContext()).newPage());
  try {
    await fresh.page.goto(url + path);
    return await work(fresh);
  } finally {
    await fresh.page.context().close();
  }
}

describe('downhill page', () => {
  test('serves every view under a policy without inline scripts, inline styles and eval', async () => {
    const { headers } = await fetch(url);
    const policy = headers.get('content-security-policy')!;
    expect(policy).toMatch(/^default-src 'none'; script-src 'self'; style-src 'self';/);
    expect(policy).not.toMatch(/unsafe|blob:|\*/);
    await opened('', async ({ page, complaints }) => {
      for (const view of ['train', 'compare', 'landscape', 'search']) {
        await page.click(`.pages [data-view="${view}"]`);
        await page.waitForSelector(`.pages [data-view="${view}"][aria-current="page"]`);
        // Its modules are there: whatever shows in this view alone holds something.
        await page.waitForSelector(`[data-views="${view}"]:not([hidden]) *`);
      }
      await page.waitForSelector('#adapter[data-kind="cpu"], #adapter[data-kind="gpu"]');
      // Not at once: what the debugger itself evaluates may do more.
      const refused = await page.evaluate(
        () =>
          new Promise<string>((resolve) => {
            setTimeout(() => {
              try {
                resolve(new Function('return "not refused"')());
              } catch (error) {
                resolve((error as Error).name);
              }
            });
          }),
      );
      expect(refused).toBe('EvalError');
      expect(complaints).toEqual([]);
    });
  });

  test('sends nothing to anybody', async () => {
    await opened('', async ({ page }) => {
      const asked: string[] = [];
      page.on('request', (request) => asked.push(request.url()));
      await page.reload({ waitUntil: 'networkidle' });
      expect(asked.length).toBeGreaterThan(5);
      expect(asked.filter((each) => !each.startsWith(url) && !each.startsWith('data:'))).toEqual([]);
    });
  });
});

describe('a lesson', () => {
  const links = LESSONS.flatMap(({ id, experiments }) => experiments.map((each) => ({ id, ...each })));

  test('has two sentences, and a link or something to do', () => {
    expect(LESSONS.length).toBeGreaterThanOrEqual(10);
    for (const { id, text } of LESSONS) expect(text.match(/[.!?](?= [A-ZÀ-Þ]|$)/g), id).toHaveLength(2);
    expect(links.map(({ id }) => id)).toEqual(expect.arrayContaining(['batches', 'saddle', 'batch-size']));
  });

  test('opens in its view with all its settings understood, and starts nothing', async () => {
    await opened('', async ({ page, complaints }) => {
      for (const { id, label, view, experiment = {}, state = {} } of links) {
        const where = `${id}, ${label}`;
        const link = toLink({ view, experiment, state });
        await page.evaluate((hash) => {
          location.hash = hash;
        }, link);
        await page.waitForSelector(`.pages [data-view="${view}"][aria-current="page"]`);
        // What the view and the form made of it is written into the address again.
        const params = (hash: string) => Object.fromEntries(new URLSearchParams(hash.slice(1)));
        const written = () =>
          page.evaluate(() => {
            document.getElementById('share')!.click(); // also in a hidden form
            return location.hash;
          });
        await expect.poll(async () => params(await written()), { message: where }).toEqual(params(link));
        expect(await page.isHidden('#link-notice'), where).toBe(true);
        expect(await page.getAttribute('#status', 'data-phase'), where).not.toBe('running');
      }
      expect(complaints).toEqual([]);
    });
  });

  test('is found by keyboard, and gives the focus back', async () => {
    await opened('', async ({ page, complaints }) => {
      await page.focus('#lessons');
      await page.keyboard.press('Enter');
      await page.waitForSelector('#lessons-dialog[open]');
      expect(await page.locator('.lessons h3').count()).toBe(LESSONS.length);
      await page.keyboard.press('Escape');
      await page.waitForSelector('#lessons-dialog:not([open])', { state: 'attached' });
      expect(await page.evaluate(() => document.activeElement?.id)).toBe('lessons');

      await page.keyboard.press('Enter');
      await page.locator('#lesson-saddle a').first().focus();
      await page.keyboard.press('Enter');
      await page.waitForSelector('.pages [data-view="landscape"][aria-current="page"]');
      expect(await page.isVisible('#lessons-dialog')).toBe(false);
      expect(await page.evaluate(() => document.activeElement?.id)).toBe('main');
      expect(complaints).toEqual([]);
    });
  });

  test('checks the gradients of a network here', async () => {
    await opened('#lessons', async ({ page, complaints }) => {
      await page.waitForSelector('#lessons-dialog[open]');
      await page.click('.gradient-check button');
      const status = page.locator('.gradient-check [role="status"]');
      await expect
        .poll(() => status.textContent(), { timeout: 60_000 })
        .toMatch(/^The gradients agree: .* to [\d.]+e-/);
      expect(await page.locator('.gradient-check tbody tr').count()).toBe(6);
      await page.setViewportSize({ width: 390, height: 800 });
      expect(
        await page.locator('#lessons-dialog').evaluate((dialog) => dialog.scrollWidth - dialog.clientWidth),
      ).toBeLessThanOrEqual(0);
      expect(complaints).toEqual([]);
    });
  });
});
