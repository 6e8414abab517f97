import { afterEach, describe, expect, it } from 'vitest';
import { range } from '../../src/gpu/buffers.js';
import { lower } from '../../src/kernels/lower.js';
import { rowStride } from '../../src/kernels/matrix.js';
import { BINS, histogram, MOMENTS, moments, watchForms } from '../../src/kernels/watch.js';
import { linear, relu, tanh } from '../../src/nn/layers.js';
import { sequential } from '../../src/nn/model.js';
import { ema } from '../../src/optim/averages.js';
import { adam, sgd } from '../../src/optim/rules.gen.js';
import { ROUNDING } from '../../src/reference/index.js';
import { readTensors } from '../../src/space/vectors.js';
import type { StepReport } from '../../src/train/report-types.js';
import { createTrainer } from '../../src/train/trainer.js';
import type { Trainer, TrainerOptions } from '../../src/train/types.js';
import { Watcher } from '../../src/train/watch.js';
import { momentsAt, normOf, type Summary, summaryOf } from '../../src/train/watch-report.js';
import { buffersFor, dense, dispatch, randomFloats, readFloats, testDevice } from '../support/gpu.js';
import { collect, countCreations, noise, replicasOf } from '../support/train.js';

/*
 * What telemetry says against float64 on the host, of the very numbers that lay on the GPU. Each lane adds up n/64 numbers,
 * then 64 lanes are added: n/64 + 64 roundings of sums no larger than that of the magnitudes, and a few of each summand.
 */

const close: { destroy(): void }[] = [];
afterEach(() => {
  for (const each of close.splice(0)) each.destroy();
});

const roundings = (n: number) => (Math.min(n, 16_384) / 64 + 64 + 8) * ROUNDING;

/** Mean, deviation, range, norm of what is finite, in float64. */
function statisticsOf(values: ArrayLike<number>) {
  const all = Array.from(values);
  const finite = all.filter(Number.isFinite);
  const sum = (f: (x: number) => number) => finite.reduce((total, x) => total + f(x), 0);
  const mean = sum((x) => x) / finite.length;
  return {
    mean,
    std: Math.sqrt(sum((x) => (x - mean) ** 2) / finite.length),
    min: Math.min(...finite),
    max: Math.max(...finite),
    zeros: all.filter((x) => x === 0).length / all.length,
    nonFinite: all.length - finite.length,
    rms: Math.sqrt(sum((x) => x * x) / finite.length),
    norm: Math.sqrt(sum((x) => x * x)),
  };
}

function expectSummary(summary: Summary, values: ArrayLike<number>) {
  const expected = statisticsOf(values);
  const tolerance = roundings(values.length);
  expect(Math.abs(summary.mean - expected.mean)).toBeLessThanOrEqual(tolerance * expected.rms);
  expect(Math.abs(summary.std - expected.std)).toBeLessThanOrEqual(tolerance * expected.std + 1e-45);
  const { min, max, zeros, nonFinite } = summary;
  const exact = { min: expected.min, max: expected.max, zeros: expected.zeros, nonFinite: expected.nonFinite };
  expect({ min, max, zeros, nonFinite }).toEqual(exact);
  if (summary.histogram) expectHistogram(summary, values);
}

/** Numbers near the edge of a bin may fall into its neighbour: the division is rounded. */
function expectHistogram({ histogram: bins }: Summary, values: ArrayLike<number>) {
  const { min, max, counts } = bins!;
  const finite = Array.from(values).filter(Number.isFinite);
  expect(counts).toHaveLength(BINS);
  expect(counts.reduce((a, b) => a + b, 0)).toBe(finite.length);
  const places = finite.map((x) => (max > min ? Math.min((BINS * (x - min)) / (max - min), BINS - 1e-9) : 0));
  let below = 0;
  for (const [bin, count] of counts.entries()) {
    below += count;
    const edge = bin + 1;
    const surely = places.filter((place) => place < edge - 1e-4).length;
    const perhaps = places.filter((place) => place < edge + 1e-4).length;
    expect(below).toBeGreaterThanOrEqual(surely);
    expect(below).toBeLessThanOrEqual(perhaps);
  }
}

