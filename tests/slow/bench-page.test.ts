import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { build } from 'vite';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import type { Report } from '../../harness/bench/contract.js';
import { readReport } from '../../harness/bench/report/read.js';
import { launchBrowser } from '../../harness/pages/find.js';
import { type Served, serve } from '../../harness/pages/server.js';

/*
 * The page that measures in a person's own browser: built, served as `downhill bench --page` does, and driven through
 * its controls. Instead of the libraries compared with there are stand-ins, which need no build and fail on purpose.
 */

const STAND_INS: Record<string, string> = {
  tfjs: `export const peers = [{ name: 'tfjs-webgpu', step: async () => { throw new Error('out of <b>luck</b>'); } }];`,
  jax: 'export const peers = [];',
  ort: 'export const peers = [];',
};

let folder: string;
let site: Served;
let browser: Browser;
let page: Page;
/** Everything the browser complained about: a refused script or style, an uncaught error. */
let complaints: string[];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'downhill-bench-page-'));
  const pages = join(folder, 'pages');
  await build({ mode: 'pages', logLevel: 'error', build: { outDir: pages } });
  const files: Record<string, string> = {};
  for (const [name, code] of Object.entries(STAND_INS)) {
    files[`/peers/${name}.js`] = join(folder, `${name}.js`);
    await writeFile(join(folder, `${name}.js`), code);
  }
  site = await serve(pages, { files, wasm: true });
  ({ browser } = await launchBrowser());
});

afterAll(async () => {
  await browser?.close();
  await site?.close();
  await rm(folder, { recursive: true, force: true });
});

afterEach(async () => {
  await page.context().close();
});

async function open(before: (page: Page) => Promise<unknown> = async () => {}, options: BrowserContextOptions = {}) {
  page = await (await browser.newContext(options)).newPage();
  complaints = [];
  page.on('pageerror', (error) => complaints.push(String(error)));
  page.on('console', (message) => {
    if (message.type() === 'error') complaints.push(message.text());
  });
  await before(page);
  await page.goto(`${site.url}bench.html`);
}

/** Leaves exactly these boxes checked. */
async function choose(scenarios: readonly string[], peers: readonly string[]): Promise<void> {
  await page.waitForSelector('#start:not(:disabled)');
  for (const [kind, names] of [
    ['scenario', scenarios],
    ['peer', peers],
  ] as const) {
    for (const box of await page.locator(`input[name="${kind}"]:enabled`).all()) {
      await box.setChecked(names.includes((await box.getAttribute('value'))!));
    }
  }
}

const textOf = async (id: string): Promise<string> => (await page.textContent(`#${id}`)) ?? '';
const phase = (name: string) => page.waitForSelector(`#status[data-phase="${name}"]`, { timeout: 100_000 });

async function download(): Promise<Report> {
  const [file] = await Promise.all([page.waitForEvent('download'), page.click('#download')]);
  expect(file.suggestedFilename()).toMatch(/^downhill-bench-[\d-]+\.json$/);
  return readReport(await readFile(await file.path(), 'utf8'), file.suggestedFilename());
}

