import { afterAll, describe, expect, it } from 'vitest';
import { arrays } from '../../src/data/arrays.js';
import { initialize } from '../../src/nn/init.js';
import { elu, gelu, linear, relu, silu, tanh } from '../../src/nn/layers.js';
import { binaryCrossEntropy, huber, l1, mse, softmaxCrossEntropy } from '../../src/nn/losses.js';
import { mlp } from '../../src/nn/mlp.js';
import { sequential, tensorsOf } from '../../src/nn/model.js';
import { type Rule, resolveRule } from '../../src/optim/rule.js';
import { adam, rules } from '../../src/optim/rules.gen.js';
import { randomFloats } from '../support/gpu.js';
import { FEW, insideCases } from '../support/rule-cases.js';
import { step, stored, type Trial, train, variants } from '../support/step.js';
import { noise } from '../support/train.js';

/*
 * The whole step in two dispatches. The gradient, stored by the same loops, is compared with the layer-wise forms of tiles, which
 * the tests of layers and networks compare with float64; the rule inside then gives the bits of the update after it.
 */

/** Furthest that tensors of two trainings lie apart. */
const apart = (a: Awaited<ReturnType<typeof train>>, b: typeof a): number =>
  Math.max(
    ...a.tensors.flatMap((tensors, replica) =>
      Object.entries(tensors).flatMap(([name, values]) =>
        values.map((value, i) => Math.abs(value - b.tensors[replica]![name]![i]!)).reduce((x, y) => Math.max(x, y), 0),
      ),
    ),
  );

const inRows = (flat: Float32Array, width: number) =>
  Array.from({ length: flat.length / width }, (_, i) => [...flat.subarray(i * width, (i + 1) * width)]);

const values = (width: number, inputs: number) =>
  arrays({ x: randomFloats(50 * inputs, 71), y: inRows(randomFloats(50 * width, 72), width), features: inputs });

afterAll(() => expect(variants.length).toBeGreaterThan(0));

