import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeAll, expect, it, vi } from 'vitest';
import { ensureBuild } from '../../harness/setup/build.mjs';
import { testDevice } from '../support/gpu.js';
import { SPLAT_FIT } from '../support/splat-fit.js';

/* examples/splat-fit, on the built package as a user has it. */

// biome-ignore lint/suspicious/noExplicitAny: the example is JavaScript
const part = async (name: string): Promise<any> =>
  import(/* @vite-ignore */ pathToFileURL(resolve(import.meta.dirname, `../../examples/splat-fit/${name}.js`)).href);

beforeAll(() => ensureBuild());

const made: { destroy(): void }[] = [];
afterEach(() => {
  vi.restoreAllMocks();
  for (const each of made.splice(0)) each.destroy();
});

async function makeFit(options: { masked?: boolean; steps?: number } = {}) {
  const { createFit } = await part('fit');
  const { drawnPicture } = await part('plan');
  const fit = await createFit(await testDevice(), { target: drawnPicture(64, 64), ...SPLAT_FIT, ...options });
  made.push(fit);
  return fit;
}

/** A frame, as a host makes it. */
async function frame(fit: Awaited<ReturnType<typeof makeFit>>): Promise<void> {
  const device = await testDevice();
  const encoder = device.createCommandEncoder();
  await fit.frame(encoder);
  device.queue.submit([encoder.finish()]);
}

it('passes the bar, with splats that come and go, in one submit per frame', async () => {
  const device = await testDevice();
  const fit = await makeFit();
  expect(fit.optimizer.describe()).toMatchObject({ dispatches: 2, rows: { position: 200, opacity: 200 } });
  const first = (await fit.look()).psnr;
  const submit = vi.spyOn(device.queue, 'submit');
  for (let i = 0; i < 50; i++) await frame(fit);
  expect(submit).toHaveBeenCalledTimes(50);
  while (fit.steps < SPLAT_FIT.steps) await frame(fit);

  const { psnr, records } = await fit.look();
  console.log(`${fit.count} splats: from ${first.toFixed(2)} to ${psnr.toFixed(2)} dB`);
  expect(first).toBeLessThan(22);
  expect(psnr).toBeGreaterThan(SPLAT_FIT.bar);
  expect(records.every(Number.isFinite)).toBe(true);
  expect(fit.count).toBeGreaterThan(SPLAT_FIT.room - 10);
  expect(fit.count).toBeLessThanOrEqual(SPLAT_FIT.room);
  expect(fit.optimizer.describe().rows).toMatchObject({ position: fit.count, angle: fit.count });
  expect(await fit.optimizer.read()).toMatchObject({ count: SPLAT_FIT.steps, skipped: 0 });
});

it('moves whom it sees, and without the mask everybody', async () => {
  const moved: Record<string, number> = {};
  for (const masked of [true, false]) {
    const fit = await makeFit({ masked });
    for (let i = 0; i < 5; i++) await frame(fit); // each tile was seen: everybody has momentum
    const before = await fit.look();
    await frame(fit);
    const after = await fit.look();
    const words = after.records.length / fit.count;
    const bits = ({ records }: { records: Float32Array }, i: number) =>
      Buffer.from(records.slice(words * i, words * (i + 1)).buffer).toString('hex');
    const changed = [...after.seen.keys()].filter((i) => bits(before, i) !== bits(after, i));
    if (masked) expect(changed).toEqual([...after.seen.keys()].filter((i) => after.seen[i] === 1));
    moved[masked ? 'masked' : 'unmasked'] = changed.length;
  }
  console.log('splats that one update moved:', moved);
  expect(moved.unmasked).toBe(SPLAT_FIT.count);
  expect(moved.masked).toBeLessThan(SPLAT_FIT.count / 2);
});

it('state follows its splat when others go, and starts anew for halves and new ones', async () => {
  const fit = await makeFit();
  const { replan, drawnPicture } = { ...(await part('plan')) };
  for (let i = 0; i < 20; i++) await frame(fit);
  const before = (await fit.optimizer.state()).tensors;
  const plan = replan(drawnPicture(64, 64), await fit.look(), before.position.exp_avg_sq, SPLAT_FIT.room);
  const encoder = (await testDevice()).createCommandEncoder();
  await fit.densify(encoder);
  (await testDevice()).queue.submit([encoder.finish()]);
  const after = (await fit.optimizer.state()).tensors;
  expect(after.colour.exp_avg.length).toBe(3 * (plan.kept.length + plan.fresh));
  const anew = new Set(plan.started);
  for (let i = 0; i < plan.kept.length + plan.fresh; i++) {
    const old = i < plan.kept.length && !anew.has(i) ? plan.kept[i] : undefined;
    const was = old === undefined ? [0, 0, 0] : [...before.colour.exp_avg.subarray(3 * old, 3 * old + 3)];
    expect([...after.colour.exp_avg.subarray(3 * i, 3 * i + 3)], `splat ${i}`).toEqual(was);
  }
});

it('reports what an update takes, with a quarter in sight and with everybody', async () => {
  const { timeUpdate } = await part('measure');
  const count = 20_000;
  const seen = Uint32Array.from({ length: count }, (_, i) => Number(i < count / 4));
  const device = await testDevice();
  const [masked, all] = [
    await timeUpdate(device, { count, seen, steps: 5 }),
    await timeUpdate(device, { count, steps: 5 }),
  ];
  console.log(`an update of ${count} splats: a quarter ${masked.toFixed(2)} ms, without a mask ${all.toFixed(2)} ms`);
  expect(masked).toBeGreaterThan(0);
  expect(all).toBeGreaterThan(0);
});
