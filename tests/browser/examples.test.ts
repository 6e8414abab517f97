import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { Browser } from 'playwright-core';
import { build } from 'vite';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { launchBrowser } from '../../harness/pages/find.js';
import { type Served, serve } from '../../harness/pages/server.js';
import { ensureBuild } from '../../harness/setup/build.mjs';
import { EXAMPLE_FIT } from '../support/raw-webgpu.js';

/** The page of examples/raw-webgpu, bundled with the built package, in headless Chrome. */

let folder: string;
let site: Served;
let browser: Browser;

beforeAll(async () => {
  ensureBuild();
  folder = await mkdtemp(join(tmpdir(), 'downhill-example-'));
  await build({
    configFile: false,
    root: resolve(import.meta.dirname, '../../examples/raw-webgpu'),
    base: './',
    logLevel: 'error',
    build: { outDir: folder, emptyOutDir: true, target: 'es2022' },
  });
  site = await serve(folder);
  ({ browser } = await launchBrowser());
});

afterAll(async () => {
  await browser?.close();
  await site?.close();
  await rm(folder, { recursive: true, force: true });
});

test('the program without a framework fits its curve on a page', async () => {
  const page = await browser.newPage();
  const complaints: string[] = [];
  page.on('pageerror', (error) => complaints.push(String(error)));
  page.on('console', (message) => {
    if (message.type() === 'error') complaints.push(message.text());
  });
  await page.goto(site.url);
  await page.waitForFunction(() => document.getElementById('log')!.textContent !== '', undefined, { timeout: 60_000 });
  const text = (await page.textContent('#log'))!;
  const [, loss, count, found] = /loss (\S+) after (\d+) updates; a … d = (\S+)/.exec(text) ?? [text];
  expect(count, text).toBe('500');
  expect(Number(loss)).toBeCloseTo(EXAMPLE_FIT.loss, 4);
  for (const [i, value] of found!.split(',').entries())
    expect(Number(value)).toBeCloseTo(EXAMPLE_FIT.coefficients[i]!, 4);
  expect(complaints).toEqual([]);
});
