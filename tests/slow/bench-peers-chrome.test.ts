import { readdirSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { build } from 'vite';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PEERS } from '../../harness/bench/peers.js';
import { launchBrowser } from '../../harness/pages/find.js';
import { type Served, serve } from '../../harness/pages/server.js';
import { ensurePeers } from '../../harness/setup/peers.mjs';
import { errors, expectedResults, type PeerResults, TOLERANCE } from '../support/peer-cases.js';

/** Every peer against float64 in headless Chrome, loaded as the benchmark's page loads it, under its security policy. */

const root = resolve(import.meta.dirname, '../..');
const from = (path: string) => JSON.stringify(join(root, path));

/** Runs in the page. */
const SCRIPT = `
import { loadPeer } from ${from('harness/bench/peers.ts')};
import { describeAdapter, requestDevice } from ${from('src/index.ts')};
import { runPeer } from ${from('tests/support/peer-cases.ts')};

const complaints = [];
const environment = {
  place: 'chrome',
  gpu: navigator.gpu,
  async requestDevice(label) {
    const device = await requestDevice({ label });
    device.addEventListener('uncapturederror', ({ error }) => complaints.push(error.message));
    return device;
  },
};
window.runPeer = async (name) => {
  const results = await runPeer(await loadPeer(name, environment), environment);
  return { results, complaints };
};
window.isolated = () => crossOriginIsolated;
window.ready = true;
`;

type Exposed = Window & {
  ready?: boolean;
  isolated(): boolean;
  runPeer(name: string): Promise<{ results: PeerResults; complaints: string[] }>;
};

let folder: string;
let site: Served;
let browser: Browser;

beforeAll(async () => {
  ensurePeers();
  folder = await mkdtemp(join(tmpdir(), 'downhill-peers-'));
  await writeFile(
    join(folder, 'index.html'),
    '<!doctype html><link rel="icon" href="data:,"><script type="module" src="./main.js"></script>',
  );
  await writeFile(join(folder, 'main.js'), SCRIPT);
  const outDir = join(folder, 'built');
  const settings = { base: './', logLevel: 'error', publicDir: false } as const;
  await build({ configFile: false, root: folder, ...settings, build: { outDir, target: 'es2022' } });
  const peers = join(root, 'dist/peers/web');
  const files = Object.fromEntries(readdirSync(peers).map((name) => [`/peers/${name}`, join(peers, name)]));
  site = await serve(outDir, { files, wasm: true });
  ({ browser } = await launchBrowser());
});

afterAll(async () => {
  await browser?.close();
  await site?.close();
  await rm(folder, { recursive: true, force: true });
});

/** A page of its own for each: what one library does to the page, another must not see. */
async function open(): Promise<{ page: Page; said: string[]; workers: () => number }> {
  const page = await browser.newPage();
  const said: string[] = [];
  let workers = 0;
  page.on('worker', () => workers++);
  page.on('pageerror', (error) => said.push(String(error)));
  page.on('console', (message) => {
    if (message.type() === 'error') said.push(message.text());
  });
  await page.goto(site.url);
  await page.waitForFunction(() => (window as unknown as Exposed).ready);
  return { page, said, workers: () => workers };
}

describe('in headless Chrome', () => {
  const names = Object.values(PEERS);

  it.each(names)('$name agrees with float64', async ({ name, tasks }) => {
    const { page, said, workers } = await open();
    expect(await page.evaluate(() => (window as unknown as Exposed).isolated()), 'threads need isolation').toBe(true);
    const { results, complaints } = await page
      .evaluate((peer) => (window as unknown as Exposed).runPeer(peer), name)
      .catch((error: Error) => Promise.reject(new Error(`${error.message}\n${said.join('\n')}`)));
    const found = errors(results, expectedResults(tasks));
    expect(complaints).toEqual([]);
    expect(said).toEqual([]);
    expect(Math.max(...Object.values(found)), JSON.stringify(found)).toBeLessThanOrEqual(TOLERANCE);
    if (name.endsWith('-wasm')) expect(workers(), 'its threads').toBeGreaterThan(0);
    await page.close();
  });
});
