import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { build } from 'vite';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { launchBrowser } from '../../harness/pages/find.js';
import { type Served, serve } from '../../harness/pages/server.js';
import type { Trainer, TrainerOptions } from '../../src/index.js';
import * as downhill from '../../src/index.js';
import { testDevice } from '../support/gpu.js';

/*
 * Checkpoints in headless Chrome: at several steps, bit for bit, with all that remembers something; and from Node to Chrome,
 * within what two adapters differ by. The same function makes the trainer here and there.
 */

/** Made from its text in the page: sees nothing but its arguments. */
function make(api: typeof downhill, device: GPUDevice): Promise<Trainer> {
  const { adamw, arrays, batchNorm, createTrainer, dropout, ema, linear, plateau, relu, sequential, warmup } = api;
  const values = (length: number, seed: number) =>
    Float32Array.from({ length }, (_, i) => Math.fround(((((i + 1) * 7919 * (seed + 1)) % 1009) / 1009) * 2 - 1));
  const some = (samples: number, seed: number) =>
    arrays({
      x: values(6 * samples, seed),
      y: Uint8Array.from({ length: samples }, (_, i) => i % 3),
      classes: 3,
      features: 6,
    });
  return createTrainer(device, {
    model: sequential({ input: 6, layers: [linear(8), batchNorm(), relu(), dropout({ p: 0.2 }), linear(3)] }),
    rule: adamw({ lr: warmup(plateau(0.02, { factor: 0.5, patience: 0 }), { steps: 5 }) }),
    data: some(20, 1),
    batchSize: 8,
    accumulate: { steps: 2 },
    average: ema({ decay: 0.9 }),
    validation: { data: some(10, 2), every: { iterations: 3 } },
    earlyStopping: { patience: 50 },
  } as unknown as TrainerOptions) as unknown as Promise<Trainer>;
}

const END = 40;
const STEPS = [0, 1, 3, 4, 5, 8, 11, 13, 14, 17, 20, 22, 23, 25, 28, 31, 33, 34, 37, 39];

const SCRIPT = `
import * as api from ${JSON.stringify(resolve(import.meta.dirname, '../../src/index.ts'))};
const make = MAKE;
let device;
const collect = async (trainer, steps) => {
  const reports = [];
  for await (const { step, loss, lr, validation } of trainer.run({ steps })) reports.push({ step, loss, lr, validation });
  return reports;
};
/** Whether going on from each of the steps gives the bits of the run that was not stopped. */
window.resumes = async (steps, end) => {
  device ??= await api.requestDevice();
  const whole = await make(api, device);
  const files = [];
  const reports = [];
  for (const step of steps) {
    reports.push(...(await collect(whole, step - whole.step)));
    files.push(await whole.checkpoint());
  }
  reports.push(...(await collect(whole, end - whole.step)));
  const last = String(await whole.checkpoint());
  const next = await make(api, device);
  const same = [];
  for (const [i, file] of files.entries()) {
    await next.restore(file);
    const rest = await collect(next, end - next.step);
    const alike = JSON.stringify(rest) === JSON.stringify(reports.slice(steps[i]));
    same.push(alike && String(await next.checkpoint()) === last);
  }
  return same;
};
window.goOn = async (bytes, steps) => {
  device ??= await api.requestDevice();
  const trainer = await make(api, device);
  const { step, otherForms } = await trainer.restore(Uint8Array.from(bytes));
  return { step, otherForms, reports: await collect(trainer, steps) };
};
window.ready = true;
`;

interface Exports {
  readonly ready: true;
  resumes(steps: readonly number[], end: number): Promise<boolean[]>;
  goOn(
    bytes: readonly number[],
    steps: number,
  ): Promise<{ step: number; otherForms: string[]; reports: { step: number; loss: number; lr: number }[] }>;
}

let [folder, served, browser, page] = [] as unknown as [string, Served, Browser, Page];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'downhill-checkpoint-'));
  await writeFile(join(folder, 'index.html'), '<!doctype html><script type="module" src="./main.js"></script>');
  await writeFile(
    join(folder, 'main.js'),
    SCRIPT.replace('MAKE', () => make.toString()),
  );
  const outDir = join(folder, 'built');
  const quiet = { configFile: false, logLevel: 'error', publicDir: false } as const;
  await build({ ...quiet, root: folder, base: './', build: { outDir, target: 'es2022' } });
  served = await serve(outDir);
  ({ browser } = await launchBrowser());
  page = await browser.newPage();
  await page.goto(served.url);
  await page.waitForFunction(() => (window as unknown as Partial<Exports>).ready);
}, 120_000);

afterAll(async () => {
  await browser?.close();
  await served?.close();
  if (folder) await rm(folder, { recursive: true, force: true });
});

it('a training in Chrome goes on bit for bit from any of its steps', async () => {
  const same = await page.evaluate(([steps, end]) => (window as unknown as Exports).resumes(steps, end), [
    STEPS,
    END,
  ] as const);
  expect(same).toEqual(STEPS.map(() => true));
}, 120_000);

it('a checkpoint of Node goes on in Chrome', async () => {
  const here = await make(downhill, await testDevice());
  try {
    for await (const _ of here.run({ steps: 13 }));
    const file = await here.checkpoint();
    const expected: { step: number; loss: number; lr: number }[] = [];
    for await (const { step, loss, lr } of here.run({ steps: 10 })) expected.push({ step, loss, lr });
    const there = await page.evaluate(([bytes, steps]) => (window as unknown as Exports).goOn(bytes, steps), [
      [...file],
      10,
    ] as const);
    expect(there.step).toBe(13);
    for (const [i, { step, loss, lr }] of there.reports.entries()) {
      expect([step, lr]).toEqual([expected[i]!.step, expected[i]!.lr]);
      // Another adapter rounds otherwise; ten steps of so small a net carry that to a few units of the sixth digit.
      expect(Math.abs(loss / expected[i]!.loss - 1)).toBeLessThan(1e-4);
    }
  } finally {
    here.destroy();
  }
}, 120_000);
