import { readFileSync } from 'node:fs';
import { afterAll, describe, expect, it } from 'vitest';
import { inspect as inspectCommand } from '../../harness/inspect/command.js';
import { batchOf } from '../../src/data/batching.js';
import { initialize } from '../../src/nn/init.js';
import { mlp } from '../../src/nn/mlp.js';
import { referenceNetwork } from '../../src/reference/index.js';
import { inspect, SIGNAL_LIMITS } from '../../src/train/inspect.js';
import { fakeIo, scratch } from '../support/cli.js';
import { testDevice } from '../support/gpu.js';
import { noise } from '../support/train.js';

const folder = scratch();
afterAll(folder.remove);
const data = noise(200, 20, 4);

describe('inspect', () => {
  it.each(['relu', 'sigmoid'] as const)(
    'says of %s what float64 says of the same weights and samples',
    async (activation) => {
      const model = mlp({ sizes: [20, 16, 12, 4], activation, init: 'pytorch' });
      const seed = 9;
      const { layers, loss, samples } = await inspect(await testDevice(), { model, data, seed, batchSize: 60 });
      expect(samples).toBe(60);
      const plan = { samples: 200, rows: 60, stepsPerEpoch: 4, sampling: 'shuffle' as const };
      const picked = [...batchOf(plan, seed, 0).indices];
      const x = picked.flatMap((sample) => [...data.x.subarray(20 * sample, 20 * sample + 20)]);
      if (data.targets.kind !== 'classes') throw new Error('noise has classes');
      const { labels } = data.targets;
      const network = referenceNetwork(model);
      const expected = network.lossAndGradients(
        initialize(model, seed),
        x,
        picked.map((sample) => labels[sample]!),
        60,
      );
      // Activations are sums of 20 products at most: a relative 20·2^-24 each, far below what six digits show.
      expect(loss).toBeCloseTo(expected.loss, 5);
      expect(layers.map(({ layer }) => layer)).toEqual([1, 3, 4]);
      for (const { layer, width, output, verdict } of layers) {
        const values = expected.values[layer]!;
        const mean = values.reduce((a, b) => a + b) / values.length;
        const std = Math.sqrt(values.reduce((sum, v) => sum + (v - mean) ** 2, 0) / values.length);
        const units = Array.from({ length: width }, (_, unit) => values.filter((_, i) => i % width === unit));
        const variances = units.map((unit) => {
          const own = unit.reduce((a, b) => a + b) / unit.length;
          return unit.reduce((sum, v) => sum + (v - own) ** 2, 0) / unit.length;
        });
        const unitStd = Math.sqrt(variances.reduce((a, b) => a + b) / width);
        expect(output.mean).toBeCloseTo(mean, 6);
        expect(output.std).toBeCloseTo(std, 6);
        expect(output.unitStd).toBeCloseTo(unitStd, 6);
        expect(output.dead).toBe(units.filter((unit) => unit.every((v) => v === 0)).length / width);
        expect(output.histogram!.counts.reduce((a, b) => a + b)).toBe(60 * width);
        expect(verdict).toBe(unitStd < SIGNAL_LIMITS.vanishing ? 'vanishing' : 'healthy');
      }
    },
  );

  it('tells vanishing, healthy and exploding signals apart', async () => {
    const sizes = [20, ...Array<number>(10).fill(64), 4];
    const device = await testDevice();
    const verdict = async (activation: 'relu' | 'identity', init: 'he-normal' | 'pytorch' | 'zeros') =>
      (await inspect(device, { model: mlp({ sizes, activation, init }), data, histograms: false })).verdict;
    expect(await verdict('relu', 'he-normal')).toBe('healthy');
    expect(await verdict('relu', 'pytorch')).toBe('vanishing');
    expect(await verdict('relu', 'zeros')).toBe('vanishing');
    // The deviation grows by √2 at every layer: 32 times after ten.
    expect(await verdict('identity', 'he-normal')).toBe('exploding');
  });

  it('refuses what is none of its options', async () => {
    const device = await testDevice();
    const model = mlp({ sizes: [20, 4] });
    const at = (code: string) => expect.objectContaining({ name: 'DownhillError', code });
    await expect(inspect(device, { model, data, batchSize: 201 })).rejects.toThrow(at('OPTION-RANGE'));
    await expect(inspect(device, { model, data, steps: 1 } as never)).rejects.toThrow(at('OPTION-UNKNOWN'));
    await expect(inspect(device, { model } as never)).rejects.toThrow(at('OPTION-TYPE'));
    await expect(inspect(device, { model: mlp({ sizes: [7, 4] }), data })).rejects.toThrow(at('SHAPE-MISMATCH'));
  });
});

describe('downhill inspect', () => {
  const args = [
    '--model',
    '784-16-16-10',
    '--init',
    'he-normal,zeros',
    '--samples',
    '300',
    '--batch',
    '64',
    '--curvature',
  ];

  it('prints a table, and leaves a picture and the numbers', async () => {
    const io = fakeIo();
    const out = folder.path('inits');
    expect(await inspectCommand([...args, '--out', out], io)).toBe(0);
    const text = io.out();
    expect(text).toMatch(/he-normal +relu 1 +[\d.]+ +[\d.]+ +[\d.]+ +0 % +healthy/);
    expect(text).toMatch(/zeros +relu 1 +0 +0 +0 +100 % +vanishing/);
    expect(text).toMatch(/curvature +largest +smallest +below 0[\s\S]*he-normal, relu +[\d.]+ +-[\d.]+ +>= \d+/);
    expect(text).toContain(`picture  ${out}/activations.svg`);
    expect(readFileSync(`${out}/activations.svg`, 'utf8')).toMatch(/^<svg [\s\S]*he-normal[\s\S]*<\/svg>/);
    const { inspections } = JSON.parse(readFileSync(`${out}/activations.json`, 'utf8'));
    expect(inspections.map(({ verdict }: { verdict: string }) => verdict)).toEqual(['healthy', 'vanishing']);
    await expect(inspectCommand([...args, '--out', out], io)).rejects.toThrow('has activations.svg in it already');
  });
});