test('measures what was chosen, shows charts and tables, and hands out the report', async () => {
  await open(undefined, { permissions: ['clipboard-read', 'clipboard-write'] });
  await choose(['step'], ['js', 'tfjs-webgpu']);
  expect(await textOf('status')).toMatch(/^Ready: 3 cases, about \d/);
  expect(await textOf('adapter')).not.toBe('');
  expect(await page.isDisabled('#download')).toBe(true);
  await page.click('#start');
  await page.waitForFunction(() => /^\d \/ 3$/.test(document.getElementById('case')!.textContent!));
  expect(await page.isDisabled('#scenario-update')).toBe(true);
  await phase('done');
  expect(await textOf('status')).toMatch(/^Finished: 3 cases in \d/);

  const rows = page.locator('#results tbody');
  expect(await rows.count()).toBe(3);
  expect(await rows.first().locator('.ours td').first().textContent()).toMatch(/^\d/);
  expect(await rows.first().locator('.verdict').textContent()).toMatch(
    /^downhill [\d.]+ ms, [\d.]+× js: .*\(tfjs-webgpu failed\)$/,
  );
  // What failed is there with its reason, as text.
  expect(await rows.first().locator('.failed').textContent()).toBe('failed tfjs-webgpu: out of <b>luck</b>');
  expect(await page.locator('#results b').count()).toBe(0);
  // Each case is a sentence that says no more than its interval, and bars from 0: wall times apart from the GPU's.
  const first = page.locator('.case-panel').first();
  expect(await first.locator('.sentence').textContent()).toMatch(
    /^Beside js: [\d.]+×, ([\d.]+ to [\d.]+|too few rounds for an interval): (faster|slower|cannot tell)$/,
  );
  const wall = first.locator('.wall li:not(.axis)');
  expect(await wall.locator('.bar-name').allTextContents()).toEqual(['downhill', 'js', 'tfjs-webgpu']);
  expect(await wall.nth(0).locator('.bar-text').textContent()).toMatch(/^[\d.,]+ ms$/);
  expect(await wall.nth(2).textContent()).toContain('failed: out of <b>luck</b>');
  const [share, ms, end] = await first.locator('.wall').evaluate((panel) => {
    const width = (selector: string) => panel.querySelector(selector)!.getBoundingClientRect().width;
    const number = (selector: string) =>
      Number.parseFloat(panel.querySelector(selector)!.textContent!.replace(',', ''));
    return [width('.bar-fill') / width('.bar-track'), number('.bar-text'), number('.bar-axis :last-child')] as const;
  });
  expect(Math.abs(share - ms / end)).toBeLessThan(0.02); // linear, from 0
  // The chart of all cases is drawn, and its library loaded, when somebody asks for it.
  expect(await page.locator('.chart').count()).toBe(0);
  await page.click('.picture > summary');
  expect(await page.locator('.chart svg').textContent()).toContain('lecture net, batch 64, SGD');

  const report = await download();
  expect(report.cases.map(({ spec }) => spec.id)).toEqual([
    'step/lecture-64-sgd',
    'step/lecture-64-adam',
    'step/xor-4-sgd',
  ]);
  expect(report.cases[0]!.contenders.map(({ name, outcome }) => [name, outcome])).toEqual([
    ['downhill', 'measured'],
    ['tfjs-webgpu', 'failed'],
    ['js', 'measured'],
  ]);
  expect(report).toMatchObject({ commit: null, config: { quick: true, peers: ['tfjs-webgpu', 'js'], slow: 0 } });
  expect(report.machines).toHaveLength(1);
  expect(report.machines[0]).toMatchObject({ place: 'chrome', driver: null });
  expect(report.machines[0]!.browser!.name).toMatch(/Chrom/);
  expect(report.versions).toHaveProperty('downhill');
  expect(report.versions).toHaveProperty('@tensorflow/tfjs-backend-webgpu');

  await page.click('#copy');
  await expect.poll(() => textOf('output-note')).toBe('Copied.');
  expect(await page.evaluate(() => navigator.clipboard.readText())).toMatch(/^# downhill: benchmarks\n/);

  await page.setViewportSize({ width: 360, height: 740 });
  await page.waitForTimeout(300);
  expect(await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)).toBeLessThanOrEqual(0);
  expect(complaints).toEqual([]);
});

test('shows a report from a file, says on which machine it was made, and compares it with an older one', async () => {
  await open();
  await page.waitForSelector('#start:not(:disabled)');
  expect(await page.isHidden('#compare-label')).toBe(true);
  const stored = await readFile(join(import.meta.dirname, '../fixtures/bench-report.json'), 'utf8');
  const file = (name: string, text: string) => ({ name, mimeType: 'application/json', buffer: Buffer.from(text) });
  await page.setInputFiles('#report-file', file('stored.json', stored));
  await page.waitForSelector('#about-file');
  expect(await page.textContent('#about-file')).toMatch(/Results of stored\.json[\s\S]*llvmpipe[\s\S]*CPU adapter\./);
  expect(await page.locator('.sentence').allTextContents()).toContainEqual(
    expect.stringMatching(/^Beside .*, the fastest of \d others: [\d.]+×, [\d.]+ to [\d.]+: faster$/),
  );
  expect(await page.locator('.bars.gpu').count()).toBeGreaterThan(5);

  const older = stored.replaceAll(/"samples":\s*\[[^\]]*\]/g, (text) =>
    text.replaceAll(/\d[\d.e+-]*/g, (number) => String(2 * Number(number))),
  );
  await page.setInputFiles('#compare-file', file('older.json', older));
  await page.waitForSelector('#comparison');
  expect(await page.textContent('#comparison .sentence')).toMatch(/^No regression\./);

  const markup = '<img src=x onerror="document.title = 1">.json';
  await page.setInputFiles('#report-file', file(markup, '{"format": 1}'));
  await page.waitForSelector('#problem:not([hidden])');
  expect(await textOf('problem-message')).toContain(`${markup} is not a report of downhill's benchmarks`);
  expect(await page.locator('#about-file').count()).toBe(1); // what was shown stays
  await page.setViewportSize({ width: 360, height: 740 });
  expect(await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)).toBeLessThanOrEqual(0);
  expect(complaints).toEqual([]);
});

