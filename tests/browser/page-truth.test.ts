import type { Page } from 'playwright-core';
import { expect, test } from 'vitest';
import { type Field, rules } from '../../src/index.js';
import { LONG, pages, SMALL, withoutGpu } from '../support/page.js';

/* What the page says is so: of links, of limits, of what is under way. Of runs: page-runs.test.ts. */

const { open } = pages();

const ON = '#primary[aria-disabled="false"]';
const focused = (page: Page) => page.evaluate(() => document.activeElement?.id ?? '');

test('settings may change while a run goes; the next start takes them', async () => {
  const { page, textOf, start, phase, says } = await open(LONG);
  await start();
  expect(await textOf('form-note')).toMatch(/^A run is under way/);
  await page.fill('[name="hidden"]', '16');
  await page.fill('[name="epochs"]', '2');
  expect(await textOf('run-caption')).toContain('hidden 32');
  await page.click('#secondary'); // Stop
  await phase('done');
  await page.click('#primary');
  await says('step', '40 / 40');
  expect(await textOf('run-caption')).toContain('hidden 16');
});

test('what of a link was not taken stays said, beside every other message, until it is dismissed', async () => {
  const long = 'x'.repeat(4000);
  const { page, textOf, complaints } = await open(
    { ...SMALL, v: '3', 'optimizer.betas': '2,2', bogus: long, activation: '<b>soft</b>', data: 'files' },
    { before: withoutGpu },
  );
  await page.waitForSelector('#link-notice:not([hidden])');
  await page.waitForSelector('#problem:not([hidden])');
  const said = await page.locator('#link-lines li').allTextContents();
  expect(said).toHaveLength(5);
  for (const line of said) expect(line.length).toBeLessThan(300);
  expect(said.join('\n')).toMatch(/optimizer\.betas is 2,2: .*\nactivation is <b>soft<\/b>: /);
  expect(said.join('\n')).toMatch(/It is of version 3, which .*\nbogus: this page has no such setting/);
  expect(said.at(-1)).toBe('No link carries files: choose your own.');
  await page.fill('[name="optimizer.lr"]', '0.1');
  await page.click('#problem-close');
  expect(await page.isVisible('#link-notice')).toBe(true);
  await page.click('#link-close');
  expect(await page.isHidden('#link-notice')).toBe(true);
  expect(await focused(page)).toBe('main');
  expect(await textOf('problem-title')).toBe('Training needs WebGPU (NO-WEBGPU)');
  expect(complaints).toEqual([]);
});

test('every choice of every rule is one on the page', async () => {
  const { page, complaints } = await open(SMALL);
  for (const [name, { row }] of Object.entries(rules)) {
    await page.selectOption('[name="optimizer"]', name);
    for (const [key, field] of Object.entries(row.fields as Record<string, Field>)) {
      if (field.kind !== 'choice') continue;
      const values = await page
        .locator(`[name="optimizer.${key}"] option`)
        .evaluateAll((options) => options.map((option) => (option as HTMLOptionElement).value));
      expect(values, `${name}.${key}`).toEqual(field.choices);
      expect(await page.inputValue(`[name="optimizer.${key}"]`)).toBe(field.default);
    }
  }
  for (const select of await page.locator('#settings select').all())
    expect(await select.locator('option').count()).toBeGreaterThan(1);
  expect(complaints).toEqual([]);
});

test('limits are checked before the curve of the last run goes', async () => {
  const { page, textOf, runToEnd, phase } = await open(SMALL);
  await runToEnd();
  const tests = await page.locator('#tests tr').count();
  const caption = await textOf('run-caption');
  for (const [name, value, reason] of [
    ['batch', '1100', /batch.*1,100.*1,000 samples/],
    ['hidden', '60000, 60000', /3,647,760,010 parameters.*GiB/],
  ] as const) {
    const before = await page.inputValue(`[name="${name}"]`);
    await page.fill(`[name="${name}"]`, value);
    await page.waitForSelector('#primary[aria-disabled="true"]');
    expect(await textOf('start-note')).toMatch(reason);
    await page.press(`[name="${name}"]`, 'Enter');
    await page.fill(`[name="${name}"]`, before);
    await page.waitForSelector(ON);
    expect(await textOf('start-note')).toBe('');
  }
  // Where the device itself refuses, too.
  await page.evaluate(() => {
    GPUDevice.prototype.createBuffer = () => {
      throw new Error('no more');
    };
  });
  await page.click(ON);
  await phase('failed');
  expect(await textOf('status')).toBe('Did not start');
  expect(await textOf('problem-title')).toMatch(/^The run did not start/);
  expect(await page.locator('#tests tr').count()).toBe(tests);
  expect(await textOf('run-caption')).toBe(caption);
  await page.fill('[name="hidden"]', '32'); // it may be mended
  expect(await page.isHidden('#problem')).toBe(true);
});

