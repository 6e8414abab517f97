import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { launchBrowser } from '../../harness/pages/find.js';
import { ensureBuild } from '../../harness/setup/build.mjs';

/* Checkpoints in the browser's own file system, in tabs of headless Chromium that see the same origin. */

const bundle = () => readFileSync(join(resolve(import.meta.dirname, '../..'), 'dist/bundle/downhill.js'), 'utf8');
const ORIGIN = 'http://localhost';

/** What the pages run: answers are plain JSON, errors their codes. */
const SCRIPT = `
import { encodeSafetensors, opfsStore } from './downhill.js';
const stores = [];
/** A checkpoint made of its step. */
export const bytesOf = (step, length) => {
  const bytes = Uint8Array.from({ length }, (_, i) => (i * 31 + step * 7 + (i >> 8)) & 255);
  return encodeSafetensors(new Map([['x', { dtype: 'U8', shape: [length], bytes }]]), { step: String(step) });
};
const call = {
  open: async (name, options) => stores.push(await opfsStore(name, options)) - 1,
  async save(store, step, length) {
    const { saved, problem } = await stores[store].save(bytesOf(step, length), { step });
    return { saved, ...(problem && { code: problem.code, message: problem.message }) };
  },
  async latest(store, length) {
    const found = await stores[store].latest();
    if (!found) return null;
    const { step, bytes, damaged } = found;
    const wanted = bytesOf(step, length ?? 1000);
    const same = bytes.length === wanted.length && bytes.every((byte, i) => byte === wanted[i]);
    return { step, same, damaged: damaged.map(({ step, problem }) => [step, problem.code]) };
  },
  list: async (store) => (await stores[store].list()).map(({ step }) => step),
  close: (store) => stores[store].close(),
  /** Saves until the page is closed; tells each step that is done. */
  async loop(store, step, length) {
    for (;; step++) {
      await stores[store].save(bytesOf(step, length), { step });
      await told(step);
    }
  },
  /** Another's bytes in the place of a checkpoint. */
  async damage(name, step, from, bytes) {
    const root = await navigator.storage.getDirectory();
    const folder = await (await root.getDirectoryHandle('downhill')).getDirectoryHandle(name);
    const file = await folder.getFileHandle('step-' + String(step).padStart(6, '0') + '.safetensors', { create: true });
    const stream = await file.createWritable({ keepExistingData: true });
    if (bytes === null) await stream.truncate(from);
    else await stream.write({ type: 'write', position: from, data: Uint8Array.from(bytes) });
    await stream.close();
  },
};
export const answer = async ([what, ...args]) => {
  try {
    return { value: await call[what](...args) };
  } catch (error) {
    return { code: error.code ?? String(error), message: error.message };
  }
};
`;
const PAGE = `<script type="module">import { answer } from './script.js'; globalThis.answer = answer;</script>`;
const WORKER = `import { answer } from './script.js';
onmessage = async ({ data }) => postMessage(await answer(data));`;

let browser: Browser;
let context: BrowserContext;

beforeAll(async () => {
  ensureBuild();
  ({ browser } = await launchBrowser());
});
afterAll(() => browser?.close());
beforeEach(async () => {
  context = await browser.newContext();
  const files: Record<string, string> = { '/downhill.js': bundle(), '/script.js': SCRIPT, '/worker.js': WORKER };
  await context.route(`${ORIGIN}/**`, (route) => {
    const body = files[new URL(route.request().url()).pathname];
    return route.fulfill(body ? { contentType: 'text/javascript', body } : { contentType: 'text/html', body: PAGE });
  });
});
afterEach(() => context.close());

type Answer = { value?: unknown; code?: string; message?: string };
type Call = (what: string, ...args: unknown[]) => Promise<Answer>;

async function tab(): Promise<{ page: Page; call: Call }> {
  const page = await context.newPage();
  await page.goto(`${ORIGIN}/`);
  const call: Call = (...args) =>
    page.evaluate((given) => (globalThis as unknown as { answer(call: unknown): Promise<Answer> }).answer(given), args);
  return { page, call };
}

/** The same from a worker of the page. */
const inWorker =
  (page: Page): Call =>
  (...args) =>
    page.evaluate((given) => {
      const holder = globalThis as unknown as { storeWorker?: Worker };
      holder.storeWorker ??= new Worker('/worker.js', { type: 'module' });
      const worker = holder.storeWorker;
      return new Promise<Answer>((done, failed) => {
        worker.onmessage = ({ data }) => done(data);
        worker.onerror = ({ message }) => failed(new Error(message));
        worker.postMessage(given);
      });
    }, args);

const value = async (answer: Promise<Answer>) => {
  const { value: given, code, message } = await answer;
  if (code) throw new Error(`${code}: ${message}`);
  return given;
};

