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

async function makeFit(options: object = {}) {
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

/** Half the sum of squares over the first tile, in float64; splat i counts in the box of 3σ of `boxes[i]`. */
function lossOf(all: Float64Array, boxes: Float64Array, target: { width: number; pixels: Float32Array }): number {
  const tile = target.width / 2;
  const drawn = new Float64Array(3 * tile * tile);
  for (let i = 0; i < all.length; i += 12) {
    const [x, y, s1, s2, r, g, b, opacity, angle] = all.subarray(i);
    const a = 1 / (1 + Math.exp(-opacity!));
    const [c, s] = [Math.cos(angle!), Math.sin(angle!)];
    const [bx, by, b1, b2, , , , , turn] = boxes.subarray(i);
    const [u, v] = [Math.cos(turn!) ** 2, Math.sin(turn!) ** 2];
    const [e1, e2] = [Math.exp(2 * b1!), Math.exp(2 * b2!)];
    const [rx, ry] = [3 * Math.sqrt(u * e1 + v * e2), 3 * Math.sqrt(v * e1 + u * e2)];
    for (let py = Math.max(0, Math.floor(by! - ry)); py < Math.min(tile, Math.ceil(by! + ry)); py++)
      for (let px = Math.max(0, Math.floor(bx! - rx)); px < Math.min(tile, Math.ceil(bx! + rx)); px++) {
        const [dx, dy] = [px + 0.5 - x!, py + 0.5 - y!];
        const q = ((c * dx + s * dy) / Math.exp(s1!)) ** 2 + ((c * dy - s * dx) / Math.exp(s2!)) ** 2;
        for (const [k, light] of [r!, g!, b!].entries())
          drawn[3 * (py * tile + px) + k]! += a * light * Math.exp(-q / 2);
      }
  }
  return drawn.reduce((sum, value, i) => {
    const [pixel, k] = [Math.floor(i / 3), i % 3];
    const goal = target.pixels[3 * (Math.floor(pixel / tile) * target.width + (pixel % tile)) + k]!;
    return sum + (value - goal) ** 2 / 2;
  }, 0);
}

it('has the gradient of its loss, by central differences in float64', async () => {
  const { drawnPicture } = await part('plan');
  const { FIELDS } = await part('kernels');
  const target = drawnPicture(32, 32);
  const fit = await makeFit({ target, count: 6, room: 6 });
  const records = Float32Array.from({ length: 72 }, (_, at) => {
    const i = Math.floor(at / 12);
    const values = [
      3 + 2 * i,
      13 - 1.7 * i,
      0.2 + 0.1 * i,
      0.9 - 0.1 * i,
      0.5,
      0.3 + 0.1 * i,
      -0.1,
      0.4 * i - 1,
      0.3 * i,
    ];
    return values[at % 12] ?? 0;
  });
  (await testDevice()).queue.writeBuffer(fit.buffers.splats, 0, records);
  await frame(fit);
  const { tensors } = await fit.optimizer.state();
  const at = Float64Array.from(records);
  for (const [name, first] of Object.entries<number>(FIELDS)) {
    const width = tensors[name].exp_avg.length / 6;
    for (const [j, average] of tensors[name].exp_avg.entries()) {
      const word = 12 * Math.floor(j / width) + first + (j % width);
      const [low, high] = [at.slice(), at.slice()];
      low[word]! -= 1e-5;
      high[word]! += 1e-5;
      const slope = (lossOf(high, at, target) - lossOf(low, at, target)) / 2e-5;
      // After one step Adam's first moment is a tenth of the gradient. WGSL promises sin and cos within 2^-11;
      // the worst here is 3.0e-4 on SwiftShader, 2.6e-5 on lavapipe.
      const off = Math.abs(10 * average - slope) / (1 + Math.abs(slope));
      expect(off, `${name} ${j}: ${10 * average}, ${slope}`).toBeLessThan(2 ** -11);
    }
  }
});

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
  const { replan, drawnPicture } = await part('plan');
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