describe.each(variants)('a step by rows, %s,', (variant) => {
  const nets: readonly [string, Trial][] = [
    ['relu', { model: mlp({ sizes: [9, 12, 7, 4] }) }],
    ['what is kept of gelu', { model: mlp({ sizes: [9, 12, 7, 4], activation: 'gelu' }) }],
    ['one layer', { model: mlp({ sizes: [13, 3] }) }],
    [
      'layers without bias or activation',
      {
        model: sequential({
          input: 5,
          layers: [linear(6, { bias: false }), tanh(), linear(8), linear(3, { bias: false })],
        }),
      },
    ],
    ['inputs of several blocks', { model: mlp({ sizes: [250, 130, 256, 5], activation: 'tanh' }), rows: 33 }],
    ['one row', { model: mlp({ sizes: [9, 12, 4], activation: 'elu' }), rows: 1 }],
    [
      'several blocks of rows and a short batch',
      { model: mlp({ sizes: [9, 40, 4] }), data: noise(300, 9, 4), rows: 130 },
    ],
    ['replicas', { model: mlp({ sizes: [9, 12, 7, 4] }), seeds: [1, 2, 3], sampling: 'replacement' }],
    ['all samples', { model: mlp({ sizes: [9, 12, 4], activation: 'silu' }), sampling: 'full', rows: 50 }],
    [
      'bytes',
      {
        model: mlp({ sizes: [30, 12, 4] }),
        data: {
          ...arrays({
            x: Uint8Array.from({ length: 50 * 30 }, (_, i) => (i * 37) % 256),
            y: Uint8Array.from({ length: 50 }, (_, i) => i % 4),
            classes: 4,
            features: 30,
          }),
          ...{ scale: 1 / 100, shift: -1 },
        },
      },
    ],
    ...[mse(), l1(), huber({ delta: 0.3 })].map((loss): [string, Trial] => [
      loss.row.name,
      { model: sequential({ input: 6, layers: [linear(9), relu(), linear(2)], loss }), data: values(2, 6) },
    ]),
    [
      'label smoothing',
      {
        model: sequential({
          input: 6,
          layers: [linear(9), silu(), linear(5)],
          loss: softmaxCrossEntropy({ labelSmoothing: 0.1 }),
        }),
      },
    ],
    [
      'binary cross-entropy',
      {
        model: sequential({ input: 6, layers: [linear(9), gelu(), linear(2)], loss: binaryCrossEntropy() }),
        data: arrays({
          x: randomFloats(50 * 6, 73),
          y: inRows(
            randomFloats(50 * 2, 74).map((v) => (v > 0 ? 1 : 0)),
            2,
          ),
          features: 6,
        }),
      },
    ],
    ['an alpha', { model: sequential({ input: 6, layers: [linear(9), elu({ alpha: 0.5 }), linear(4)] }) }],
  ];

  it.each(nets)('has the gradient of the layer-wise forms: %s', async (_, trial) => {
    const [rows, layers] = [await train(trial, stored(variant)), await train(trial, 'layers')];
    expect(rows.described.passes.slice(0, 2).map(({ label }) => label.replace(/.*\//, ''))).toEqual([
      'rows',
      'weight-gradients',
    ]);
    expect(layers.described.dispatches).toBeGreaterThan(rows.described.dispatches);
    // Three steps of rate 0.05 on gradients near 1: sums in another order differ by some units in the last place of them.
    expect(apart(rows, layers)).toBeLessThan(3e-6);
    for (const [i, loss] of rows.losses.entries())
      expect(Math.abs(loss - layers.losses[i]!)).toBeLessThan(5e-6 * (1 + loss));
    const start = initialize(trial.model, 1);
    expect(
      tensorsOf(trial.model).some(({ name }, i) => rows.tensors[0]![name]!.some((v, k) => v !== start[i]![k])),
    ).toBe(true);
  });

  it.each(nets.slice(0, 10))('has the same bits with the update inside: %s', async (_, trial) => {
    const whole = await train({ ...trial, rule: adam({ lr: 0.01 }) as Rule }, step(variant), 5);
    const after = await train({ ...trial, rule: adam({ lr: 0.01 }) as Rule }, stored(variant), 5);
    expect(whole.described.dispatches).toBe(2);
    expect(whole.losses).toEqual(after.losses);
    expect(whole.tensors).toEqual(after.tensors);
  });
});

describe('a step by rows', () => {
  const variant = variants.at(-1)!;
  const model = mlp({ sizes: [9, 12, 7, 4], activation: 'tanh' });

  // All rules: tests/slow/rules-inside.test.ts.
  it.each(insideCases(FEW))('has the bits of the update after it with %s %o', async (name, options) => {
    const rule = resolveRule(rules, name, options);
    const whole = await train({ model, rule, seeds: [1, 2] }, step(variant));
    const after = await train({ model, rule, seeds: [1, 2] }, stored(variant));
    expect(whole.described.dispatches).toBeLessThanOrEqual(3);
    expect(whole.losses).toEqual(after.losses);
    expect(whole.tensors).toEqual(after.tensors);
  });

  it('gives each of several replicas the bits it has alone', async () => {
    const all = await train({ model, seeds: [5, 6, 7] }, step(variant));
    const alone = await train({ model, seeds: [6] }, step(variant));
    expect(all.tensors[1]).toEqual(alone.tensors[0]);
  });

  it('leaves an arena in parts to other forms, where only the last bias lies apart, too', async () => {
    // Padded, its tensors take 128 + 64 + 128 + 64 + 64 + 64 floats.
    const trial = { model, maxArenaBytes: 4 * 448 };
    const [usual, layers] = [await train(trial, {}), await train(trial, 'layers')];
    expect(usual.described.choice['forward-0']).not.toMatch(/rows/);
    expect(usual.described.passes.filter(({ label }) => label.includes('/update'))).toHaveLength(2);
    expect(apart(usual, layers)).toBeLessThan(3e-6);
    await expect(train(trial, step(variant))).rejects.toThrow(/does not fit here/);
  });
});