test('leaving the page asks while a run goes; another view lets it go on', async () => {
  const { page, numberOf, start, atLeast, phase } = await open(LONG);
  await start();
  await atLeast('step', 1);
  const asked: string[] = [];
  page.on('dialog', async (dialog) => {
    asked.push(dialog.type());
    await dialog.dismiss();
  });
  await page.click('text=Bench');
  await expect.poll(() => asked).toEqual(['beforeunload']);
  expect(page.url()).not.toContain('bench');
  await page.click('[data-view="landscape"]');
  await page.waitForSelector('#landscape:not([hidden])');
  const before = await numberOf('step');
  await page.click('[data-view="train"]');
  await atLeast('step', before + 5);
  await page.click('#secondary');
  await phase('done');
  await page.click('text=Bench');
  await page.waitForURL(/bench/);
  expect(asked).toHaveLength(1);
});

test('a link that comes while a run goes waits, says so, and is taken then; it starts nothing', async () => {
  const { page, textOf, start, phase } = await open(LONG);
  await start();
  await page.evaluate(() => {
    location.hash = '#v=2&view=train&hidden=7';
  });
  await page.waitForSelector('#link-notice:not([hidden])');
  expect(await textOf('link-title')).toBe('The link waits');
  expect(await page.inputValue('[name="hidden"]')).toBe('32');
  await page.click('#secondary');
  await page.waitForFunction(() => document.querySelector<HTMLInputElement>('[name="hidden"]')!.value === '7');
  await page.waitForSelector('#link-notice', { state: 'hidden' });
  await phase('done');
});

test('with files Start stays off, and says why, until they are good', async () => {
  const { page, textOf, says } = await open({ ...SMALL, data: 'files' });
  await says('start-note', 'Choose files to train on.');
  expect(await page.getAttribute('#primary', 'aria-describedby')).toBe('start-note');
  const file = (name: string, text: string) => ({ name, mimeType: 'text/csv', buffer: Buffer.from(text) });
  await page.setInputFiles('#files', [file('x.csv', 'nothing')]);
  await says('start-note', 'The files need a change.');
  await page.click('#primary', { force: true });
  expect(await textOf('status')).toBe('Ready');
  const rows = Array.from({ length: 100 }, (_, i) => `${i},${-i},${i % 2 ? 'odd' : 'even'}`);
  await page.setInputFiles('#files', [file('x.csv', `a,b,c\n${rows.join('\n')}`)]);
  await page.waitForSelector(ON);
  expect(await textOf('start-note')).toBe('');
  await page.click('#file-clear');
  await says('start-note', 'Choose files to train on.');
  await page.selectOption('[name="data"]', 'digits');
  await page.waitForSelector(ON);
});

test("the tab's title carries the progress, also where nobody looks at the tab", async () => {
  const { page, start, phase } = await open(
    { ...SMALL, epochs: '500' },
    {
      before: (fresh) =>
        fresh.addInitScript(() => {
          window.requestAnimationFrame = () => 1; // a hidden tab gets no frames
        }),
    },
  );
  const title = await page.title();
  await start();
  await expect.poll(() => page.title(), { timeout: 60_000 }).toMatch(/^[1-9]\d? % · downhill$/);
  await page.keyboard.press('Escape');
  await phase('done');
  expect(await page.title()).toBe(title);
});

test('without WebGPU what needs none still opens, and Train says what it needs', async () => {
  const { page, textOf, complaints } = await open(SMALL, { before: withoutGpu });
  await page.waitForSelector('#adapter[data-kind="none"]');
  await expect.poll(() => textOf('start-note')).toBe('Training needs WebGPU, and there is none.');
  await expect.poll(() => textOf('problem-title')).toBe('Training needs WebGPU (NO-WEBGPU)');
  await page.click('[data-view="landscape"]');
  await page.waitForSelector('#landscape:not([hidden])');
  expect(await page.isHidden('#problem')).toBe(true);
  for (const view of ['compare', 'search']) {
    await page.click(`[data-view="${view}"]`);
    await page.waitForSelector(`#${view}:not([hidden])`, { state: 'attached' });
    await expect.poll(() => page.isVisible('#problem')).toBe(true);
  }
  expect(complaints).toEqual([]);
});