describe('the kernels', () => {
  const CASES: Readonly<Record<string, Float32Array>> = {
    random: randomFloats(5000, 1),
    'far from 0': randomFloats(3001, 2).map((x) => 1000 + x),
    tiny: randomFloats(777, 3).map((x) => x * 1e-30),
    huge: randomFloats(777, 4).map((x) => x * 3e38),
    'equal numbers': new Float32Array(130).fill(-2.5),
    zeros: new Float32Array(70),
    one: Float32Array.of(3),
    'some not finite': randomFloats(500, 5).map((x, i) => [x, 0, -0, Number.NaN, Number.POSITIVE_INFINITY, x][i % 6]!),
  };

  it.each(Object.entries(CASES))('sum up %s', async (_, values) => {
    const gpu = await testDevice();
    const buffers = buffersFor(gpu, 'watch');
    close.push(buffers);
    // Two replicas, the second one upside down; one segment of all, from the third element on.
    const [lead, stride] = [3, values.length + 5];
    const both = new Float32Array(2 * stride).fill(9);
    both.set(values, lead);
    both.set(
      values.map((x) => -x),
      stride + lead,
    );
    const segments = range(buffers.upload('segments', Uint32Array.of(lead, values.length, 0, 0)));
    const partial = range(buffers.storage('partial', 2 * 4 * MOMENTS), 0, 2 * 4 * MOMENTS);
    const counts = range(buffers.storage('counts', 2 * 4 * BINS), 0, 2 * 4 * BINS);
    const shape = { segments: 1, all: 1, stride, step: 1, rows: false };
    const operands = { values: range(buffers.upload('values', both)), segments, partial };
    const begins = range(buffers.upload('begins', Uint32Array.of(0, 1)));
    const ops = [
      moments('test/moments', shape, operands, 2),
      histogram('test/histogram', { ...shape, targets: 1 }, { ...operands, begins, counts }, 2),
    ];
    await dispatch(gpu, lower(ops, watchForms, gpu).passes);
    const read = await readFloats(gpu, partial);
    const bins = new Uint32Array((await readFloats(gpu, counts)).buffer);
    for (const [replica, sign] of [1, -1].entries()) {
      const own = momentsAt(read, replica, values.length);
      const expected = values.map((x) => sign * x);
      expectSummary(summaryOf(own, bins.subarray(BINS * replica, BINS * (replica + 1))), expected);
      const { norm } = statisticsOf(expected);
      expect(Math.abs(normOf(own) - norm)).toBeLessThanOrEqual(roundings(values.length) * norm);
    }
  });
});

const model = sequential({
  input: 6,
  layers: [linear(10), relu(), linear(7), tanh(), linear(3)],
});
const data = noise(50, 6, 3);

describe('a watched step', () => {
  it.each([undefined, 2048])(
    'says what lay on the GPU, of two replicas (arenas of %s bytes)',
    async (maxArenaBytes) => {
      const made = await replicasOf(await testDevice(), {
        ...{ model, data, rows: 16, sampling: 'sequential', ...(maxArenaBytes && { maxArenaBytes }) },
        replicas: [1, 2].map((seed) => ({ seed, rule: adam({ lr: 0.01 * seed }) })),
      });
      const { program } = made;
      const watcher = await Watcher.create(program, { every: 4, histograms: true });
      close.push(watcher, made);
      while (program.scheduler.step < 3) await watcher.submit(3 - program.scheduler.step)!.results;
      const label = 'test';
      const { device, space, params, updater } = program;
      const before = await Promise.all([0, 1].map((replica) => readTensors(device, label, space, [params], replica)));
      // The fourth batch of an epoch is short: 2 rows of 16.
      const results = await watcher.submit(4)!.results;
      expect(results).toHaveLength(2);
      for (const [replica, { watch }] of results.entries()) {
        const [now, grads] = await readTensors(device, label, space, [params, updater.gradient], replica);
        for (const tensor of watch!.tensors) {
          const [weight, gradient] = [now!.get(tensor.name)!, grads!.get(tensor.name)!];
          const was = before[replica]![0]!.get(tensor.name)!;
          const update = statisticsOf(weight.map((p, i) => p - was[i]!)).norm;
          expectSummary(tensor.weight, weight);
          expectSummary(tensor.gradient, gradient);
          const close = roundings(weight.length);
          expect(tensor.gradientNorm / statisticsOf(gradient).norm).toBeCloseTo(1, 4);
          expect(Math.abs(tensor.updateNorm / update - 1)).toBeLessThanOrEqual(close);
          expect(tensor.updateRatio).toBeCloseTo(tensor.updateNorm / tensor.weightNorm, 12);
        }
        expect(watch!.tensors.map(({ name }) => name)).toEqual(space.tensors.map(({ name }) => name));
        const { layers } = program.bound.watched;
        for (const [i, { name, width, output }] of watch!.layers.entries()) {
          const kept = layers[i]!.output;
          expect([name, output === undefined]).toEqual([layers[i]!.name, kept === undefined]);
          if (!output || !kept) continue;
          const stride = rowStride(width);
          const all = dense(await readFloats(device, kept), width, stride);
          const rows = all.subarray(16 * width * replica, 16 * width * replica + 2 * width);
          expectSummary(output, rows);
          const units = Array.from({ length: width }, (_, unit) => rows.filter((_, k) => k % width === unit));
          const variance = units.reduce((sum, unit) => sum + statisticsOf(unit).std ** 2, 0) / width;
          expect(output.unitStd).toBeCloseTo(Math.sqrt(variance), 5);
          expect(output.dead).toBe(units.filter((unit) => unit.every((x) => x === 0)).length / width);
        }
      }
      // Fused with their activations, two linear layers keep nothing of their own.
      expect(results[0]!.watch!.layers.map(({ output }) => output !== undefined)).toEqual([
        false,
        true,
        false,
        true,
        true,
      ]);
      const [first] = results[0]!.watch!.layers;
      const own = results[0]!.watch!.tensors.filter(({ name }) => name.startsWith('0.'));
      expect(first!.gradientNorm).toBeCloseTo(Math.hypot(...own.map(({ gradientNorm }) => gradientNorm)), 12);
    },
  );
});

