import { afterEach, describe, expect, it, vi } from 'vitest';
import { intervalsOf, looksQuantised, MAX_QUERIES, PassTimer } from '../../src/gpu/timing.js';
import { layerNorm, linear as linearLayer } from '../../src/nn/layers.js';
import { mlp } from '../../src/nn/mlp.js';
import { sequential } from '../../src/nn/model.js';
import { requestDevice, requestGpu } from '../../src/node/index.js';
import { adam, sgd } from '../../src/optim/rules.gen.js';
import { linear } from '../../src/optim/schedules.js';
import { summarize } from '../../src/train/profile.js';
import type { Profile, ProfilePass } from '../../src/train/report-types.js';
import { createTrainer } from '../../src/train/trainer.js';
import type { Trainer, TrainerOptions } from '../../src/train/types.js';
import { testDevice } from '../support/gpu.js';
import { collect, countCreations, noise } from '../support/train.js';

const made: Trainer[] = [];
const options = (): TrainerOptions => ({
  model: mlp({ sizes: [9, 12, 4] }),
  rule: adam({ lr: linear(1e-2, { to: 1e-3, steps: 200 }) }),
  data: noise(150, 9, 4),
  batchSize: 40,
});

async function trainer(more: Partial<TrainerOptions> = {}) {
  const one = await createTrainer(await testDevice(), { ...options(), ...more });
  made.push(one);
  return one;
}

afterEach(() => {
  vi.restoreAllMocks();
  for (const one of made.splice(0)) one.destroy();
});

const at = (code: string) => expect.objectContaining({ name: 'DownhillError', code, fix: expect.stringMatching(/\S/) });

/** What must hold of any profile, on any adapter. */
function expectPlausible(profile: Profile): void {
  const { steps, labels, passes, submits } = profile;
  for (const time of [profile, profile.unprofiled]) {
    expect(time.wallMsPerStep).toBeGreaterThan(0);
    expect(time.hostMsPerStep).toBeGreaterThan(0);
    expect(time.hostMsPerStep).toBeLessThanOrEqual(time.wallMsPerStep);
  }
  for (const { begin, end } of passes) {
    expect(begin === null).toBe(end === null);
    if (begin === null || end === null) continue;
    expect(begin).toBeGreaterThanOrEqual(0);
    expect(end).toBeGreaterThanOrEqual(begin);
  }
  expect(profile.unknown).toBe(passes.filter(({ begin }) => begin === null).length);
  expect(labels.reduce((sum, { count }) => sum + count, 0)).toBe(passes.length);
  for (const { totalMs, medianMs } of labels) {
    expect(totalMs).toBeGreaterThanOrEqual(0);
    if (medianMs !== null) expect(medianMs).toBeGreaterThanOrEqual(0);
  }
  expect(submits.reduce((sum, each) => sum + each.steps, 0)).toBe(steps);
  let reached = 0;
  for (const { begin, end } of submits) {
    expect(begin).toBeGreaterThanOrEqual(reached);
    expect(end).toBeGreaterThanOrEqual(begin);
    reached = end;
  }
  expect(JSON.parse(JSON.stringify(profile))).toEqual(profile);
}

