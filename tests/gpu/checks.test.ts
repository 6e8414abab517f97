import { afterEach, describe, expect, it } from 'vitest';
import { check } from '../../harness/checks/command.js';
import { GRADCHECK_LIMITS, gradcheck, initLoss, overfitBatch } from '../../src/checks/index.js';
import {
  adam,
  arrays,
  batchNorm,
  binaryCrossEntropy,
  type Dataset,
  dropout,
  gelu,
  geluTanh,
  huber,
  type Layer,
  type LossFunction,
  l1,
  layerNorm,
  linear,
  mlp,
  mse,
  relu,
  sequential,
  sgd,
  sigmoid,
  softmaxCrossEntropy,
  source,
  standardizeTargets,
  tanh,
} from '../../src/index.js';
import { referenceLayers } from '../../src/reference/index.js';
import { fakeIo } from '../support/cli.js';
import { randomFloats, testDevice } from '../support/gpu.js';
import { noise } from '../support/train.js';

const classes = noise(40, 6, 3);
const values = (width: number, of: (value: number) => number = (value) => value): Dataset =>
  arrays({ x: randomFloats(40 * 6, 3), y: randomFloats(40 * width, 4).map(of), features: 6 });
const bytes = arrays({
  x: Uint8Array.from({ length: 240 }, (_, i) => (i * 89) % 256),
  y: Uint8Array.from({ length: 40 }, (_, i) => i % 3),
  classes: 3,
  features: 6,
});
const at = (code: string) => expect.objectContaining({ name: 'DownhillError', code });

describe('gradcheck', () => {
  const through = (...layers: Layer[]) => [linear(7), ...layers, linear(3)];
  it.each<[string, Layer[], LossFunction, Dataset]>([
    ['batch norm, gelu, dropout', through(batchNorm(), gelu(), dropout({ p: 0.3 })), softmaxCrossEntropy(), classes],
    ['layer norm, smoothing', through(layerNorm(), geluTanh()), softmaxCrossEntropy({ labelSmoothing: 0.1 }), bytes],
    ['binary cross-entropy', through(sigmoid()), binaryCrossEntropy(), values(3, (value) => (value > 0 ? 1 : 0))],
    ['mse of scaled targets', through(tanh()), mse(), standardizeTargets(values(3, (value) => 100 + 7 * value))],
    ['l1', through(relu()), l1(), values(3)],
    ['huber', through(relu()), huber({ delta: 0.3 }), values(3)],
  ])('agrees three ways: %s', async (_, layers, loss, data) => {
    const model = sequential({ input: 6, layers, loss });
    const report = await gradcheck(await testDevice(), { model, data, seed: 5, elements: 6 });
    expect(report.ok, JSON.stringify(report)).toBe(true);
    expect(report.tensors.map(({ name }) => name).filter((name) => name.startsWith('0.'))).toEqual([
      '0.weight',
      '0.bias',
    ]);
    for (const { checked, kinks } of report.tensors) expect(checked + kinks).toBe(6 - (checked + kinks === 3 ? 3 : 0));
    // Differences that are all 0 would agree with anything.
    expect(Math.max(...report.tensors.map(({ numeric }) => numeric))).toBeGreaterThan(0);
  });

  it('finds a layer whose kernel goes back the wrong way', async () => {
    // y (1 - y) is the slope of the sigmoid.
    const wrong = { ...tanh(), row: { ...tanh().row, backward: sigmoid().row.backward } };
    const model = sequential({ input: 6, layers: through(wrong) });
    const { ok, tensors, loss } = await gradcheck(await testDevice(), { model, data: classes });
    expect(ok).toBe(false);
    expect(loss.error).toBeLessThan(GRADCHECK_LIMITS.gpu);
    const errors = Object.fromEntries(tensors.map(({ name, gpu }) => [name, gpu]));
    for (const name of ['0.weight', '0.bias']) expect(errors[name]).toBeGreaterThan(0.1);
    for (const name of ['2.weight', '2.bias']) expect(errors[name]).toBeLessThan(GRADCHECK_LIMITS.gpu);
    for (const { numeric } of tensors) expect(numeric).toBeLessThan(GRADCHECK_LIMITS.numeric);
  });

  describe('of a reference', () => {
    const whole = referenceLayers.tanh!;
    afterEach(() => {
      Object.assign(referenceLayers, { tanh: whole });
    });
    it('finds a wrong slope, too', async () => {
      Object.assign(referenceLayers, {
        tanh: (...of: Parameters<typeof whole>) => ({
          ...referenceLayers.sigmoid!(...of),
          forward: whole(...of).forward,
        }),
      });
      const model = sequential({ input: 6, layers: through(tanh()) });
      const { ok, tensors } = await gradcheck(await testDevice(), { model, data: classes });
      expect(ok).toBe(false);
      expect(tensors[0]!.numeric).toBeGreaterThan(0.1);
      expect(tensors[2]!.numeric).toBeLessThan(GRADCHECK_LIMITS.numeric);
    });
  });

  it('leaves out kinks: inputs of 0 and biases of 0 put relu on its own', async () => {
    const data = { ...classes, x: classes.x.map(() => 0) as Float32Array };
    const model = sequential({ input: 6, layers: through(relu()) });
    const { ok, tensors } = await gradcheck(await testDevice(), { model, data, elements: 7 });
    expect(ok).toBe(true);
    expect(tensors.map(({ name, kinks }) => [name, kinks])).toEqual([
      ['0.weight', 0],
      ['0.bias', 7],
      ['2.weight', 0],
      ['2.bias', 0],
    ]);
  });

  it('reads a source, and says what it is asked wrongly', async () => {
    const device = await testDevice();
    const model = sequential({ input: 6, layers: through(tanh()) });
    const data = source({
      ...{ samples: 40, features: 6, classes: 3 },
      read: (indices) => ({
        x: Float32Array.from({ length: 6 * indices.length }, (_, k) => classes.x[6 * indices[(k / 6) | 0]! + (k % 6)]!),
        y: Uint8Array.from(indices, (i) => (i * 5 + 3) % 3),
      }),
    });
    const [read, there] = [await gradcheck(device, { model, data }), await gradcheck(device, { model, data: classes })];
    expect(read).toEqual(there);

    const refuse = (options: object, code: string) =>
      expect(gradcheck(device, { model, data: classes, ...options })).rejects.toThrow(at(code));
    await refuse({ row: 3 }, 'OPTION-UNKNOWN');
    await refuse({ rows: 41 }, 'OPTION-RANGE');
    await refuse({ eps: 0 }, 'OPTION-RANGE');
    await refuse({ elements: 0.5 }, 'OPTION-RANGE');
    await refuse({ data: undefined }, 'OPTION-TYPE');
    await refuse({ data: noise(8, 5, 3) }, 'SHAPE-MISMATCH');
    await refuse({ rows: 1, model: sequential({ input: 6, layers: through(batchNorm()) }) }, 'OPTION-RANGE');
    const own = { ...tanh(), row: { ...tanh().row, name: 'softsign' } };
    await refuse({ model: sequential({ input: 6, layers: through(own) }) }, 'OPTION-RANGE');
  });
});

