import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { launchBrowser } from '../../harness/pages/find.js';
import { ensureBuild } from '../../harness/setup/build.mjs';
import type { MeasuredPlan } from '../../src/index.js';

/* Measured plans in the browser's own file system: trainers of the packed library in tabs of headless Chromium. */

const ORIGIN = 'http://localhost';
const PAGE = `<script type="module">
import { adam, arrays, createTrainer, mlp, opfsPlans, requestDevice } from './downhill.js';
const folder = async (create) => (await navigator.storage.getDirectory()).getDirectoryHandle('downhill-plans', { create });
const x = Float32Array.from({ length: 40 * 6 }, (_, i) => ((i * 7919) % 1009) / 1009);
const y = Uint8Array.from({ length: 40 }, (_, i) => i % 3);
let device;
globalThis.call = {
  async train(options) {
    device ??= await requestDevice();
    const data = arrays({ x, y, classes: 3, features: 6 });
    const model = mlp({ sizes: [6, 8, 3] });
    const trainer = await createTrainer(device, { model, rule: adam(), data, batchSize: 8, plans: opfsPlans(), ...options });
    const { chosenBy, choice, measured, notes } = trainer.describe();
    trainer.destroy();
    return { chosenBy, choice, measured, notes };
  },
  load: ({ key }) => opfsPlans().load(key),
  save: ({ key, plan }) => opfsPlans().save(key, plan),
  async names() {
    const names = [];
    for await (const name of (await folder(true)).keys()) names.push(name);
    return names;
  },
  async write({ name, text }) {
    const stream = await (await (await folder(true)).getFileHandle(name, { create: true })).createWritable();
    await stream.write(text);
    await stream.close();
  },
};
globalThis.answer = async (what, given) => {
  try {
    return { value: await call[what](given ?? {}) };
  } catch (error) {
    return { error: String(error) };
  }
};
</script>`;

let browser: Browser;
let context: BrowserContext;

beforeAll(async () => {
  ensureBuild();
  ({ browser } = await launchBrowser());
  context = await browser.newContext();
  const bundle = readFileSync(join(resolve(import.meta.dirname, '../..'), 'dist/bundle/downhill.js'), 'utf8');
  await context.route(`${ORIGIN}/**`, (route) =>
    route.fulfill(
      route.request().url().endsWith('.js')
        ? { contentType: 'text/javascript', body: bundle }
        : { contentType: 'text/html', body: PAGE },
    ),
  );
});
afterAll(() => browser?.close());

async function tab(): Promise<{ page: Page; call<T>(what: string, given?: object): Promise<T> }> {
  const page = await context.newPage();
  await page.goto(`${ORIGIN}/`);
  return {
    page,
    async call(what, given) {
      const answer = await page.evaluate(
        (args) =>
          (
            globalThis as unknown as { answer(...args: unknown[]): Promise<{ value?: unknown; error?: string }> }
          ).answer(...args),
        [what, given] as const,
      );
      if (answer.error !== undefined) throw new Error(answer.error);
      return answer.value as never;
    },
  };
}

interface Trained {
  readonly chosenBy: string;
  readonly choice: Readonly<Record<string, string>>;
  readonly measured?: MeasuredPlan;
  readonly notes: readonly string[];
}

it('are kept for the next tab, and ignored with a note where they are nonsense', async () => {
  const first = await tab();
  const { chosenBy, choice, measured, notes } = await first.call<Trained>('train', {
    ...{ plan: 'measure', planBudgetMs: 300 },
  });
  expect({ chosenBy, notes }).toEqual({ chosenBy: 'measured', notes: [] });
  expect(await first.call('names')).toEqual([`${measured!.key}.json`]);
  await first.page.close();

  const second = await tab();
  expect(await second.call<Trained>('train')).toEqual({ chosenBy: 'kept', choice, measured, notes: [] });
  await second.call('write', { name: `${measured!.key}.json`, text: '{"format": "downh' });
  expect(await second.call<Trained>('train')).toMatchObject({
    ...{ chosenBy: 'heuristic', notes: [expect.stringMatching(/kept plan cannot be read: .*JSON/)] },
  });
});

it('are one file a key, which a later plan replaces', async () => {
  const { call } = await tab();
  expect(await call('load', { key: 'none' })).toBeUndefined();
  await call('save', { key: 'one', plan: { format: 'downhill-plan/1', ms: 1, padding: 'x'.repeat(1000) } });
  await call('save', { key: 'one', plan: { format: 'downhill-plan/1', ms: 2 } });
  await call('save', { key: 'two', plan: { format: 'downhill-plan/1', ms: 3 } });
  expect(await call('load', { key: 'one' })).toEqual({ format: 'downhill-plan/1', ms: 2 });
  expect(await call('load', { key: 'two' })).toEqual({ format: 'downhill-plan/1', ms: 3 });
});