describe('profile', () => {
  it.each([true, false])('trains as run does, to the bit (separate: %s)', async (separate) => {
    const [profiled, plain] = [await trainer({ seed: 5 }), await trainer({ seed: 5 })];
    const reports = [
      ...(await collect(profiled, { steps: 3 })),
      ...(await profiled.profile({ steps: 10, separate })).reports,
      ...(await collect(profiled, { steps: 7 })),
      ...(await profiled.profile({ steps: 5, separate })).reports,
    ];
    expect(profiled.step).toBe(40);
    expect(reports).toEqual(await collect(plain, { steps: 40 }));
    expect(await profiled.readParameters()).toEqual(await plain.readParameters());
  });

  it('times every dispatch of every step, under the labels of the plan', async () => {
    const one = await trainer({ clip: { globalNorm: 1 } });
    await collect(one, { steps: 40 });
    const profile = await one.profile({ steps: 12 });
    expectPlausible(profile);
    const plan = one.describe();
    expect(profile).toMatchObject({ separate: true, steps: 12, dispatches: plan.dispatches });
    expect(profile.labels.map(({ label, kernel, grid, count }) => ({ label, kernel, grid, count }))).toEqual(
      plan.passes.map((pass) => ({ ...pass, count: 12 })),
    );
    expect(profile.passes.map(({ label }) => label)).toEqual(
      Array.from({ length: 12 }, () => plan.passes.map(({ label }) => label)).flat(),
    );
    expect(profile.passes.map(({ step }) => step)).toEqual(
      Array.from({ length: 12 * plan.dispatches }, (_, i) => 53 + Math.floor(i / plan.dispatches)),
    );
    expect(profile.reports.map(({ step }) => step)).toEqual(Array.from({ length: 24 }, (_, i) => 41 + i));
    if (profile.unknown > 0) return;
    expect(profile.labels.reduce((sum, { share }) => sum + share, 0)).toBeCloseTo(1, 6);
    expect(profile.gpuMsPerStep).toBeGreaterThan(0);
    // A step's passes cannot take longer than the step, by another clock and with a median for a mean: by far.
    expect(profile.gpuMsPerStep).toBeLessThan(3 * profile.wallMsPerStep);
  });

  it('times whole submits with separate: false', async () => {
    const one = await trainer();
    await collect(one, { steps: 40 });
    const profile = await one.profile({ steps: 20, separate: false });
    expectPlausible(profile);
    expect(profile.labels).toHaveLength(1);
    expect(profile.labels[0]).toMatchObject({ label: 'downhill:train/submit', count: profile.submits.length });
    expect(profile.passes.map(({ step, steps }) => ({ step, steps }))).toEqual(
      profile.submits.map(({ step, steps }) => ({ step, steps })),
    );
  });

  it('splits steps over submits where a query set is full', async () => {
    // By a slow clock no step is long: else a busy machine's submits stay shorter than a query set.
    const now = performance.now.bind(performance);
    vi.spyOn(performance, 'now').mockImplementation(() => now() / 1000);
    // Norms keep the layers apart: dispatches by the dozen.
    const layers = [8, 8, 8, 8].flatMap((width) => [linearLayer(width), layerNorm()]);
    const one = await trainer({ submitMs: 1e6, model: sequential({ input: 9, layers: [...layers, linearLayer(4)] }) });
    await collect(one, { steps: 400 });
    const { dispatches } = one.describe();
    const fitting = Math.floor(MAX_QUERIES / 2 / dispatches);
    const profile = await one.profile({ steps: 256 });
    expectPlausible(profile);
    expect(profile.passes).toHaveLength(256 * dispatches);
    const full = Math.floor(256 / fitting);
    expect(full).toBeGreaterThan(1);
    expect(profile.submits.map(({ steps }) => steps)).toEqual([...Array(full).fill(fitting), 256 % fitting]);
  });

  it('frees all it made', async () => {
    const device = await testDevice();
    const one = await trainer();
    await collect(one, { steps: 3 });
    const freed: string[] = [];
    const make = device.createBuffer.bind(device);
    const buffers: GPUBuffer[] = [];
    Object.defineProperty(device, 'createBuffer', {
      configurable: true,
      value: (descriptor: GPUBufferDescriptor) => {
        const buffer = make(descriptor);
        buffers.push(buffer);
        Object.defineProperty(buffer, 'destroy', {
          value: () => {
            freed.push(buffer.label);
            GPUBuffer.prototype.destroy.call(buffer);
          },
        });
        return buffer;
      },
    });
    try {
      await one.profile({ steps: 2 });
    } finally {
      delete (device as unknown as Record<string, unknown>).createBuffer;
    }
    expect(freed.sort()).toEqual(buffers.map(({ label }) => label).sort());
    expect(freed.length).toBeGreaterThan(0);
    // And a run afterwards makes nothing, as ever.
    const { counts, restore } = countCreations(device);
    await collect(one, { steps: 1 });
    restore();
    expect(counts).toEqual({ createCommandEncoder: 1 });
  });
});

describe('profile refuses', () => {
  it.each<[string, string, unknown]>([
    ['an unknown option', 'OPTION-UNKNOWN', { step: 3 }],
    ['no steps', 'OPTION-RANGE', { steps: 0 }],
    ['too many steps', 'OPTION-RANGE', { steps: 257 }],
    ['steps that are no number', 'OPTION-TYPE', { steps: '3' }],
    ['separate that is no boolean', 'OPTION-TYPE', { separate: 'no' }],
    ['options that are no object', 'OPTION-TYPE', 16],
  ])('%s', async (_, code, wrong) => {
    const one = await trainer();
    await expect(one.profile(wrong as never)).rejects.toEqual(at(code));
    expect(one.step).toBe(0);
  });

  it('while a run or another profile is going, and a run while it is going itself', async () => {
    const one = await trainer();
    const run = one.run({ steps: 50 });
    const pull = run.next();
    await expect(one.profile()).rejects.toEqual(at('RUN-BUSY'));
    await pull;
    await run.return();
    const first = one.profile({ steps: 2 });
    await expect(one.profile({ steps: 2 })).rejects.toEqual(at('RUN-BUSY'));
    await expect(collect(one, { steps: 1 })).rejects.toEqual(at('RUN-BUSY'));
    expect((await first).steps).toBe(2);
    expect(await collect(one, { steps: 1 })).toHaveLength(1);
  });

  it('a destroyed trainer, before and under it', async () => {
    const one = await trainer();
    const pending = one.profile({ steps: 16 });
    one.destroy();
    await expect(pending).rejects.toEqual(at('RUN-DESTROYED'));
    await expect(one.profile()).rejects.toEqual(at('RUN-DESTROYED'));
  });

  it('a schedule that ends within it; the steps before are done', async () => {
    const lr = (count: number) => (count < 20 ? 0.1 : Number.NaN);
    const [one, plain] = [await trainer({ rule: sgd({ lr }) }), await trainer({ rule: sgd({ lr: 0.1 }) })];
    await expect(one.profile({ steps: 16 })).rejects.toEqual(at('HYPER-RANGE'));
    expect(one.step).toBe(20);
    await collect(plain, { steps: 20 });
    expect(await one.readParameters()).toEqual(await plain.readParameters());
  });

  it('a device without timestamps, and a lost one', async () => {
    const adapter = (await (await requestGpu()).gpu.requestAdapter())!;
    const bare = await adapter.requestDevice();
    const one = await createTrainer(bare, options());
    await expect(one.profile()).rejects.toEqual(at('FEATURE-MISSING'));
    expect(one.step).toBe(0);
    expect(await collect(one, { steps: 1 })).toHaveLength(1);
    bare.destroy();

    const device = await requestDevice();
    const other = await createTrainer(device, options());
    const pending = other.profile({ steps: 256 });
    device.destroy();
    await expect(pending).rejects.toEqual(at('DEVICE-LOST'));
    await expect(other.profile()).rejects.toEqual(at('DEVICE-LOST'));
  });
});