describe('initLoss', () => {
  it('expects what outputs of 0 lose', async () => {
    const device = await testDevice();
    const model = mlp({ sizes: [6, 8, 3], init: 'pytorch' });
    const report = await initLoss(device, { model, data: classes });
    expect(report.expected).toBeCloseTo(Math.log(3), 12);
    expect(report).toMatchObject({ samples: 40, ok: true });
    const loud = { ...classes, scale: 1000 };
    expect((await initLoss(device, { model, data: loud })).ok).toBe(false);
    const regression = mlp({ sizes: [6, 8, 2], loss: 'mse', init: 'pytorch' });
    const data = standardizeTargets(values(2, (value) => 50 + value));
    const { expected, most, ok } = await initLoss(device, { model: regression, data });
    expect(expected).toBeCloseTo(1, 5);
    expect(most).toBeGreaterThan(4);
    expect(ok).toBe(true);
    // Outputs of ±2, two of them: equal, wrong or right, which is 1.356 in the mean, also of three samples.
    const few = arrays({ x: new Float32Array(18), features: 6, y: [0, 1, 1], classes: 2 });
    const small = await initLoss(device, { model: mlp({ sizes: [6, 8, 2], init: 'pytorch' }), data: few });
    expect(Math.abs(small.most - 1.356)).toBeLessThan(0.1);
  });
});

describe('overfitBatch', () => {
  it('learns a batch by heart, and stops there', async () => {
    const device = await testDevice();
    const model = mlp({ sizes: [6, 32, 3], activation: 'tanh', norm: 'batch', dropout: 0.1 });
    const report = await overfitBatch(device, { model, data: classes, rows: 16 });
    expect(report).toMatchObject({ rows: 16, accuracy: 1, ok: true });
    expect(report.steps).toBeLessThan(500);
    expect(report.steps % 25).toBe(0);
    expect(report.last).toBeLessThan(report.first);
  });

  it('of values asks for R², and says where it does not get there', async () => {
    const device = await testDevice();
    const model = mlp({ sizes: [6, 32, 2], activation: 'tanh', loss: 'mse' });
    const options = { model, data: standardizeTargets(values(2)), rows: 12, seed: 1 };
    const short = await overfitBatch(device, { ...options, rule: sgd({ lr: 1e-6 }), steps: 30 });
    expect(short).toMatchObject({ steps: 30, ok: false });
    const { ok, r2, accuracy } = await overfitBatch(device, { ...options, rule: adam({ lr: 0.01 }) });
    expect(r2).toBeGreaterThanOrEqual(0.99);
    expect(accuracy).toBeUndefined();
    expect(ok).toBe(true);
    await expect(overfitBatch(device, { ...options, steps: 0 })).rejects.toThrow(at('OPTION-RANGE'));
    await expect(overfitBatch(device, { ...options, rule: {} as never })).rejects.toThrow(at('OPTION-TYPE'));
  });
});

describe('the command line', () => {
  const small = ['--samples', '100', '--model', '784-8-10', '--activation', 'tanh', '--init', 'pytorch'];

  it('shows a table of gradients', async () => {
    const io = fakeIo();
    expect(await check('gradcheck', [...small, '--elements', '3', '--rows', '4'], io)).toBe(0);
    expect(io.out()).toMatch(/784-8-10 {2}the first 4 samples of digits, seed 0/);
    expect(io.out()).toMatch(/0\.weight +784 × 8 +3 +\d\.\de-\d+ +\d\.\de-\d+\n/);
    expect(io.out()).toContain('ok  the gradients agree');
  });

  it('exits with 1 where a check fails, and says it as JSON', async () => {
    const io = fakeIo();
    expect(await check('overfit-batch', [...small, '--steps', '2', '--json'], io)).toBe(1);
    expect(JSON.parse(io.out())).toMatchObject({
      ok: false,
      steps: 2,
      rows: 32,
      adapter: { name: expect.any(String) },
    });
    const start = fakeIo();
    expect(await check('init-loss', [...small, '--rows', '50'], start)).toBe(0);
    expect(start.out()).toMatch(/expected {2}2\.3026/);
  });
});