it.each(['page', 'worker'])(
  'in a %s keeps the last few, gives back the newest, and finds them in another tab',
  async (where) => {
    const first = await tab();
    const call = where === 'page' ? first.call : inWorker(first.page);
    expect(await value(call('open', 'a', { keep: 2 }))).toBe(0);
    expect(await value(call('latest', 0))).toBeNull();
    for (const step of [1, 2, 30]) expect(await value(call('save', 0, step, 1000))).toEqual({ saved: true });
    expect(await value(call('list', 0))).toEqual([30, 2]);
    expect(await value(call('latest', 0))).toEqual({ step: 30, same: true, damaged: [] });
    await first.page.close(); // without close(): the lock goes with the tab
    const second = await tab();
    await expect.poll(async () => (await second.call('open', 'a', {})).code).toBeUndefined();
    expect(await value(second.call('latest', 0))).toEqual({ step: 30, same: true, damaged: [] });
    expect(await value(second.call('save', 0, 31, 1000))).toEqual({ saved: true });
  },
);

it('is written by one tab or worker at a time, and read by others', async () => {
  const [first, second] = [await tab(), await tab()];
  await value(first.call('open', 'b'));
  await value(first.call('save', 0, 5, 1000));
  for (const call of [second.call, first.call, inWorker(first.page)])
    expect(await call('open', 'b')).toMatchObject({ code: 'STORE-BUSY', message: expect.stringContaining("'b'") });
  expect(await value(second.call('open', 'b', { readOnly: true }))).toBe(0);
  expect(await value(second.call('latest', 0))).toMatchObject({ step: 5, same: true });
  expect(await second.call('save', 0, 6, 1000)).toMatchObject({ code: 'OPTION-RANGE' });
  expect(await value(second.call('open', 'other'))).toBe(1);
  await value(first.call('close', 0));
  expect(await value(second.call('open', 'b'))).toBe(2);
});

it('passes over damaged ones and says so', async () => {
  const { call } = await tab();
  await value(call('open', 'c'));
  for (const step of [1, 2, 3]) await value(call('save', 0, step, 1000));
  await value(call('damage', 'c', 3, 700, [77]));
  await value(call('damage', 'c', 2, 400, null));
  expect(await value(call('latest', 0))).toEqual({
    step: 1,
    same: true,
    damaged: [3, 2].map((step) => [step, 'CHECKPOINT-CORRUPT']),
  });
  await value(call('save', 0, 4, 1000));
  expect(await value(call('list', 0))).toEqual([4, 1]);
});

it('says once that there is no room, keeps what is there, and saves again where there is', async () => {
  const { page, call } = await tab();
  const session = await context.newCDPSession(page);
  await value(call('open', 'd'));
  for (const step of [1, 2]) await value(call('save', 0, step, 1000));
  await session.send('Storage.overrideQuotaForOrigin', { origin: ORIGIN, quotaSize: 100_000 });
  expect(await value(call('save', 0, 3, 3_000_000))).toMatchObject({
    saved: false,
    code: 'STORE-FULL',
    message: expect.stringContaining('no more room'),
  });
  for (const step of [4, 5]) expect(await value(call('save', 0, step, 3_000_000))).toEqual({ saved: false });
  expect(await value(call('list', 0))).toEqual([2, 1]);
  expect(await value(call('latest', 0))).toEqual({ step: 2, same: true, damaged: [] });
  await session.send('Storage.overrideQuotaForOrigin', { origin: ORIGIN });
  expect(await value(call('save', 0, 6, 3_000_000))).toEqual({ saved: true });
});

it('loses nothing when its tab is closed in the middle of a save', async () => {
  const LENGTH = 400_000;
  let done = 0;
  for (let round = 0; round < 7; round++) {
    const { page, call } = await tab();
    await page.exposeFunction('told', (step: number) => {
      done = step;
    });
    await expect.poll(async () => (await call('open', 'e')).code).toBeUndefined();
    const from = done;
    const found = await value(call('latest', 0, LENGTH));
    // The one under way may have been whole before its tab could tell.
    if (from > 0) expect(found).toMatchObject({ same: true, damaged: [] });
    const step = (found as { step: number } | null)?.step ?? 0;
    expect([from, from + 1]).toContain(step);
    done = step;
    const looping = call('loop', 0, step + 1, LENGTH).catch(() => {});
    // Not before the first is saved, however slow the machine; then anywhere in one of those behind it.
    await expect.poll(() => done, { timeout: 30_000, interval: 5 }).toBeGreaterThan(step);
    await page.waitForTimeout(13 * round);
    await page.close();
    await looping;
  }
  expect(done).toBeGreaterThanOrEqual(7);
});

it('refuses names and options that are none', async () => {
  const { call } = await tab();
  for (const name of ['', '..', 'a/b', 'ä', 1]) expect((await call('open', name)).code).toBe('OPTION-RANGE');
  expect((await call('open', 'f', { keep: 0 })).code).toBe('OPTION-RANGE');
});