test('Stop keeps what was measured, and the next run begins anew', async () => {
  await open();
  await choose(['step', 'resolution'], []);
  await page.click('#start');
  await page.waitForSelector('#results .case-panel');
  await page.click('#stop');
  await phase('done');
  expect(await textOf('status')).toMatch(/^Stopped: \d cases? measured$/);
  const { cases } = await download();
  expect(cases.length).toBeGreaterThan(0);
  expect(cases.length).toBeLessThan(4);
  expect(cases.every(({ error, contenders }) => !error && contenders.length === 1)).toBe(true);

  await choose(['resolution'], []);
  expect(await textOf('status')).toMatch(/^Ready: 1 case/);
  await page.click('#start');
  await phase('running');
  await phase('done');
  expect(await textOf('status')).toMatch(/^Finished: 1 case in \d/);
  expect((await download()).cases.map(({ spec }) => spec.scenario)).toEqual(['resolution']);
  expect(await page.locator('#results .result').count()).toBe(1);
  expect(complaints).toEqual([]);
});

test('a case during which the tab was hidden is measured again', async () => {
  await open((fresh) =>
    fresh.addInitScript(() => {
      let hidden = false;
      Object.defineProperty(Document.prototype, 'hidden', { get: () => hidden });
      const hide = (now: boolean) => {
        hidden = now;
        document.dispatchEvent(new Event('visibilitychange'));
      };
      Object.assign(window, { hide });
    }),
  );
  const hide = (now: boolean) =>
    page.evaluate((hidden) => (window as unknown as { hide(hidden: boolean): void }).hide(hidden), now);
  await choose(['resolution'], []);
  await page.click('#start');
  await page.waitForFunction(() => document.getElementById('contender')!.textContent !== '–');
  await hide(true);
  await phase('paused');
  expect(await textOf('status')).toMatch(/^Waiting: this tab was hidden/);
  expect(await page.locator('#results tbody').count()).toBe(0);
  await hide(false);
  await phase('done');
  const { cases } = await download();
  expect(cases).toHaveLength(1);
  expect(cases[0]!.contenders.every(({ outcome }) => outcome === 'measured')).toBe(true);
  expect(complaints).toEqual([]);
});

test('a lost device marks its case, and the rest goes on', async () => {
  await open((fresh) =>
    fresh.addInitScript(() => {
      const request = GPUAdapter.prototype.requestDevice;
      let devices = 0;
      GPUAdapter.prototype.requestDevice = async function (...args) {
        const device = await request.apply(this, args);
        // The first is the one that tells the adapter, the second downhill's in the first case.
        if (++devices === 2) {
          const lost = new Promise((resolve) => setTimeout(resolve, 300)).then(() => {
            device.destroy();
            return { reason: 'unknown', message: 'It fell off the bus.' };
          });
          Object.defineProperty(device, 'lost', { value: lost });
        }
        return device;
      };
    }),
  );
  await choose(['step'], []);
  await page.click('#start');
  await phase('done');
  const { cases } = await download();
  expect(cases.map(({ error }) => error?.code)).toEqual(['DEVICE-LOST', undefined, undefined]);
  expect(cases[0]!.error!.message).toBe('The GPU device was lost while downhill was at work. It fell off the bus.');
  expect(cases[1]!.contenders[0]).toMatchObject({ name: 'downhill', outcome: 'measured' });
  expect(await page.locator('#results .failed', { hasText: 'broke off' }).count()).toBe(1);
  expect(complaints.filter((text) => /unhandled|uncaught/i.test(text))).toEqual([]);
});

test('says plainly that WebGPU is missing, and which libraries are', async () => {
  await open(async (fresh) => {
    await fresh.addInitScript(() => Reflect.deleteProperty(Navigator.prototype, 'gpu'));
    await fresh.route('**/peers/ort.js', (route) =>
      route.fulfill({ contentType: 'text/html', body: '<!doctype html>' }),
    );
  });
  await page.waitForSelector('#problem:not([hidden])');
  expect(await textOf('problem-title')).toBe('This page needs WebGPU (NO-WEBGPU)');
  expect(await textOf('problem-fix')).toMatch(/^Use a current Chrome/);
  expect(await textOf('adapter')).toBe('No WebGPU');
  expect(await page.isDisabled('#start')).toBe(true);
  await page.waitForSelector('#peer-ort-wasm:disabled');
  expect(await page.locator('.pick.missing').allTextContents()).toEqual([
    'ONNX Runtime Web, WebGPU ort-webgpu not there',
    'ONNX Runtime Web, WebAssembly ort-wasm not there',
  ]);
  expect(await textOf('peers-note')).toMatch(/setup\.mjs --peers/);
  expect(await page.isChecked('#peer-js')).toBe(true);
  expect(complaints).toEqual([]);
});
