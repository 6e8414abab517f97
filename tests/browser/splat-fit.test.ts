import { readFileSync } from 'node:fs';
import { extname, join, resolve } from 'node:path';
import { expect, test } from 'vitest';
import { launchBrowser } from '../../harness/pages/find.js';
import { ensureBuild } from '../../harness/setup/build.mjs';
import { SPLAT_FIT } from '../support/splat-fit.js';

/** The page of examples/splat-fit as it is, without a bundler, in headless Chrome. */

const root = resolve(import.meta.dirname, '../..');
// On Linux a canvas of WebGPU on SwiftShader ends Chrome's GPU process, unless what puts pages together is on it, too.
const args =
  process.platform === 'linux'
    ? ['--use-angle=swiftshader', '--enable-features=Vulkan', '--use-vulkan=swiftshader']
    : [];
const TYPES: Record<string, string> = { '.html': 'text/html', '.js': 'text/javascript' };

test('a picture is fitted with splats on a page', async () => {
  ensureBuild();
  const { browser } = await launchBrowser({ args });
  try {
    const page = await browser.newPage();
    const complaints: string[] = [];
    page.on('pageerror', (error) => complaints.push(String(error)));
    page.on('console', (message) => {
      if (['error', 'warning'].includes(message.type())) complaints.push(message.text());
    });
    await page.route('http://localhost/**', (route) => {
      const path = new URL(route.request().url()).pathname.replace(/\/$/, '/index.html');
      return route.fulfill({ contentType: TYPES[extname(path)], body: readFileSync(join(root, path), 'utf8') });
    });
    await page.goto('http://localhost/examples/splat-fit/');
    const text = async () => (await page.textContent('#log')) ?? '';
    await expect.poll(async () => complaints.join() || (await text()), { timeout: 120_000 }).toContain('step 600:');
    const [, splats, decibels] = /: (\d+) splats, ([\d.]+) dB/.exec(await text())!;
    expect(Number(splats)).toBeGreaterThan(SPLAT_FIT.count);
    expect(Number(decibels)).toBeGreaterThan(SPLAT_FIT.bar);
    expect(complaints).toEqual([]);
  } finally {
    await browser.close();
  }
});