describe('a timer of passes', () => {
  it('goes on in further query sets where one is full, and can be used again', async () => {
    const device = await testDevice();
    const passes = MAX_QUERIES / 2 + 3;
    const timer = new PassTimer(device, 'timer', passes);
    for (const count of [passes, 2]) {
      const encoder = device.createCommandEncoder();
      for (let i = 0; i < count; i++) encoder.beginComputePass({ timestampWrites: timer.writes() }).end();
      timer.resolve(encoder);
      device.queue.submit([encoder.finish()]);
      const stamps = await timer.read();
      expect(stamps).toHaveLength(2 * count);
      expect(intervalsOf(stamps)).toHaveLength(count);
    }
    for (let i = 0; i < passes; i++) timer.writes();
    expect(() => timer.writes()).toThrow(at('INTERNAL'));
    timer.destroy();
  });

  it('takes no usable pair for no time, and never a negative one', () => {
    const big = 1_700_000_000_000_000_000n; // nanoseconds since 1970 do not fit a number
    expect(intervalsOf(BigUint64Array.of(0n, 5n, big + 3n, big + 10n, big + 9n, big + 8n, big + 1n, big + 1n))).toEqual(
      [undefined, [2, 9], undefined, [0, 0]],
    );
    expect(intervalsOf(BigUint64Array.of(7n, 0n))).toEqual([undefined]);
  });

  it('sees rounded timestamps', () => {
    expect(looksQuantised(BigUint64Array.of(65_536n, 3n * 65_536n))).toBe(true);
    expect(looksQuantised(BigUint64Array.of(100_000n, 700_000n))).toBe(true);
    expect(looksQuantised(BigUint64Array.of(100_000n, 700_001n))).toBe(false);
    expect(looksQuantised(BigUint64Array.of(0n, 0n))).toBe(false);
  });
});

describe('the summary of passes', () => {
  const pass = (step: number, label: string, begin: number | null, end: number | null): ProfilePass => ({
    step,
    steps: 1,
    label,
    begin,
    end,
  });
  const plan = [{ label: 'a', kernel: 'k', grid: [1, 2, 3] as const }];
  const passes = [
    pass(1, 'a', 0, 1e6),
    pass(1, 'b', 1e6, 2e6),
    pass(2, 'a', 2e6, 4e6),
    pass(2, 'b', null, null),
    pass(3, 'a', 5e6, 14e6),
    pass(3, 'b', 14e6, 17e6),
  ];

  it('has medians, totals and shares by label', () => {
    expect(summarize(passes, plan, 3, false)).toMatchObject({
      gpuMsPerStep: 2 + 2,
      unknown: 1,
      labels: [
        { label: 'a', kernel: 'k', grid: [1, 2, 3], count: 3, totalMs: 12, medianMs: 2, share: 0.5 },
        { label: 'b', count: 3, totalMs: 4, medianMs: 2, share: 0.5 },
      ],
    });
  });

  it('takes means where timestamps are rounded, and says so', () => {
    const { gpuMsPerStep, hint } = summarize(passes, plan, 3, true);
    expect(gpuMsPerStep).toBeCloseTo(16 / 3, 12);
    expect(hint).toContain('--enable-webgpu-developer-features');
  });

  it('divides a pass of many steps by them', () => {
    const long = (step: number, steps: number, begin: number, end: number) => ({
      ...pass(step, 'submit', begin, end),
      steps,
    });
    const { labels, gpuMsPerStep } = summarize(
      [long(1, 1, 0, 9e6), long(2, 4, 9e6, 13e6), long(6, 5, 13e6, 18e6)],
      [],
      10,
      false,
    );
    expect(labels).toEqual([{ label: 'submit', count: 3, totalMs: 18, medianMs: 1, share: 1 }]);
    expect(gpuMsPerStep).toBe(1);
  });

  it('says that an adapter tells nothing', () => {
    const { labels, hint, gpuMsPerStep } = summarize([pass(1, 'a', null, null)], plan, 1, false);
    expect(labels[0]).toMatchObject({ medianMs: null, totalMs: 0, share: 0 });
    expect(gpuMsPerStep).toBe(0);
    expect(hint).toMatch(/no usable timestamps/);
  });
});
