import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { build } from 'vite';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { launchBrowser } from '../../harness/pages/find.js';
import { type Served, serve } from '../../harness/pages/server.js';
import { resolveRule } from '../../src/optim/rule.js';
import { rules } from '../../src/optim/rules.gen.js';
import { Path, type ReferenceRule, referenceRules, referenceState, worst } from '../../src/reference/index.js';
import { randomFloats } from '../support/gpu.js';
import { elementwiseNames } from '../support/rule-cases.js';

/*
 * Every rule at its defaults in headless Chrome, whose adapter on a machine without a GPU is SwiftShader: it flushes
 * subnormal numbers and has its own compiler. createOptimizer runs on tensors packed in one buffer, at 1, 3 and 10 steps;
 * the float64 reference runs here. Tolerance: that of tests/gpu/update.test.ts.
 */

const U = 16;
const SIZES = [5, 257, 4095];
const AT = [1, 3, 10];
const TOTAL = SIZES.reduce((sum, size) => sum + size, 0);
/** As in tests/gpu/update.test.ts: roundings of a parameter per step, where they are not 1. */
const ROUNDINGS: Readonly<Record<string, (steps: number) => number>> = { ftrl: (steps) => 1 + 7 / steps };

const START = randomFloats(TOTAL, 99);
/** Zeros among them, and one tensor's much smaller than the others'. */
const GRADIENTS = Array.from({ length: Math.max(...AT) }, (_, step) =>
  randomFloats(TOTAL, 1000 + step).map((g, i) => (i % 7 === 3 ? 0 : i < SIZES[0]! ? g * 2 ** -20 : g)),
);

/** Runs in the page: what a user of the library would write. */
const SCRIPT = `
import { createOptimizer, describeAdapter, requestDevice, resolveRule, rules } from ${JSON.stringify(resolve(import.meta.dirname, '../../src/index.ts'))};

let device;
const complaints = [];
window.adapter = async () => {
  device = await requestDevice();
  device.addEventListener('uncapturederror', ({ error }) => complaints.push(error.message));
  return describeAdapter(device);
};
window.runRule = async ({ name, sizes, start, gradients, at }) => {
  const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST | GPUBufferUsage.COPY_SRC;
  const bytes = 4 * start.length;
  const params = device.createBuffer({ size: bytes, usage });
  const grads = device.createBuffer({ size: bytes, usage });
  const seen = device.createBuffer({ size: bytes * at.length, usage: GPUBufferUsage.COPY_DST | GPUBufferUsage.MAP_READ });
  device.queue.writeBuffer(params, 0, Float32Array.from(start));
  let offset = 0;
  const tensors = sizes.map((size, i) => {
    const tensor = { name: 't' + i, shape: [size], param: { buffer: params, offset }, grad: { buffer: grads, offset } };
    offset += 4 * size;
    return tensor;
  });
  const optimizer = await createOptimizer(device, resolveRule(rules, name), tensors);
  for (const [step, gradient] of gradients.entries()) {
    device.queue.writeBuffer(grads, 0, Float32Array.from(gradient));
    const encoder = device.createCommandEncoder();
    optimizer.step(encoder);
    const place = at.indexOf(step + 1);
    if (place >= 0) encoder.copyBufferToBuffer(params, 0, seen, place * bytes, bytes);
    device.queue.submit([encoder.finish()]);
  }
  const report = await optimizer.read();
  const { dispatches } = optimizer.describe();
  await seen.mapAsync(GPUMapMode.READ);
  const values = Array.from(new Float32Array(seen.getMappedRange()));
  optimizer.destroy();
  for (const buffer of [params, grads, seen]) buffer.destroy();
  return { values, report, dispatches, complaints };
};
window.ready = true;
`;

interface Result {
  readonly values: readonly number[];
  readonly report: object;
  readonly dispatches: number;
  readonly complaints: readonly string[];
}
type Exposed = Window & { runRule(options: object): Promise<Result>; adapter(): Promise<object>; ready?: boolean };

let folder: string;
let site: Served;
let browser: Browser;
let page: Page;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'downhill-rules-'));
  await writeFile(
    join(folder, 'index.html'),
    '<!doctype html><title>rules</title><script type="module" src="./main.js"></script>',
  );
  await writeFile(join(folder, 'main.js'), SCRIPT);
  const outDir = join(folder, 'built');
  await build({
    configFile: false,
    root: folder,
    base: './',
    logLevel: 'error',
    publicDir: false,
    build: { outDir, target: 'es2022' },
  });
  site = await serve(outDir);
  ({ browser } = await launchBrowser());
  page = await browser.newPage();
  await page.goto(site.url);
  await page.waitForFunction(() => (window as unknown as Exposed).ready);
  const adapter = await page.evaluate(() => (window as unknown as Exposed).adapter());
  console.log(`in Chrome on ${(adapter as { name: string }).name}`);
});

afterAll(async () => {
  await browser?.close();
  await site?.close();
  await rm(folder, { recursive: true, force: true });
});

describe('in headless Chrome', () => {
  it.each(elementwiseNames)(
    `%s at its defaults agrees with the reference: sizes ${SIZES}, steps ${AT}`,
    async (name) => {
      const { values, report, dispatches, complaints } = await page.evaluate(
        (options) => (window as unknown as Exposed).runRule(options),
        { name, sizes: SIZES, start: [...START], gradients: GRADIENTS.map((gradient) => [...gradient]), at: AT },
      );
      expect(complaints).toEqual([]);
      // advance, the whole chunks, and what is left behind them.
      expect(dispatches).toBe(3);
      expect(report).toMatchObject({ step: 10, count: 10, skipped: 0 });

      const { hyper } = resolveRule(rules, name);
      const reference = (referenceRules as Readonly<Record<string, ReferenceRule>>)[name]!;
      const decays = hyper.decoupledWeightDecay === true && hyper.weightDecay !== 0 ? 1 : 0;
      const param = Float64Array.from(START);
      const state = referenceState(reference, TOTAL, hyper);
      const path = new Path(START);
      for (const [step, gradient] of GRADIENTS.entries()) {
        const t = step + 1;
        reference.update(param, Float64Array.from(gradient), state, t, hyper);
        path.advance(param);
        const place = AT.indexOf(t);
        if (place < 0) continue;
        const actual = Float32Array.from(values.slice(place * TOTAL, (place + 1) * TOTAL));
        const found = worst(actual, param, (i) => path.limit(i, t, (ROUNDINGS[name]?.(t) ?? 1) + decays, U));
        expect(found.ratio, JSON.stringify({ t, ...found })).toBeLessThanOrEqual(1);
      }
    },
  );

  it('gives finite parameters where gradients are subnormal, which may count as 0', async () => {
    const tiny = [1e-40, -1e-40, 1e-45, 1e-38, -1.1e-38, 0];
    const gradient = Array.from(START, (_, i) => tiny[i % tiny.length]!);
    for (const name of elementwiseNames) {
      const { values } = await page.evaluate((options) => (window as unknown as Exposed).runRule(options), {
        name,
        sizes: SIZES,
        start: [...START],
        gradients: [gradient, gradient, gradient],
        at: [3],
      });
      expect(values.every(Number.isFinite), name).toBe(true);
    }
  });
});