const options = (): TrainerOptions => ({ model, rule: sgd({ lr: 0.2, momentum: 0.9 }), data, batchSize: 8, seed: 3 });
async function trainer(more: Partial<TrainerOptions> = {}): Promise<Trainer> {
  const one = await createTrainer(await testDevice(), { ...options(), ...more });
  close.push(one);
  return one;
}
const withoutWatch = (reports: readonly StepReport[]) => reports.map(({ watch: _, ...rest }) => rest);

describe('a run that watches', () => {
  it('looks at the steps asked for, and trains to the same bits', async () => {
    const [watched, plain] = [await trainer(), await trainer()];
    const reports = [
      ...(await collect(watched, { steps: 5 })),
      ...(await collect(watched, { steps: 20, watch: { every: 7 } })),
      ...(await collect(watched, { steps: 3, watch: { every: 1, histograms: true } })),
      ...(await collect(watched, { steps: 4 })),
    ];
    expect(reports.filter(({ watch }) => watch).map(({ step }) => step)).toEqual([7, 14, 21, 26, 27, 28]);
    expect(withoutWatch(reports)).toEqual(await collect(plain, { steps: 32 }));
    expect(await watched.readParameters()).toEqual(await plain.readParameters());
    const { watch } = reports[27]!;
    expect(JSON.parse(JSON.stringify(watch))).toEqual(watch);
    expect(reports[6]!.watch!.tensors[0]!.weight.histogram).toBeUndefined();
    expect(watch!.tensors[0]!.weight.histogram!.counts.reduce((a, b) => a + b, 0)).toBe(60);
  });

  it('goes with validation, an average and an early stop', async () => {
    const more = {
      rule: sgd({ lr: 5 }),
      average: ema({ decay: 0.5 }),
      validation: { data, every: { iterations: 4 } },
      earlyStopping: { metric: 'loss', patience: 1 },
    } as const;
    const [watched, plain] = [await trainer(more), await trainer(more)];
    const reports = await collect(watched, { steps: 60, watch: { every: 3 } });
    const expected = await collect(plain, { steps: 60 });
    expect(withoutWatch(reports)).toEqual(expected);
    expect(expected.length).toBeLessThan(60);
    expect(watched.stopped).toEqual(plain.stopped);
    expect(await watched.readParameters()).toEqual(await plain.readParameters());
    const asked = reports.filter(({ step }) => step % 3 === 0);
    expect(asked.every(({ watch }) => watch !== undefined)).toBe(true);
    expect(reports.filter(({ watch }) => watch)).toHaveLength(asked.length);
  });

  it('creates nothing once it goes, and gives back what it took', async () => {
    const device = await testDevice();
    const one = await trainer();
    await collect(one, { steps: 10, watch: { every: 5 } });
    const { counts, restore } = countCreations(device);
    try {
      const before = { ...counts };
      let first: Record<string, number> | undefined;
      for await (const { step } of one.run({ steps: 60, watch: { every: 5 } })) if (step === 11) first = { ...counts };
      expect(before).toEqual({});
      const { createCommandEncoder: _, ...more } = counts;
      const { createCommandEncoder: __, ...made } = first!;
      expect(more).toEqual(made);
      for (const key of Object.keys(counts)) delete counts[key];
      await collect(one, { steps: 60 });
      expect(Object.keys(counts)).toEqual(['createCommandEncoder']);
    } finally {
      restore();
    }
  });

  it('tells dead units, and steps that were left out', async () => {
    const device = await testDevice();
    const one = await trainer({ rule: sgd({ lr: 0 }), accumulate: { steps: 2 } });
    const { buffer, offset } = one.parameters()['0.bias']!;
    device.queue.writeBuffer(buffer, offset, Float32Array.of(-1e3, 0, -1e3, 0, -1e3));
    const [waits, updates] = await collect(one, { steps: 2, watch: { every: 1 } });
    const { layers, tensors } = updates!.watch!;
    expect(layers[1]!.output!.dead).toBeGreaterThanOrEqual(0.3);
    expect(layers[1]!.output!.zeros).toBeGreaterThan(layers[1]!.output!.dead);
    expect(layers[3]!.output!.dead).toBe(0);
    expect(tensors.every(({ updateNorm, updateRatio }) => updateNorm === 0 && updateRatio === 0)).toBe(true);
    expect(waits!.watch!.tensors[0]!.gradientNorm).toBeGreaterThan(0);
  });

  it('refuses options that are none', async () => {
    const at = (code: string) => expect.objectContaining({ name: 'DownhillError', code });
    const one = await trainer();
    expect(() => one.run({ steps: 1, watch: { every: 0 } })).toThrow(at('OPTION-RANGE'));
    expect(() => one.run({ steps: 1, watch: { each: 5 } as never })).toThrow(at('OPTION-UNKNOWN'));
    expect(() => one.run({ steps: 1, watch: { histograms: 64 as never } })).toThrow(at('OPTION-TYPE'));
    expect(() => one.run({ steps: 1, watch: null as never })).toThrow(at('OPTION-TYPE'));
  });
});
