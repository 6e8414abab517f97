import { describe, expect, it } from 'vitest';
import { arrays } from '../../src/data/arrays.js';
import { batchNorm, linear, relu, silu } from '../../src/nn/layers.js';
import { mlp } from '../../src/nn/mlp.js';
import { sequential } from '../../src/nn/model.js';
import { resolveRule } from '../../src/optim/rule.js';
import { rules } from '../../src/optim/rules.gen.js';
import { FUSED, fused, layersOf, stored, type Trial, train } from '../support/backward.js';
import { likeDevice, testDevice } from '../support/gpu.js';
import { FEW, insideCases } from '../support/rule-cases.js';
import { noise } from '../support/train.js';

/*
 * The update inside the weight gradient's tiles: the same bits as of the tiles that store the gradient, which the tests of
 * products compare with float64, and the update after them.
 */

const device = await testDevice();

describe('an update inside the weight gradient', () => {
  const nets: readonly [string, Trial][] = [
    ['several layers', { model: mlp({ sizes: [9, 12, 7, 4] }), seeds: [1, 2, 3] }],
    ['several tiles', { model: mlp({ sizes: [130, 68, 64, 5] }), rows: 33, data: noise(90, 130, 5) }],
    [
      'layers without bias or activation',
      {
        model: sequential({ input: 5, layers: [linear(6, { bias: false }), relu(), linear(8), linear(3)] }),
      },
    ],
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
    [
      'groups',
      {
        model: mlp({ sizes: [9, 12, 7, 4] }),
        groups: [
          { tensors: '*.bias', weightDecay: 0.5 },
          { tensors: '2.weight', lr: 0.2 },
        ],
      },
    ],
    ['one row', { model: mlp({ sizes: [9, 12, 4] }), rows: 1 }],
  ];

  it.each(nets)('has the bits of the update after it: %s', async (_, trial) => {
    const [inside, after] = [await train(trial, fused), await train(trial, stored)];
    const layers = layersOf(trial.model);
    expect(inside.passes.filter((label) => /weight-gradient-\d\+update$/.test(label))).toHaveLength(layers);
    expect(inside.passes).toHaveLength(after.passes.length - 1);
    expect(inside.losses).toEqual(after.losses);
    expect(inside.tensors).toEqual(after.tensors);
    expect(inside.tensors[0]).not.toEqual((await train(trial, stored, 2)).tensors[0]);
  });

  // One layer, which is one pipeline of a rule and its slots, of two tiles by two. All rules: tests/slow/rules-inside.test.ts.
  const model = mlp({ sizes: [70, 67] });
  it.each(insideCases(FEW))('has the bits of the update after it with %s %o', async (name, options) => {
    const rule = resolveRule(rules, name, options);
    const [inside, after] = [await train({ model, rule }, fused), await train({ model, rule }, stored)];
    expect(inside.passes).toHaveLength(after.passes.length - 1);
    expect(inside.losses).toEqual(after.losses);
    expect(inside.tensors).toEqual(after.tensors);
  });

  it('gives each of several replicas the bits it has alone', async () => {
    const own = mlp({ sizes: [9, 12, 4] });
    const all = await train({ model: own, seeds: [5, 6, 7] }, fused);
    const alone = await train({ model: own, seeds: [6] }, fused);
    expect(all.tensors[1]).toEqual(alone.tensors[0]);
  });

  it.each<[string, Trial, string?]>([
    ['the norm is clipped', { model, optimizer: { clip: { globalNorm: 1 } } }],
    ['steps may be left out', { model, optimizer: { skipNonFinite: true } }],
    [
      'other layers have tensors',
      { model: sequential({ input: 9, layers: [linear(8), batchNorm(), silu(), linear(4)] }) },
    ],
    ['it does not begin with the last layer', { model: mlp({ sizes: [9, 12, 4] }) }, 'weight-gradient-0'],
    [
      'a first layer is not all that is updated',
      { model: sequential({ input: 9, layers: [linear(8), batchNorm(), silu(), linear(4)] }) },
      'weight-gradient-0',
    ],
  ])('does not fit where %s', async (_, trial, pass) => {
    const choice = pass === undefined ? fused : () => ({ [pass]: FUSED });
    await expect(train(trial, choice)).rejects.toMatchObject({
      code: 'PLAN-UNKNOWN',
      message: expect.stringMatching(/does not fit here\./),
    });
  });

  it('is not taken where a rule has more state than a kernel may bind', async () => {
    const few = likeDevice(device, { limits: { maxStorageBuffersPerShaderStage: 8 } });
    const rule = resolveRule(rules, 'adan', {});
    await expect(train({ model, rule, device: few }, fused)).rejects.toMatchObject({
      code: 'PLAN-UNKNOWN',
      message: expect.stringContaining('9 storage buffers in a kernel'),
    });
    await expect(train({ model, device: few }, fused)).resolves.toBeDefined();
  });

  it.each([
    ['is what a GPU takes', { device: likeDevice(device, { description: 'NVIDIA H200' }) }, true],
    [
      'is left to split sums for a large batch',
      { device: likeDevice(device, { description: 'NVIDIA H200' }), rows: 513, data: noise(600, 70, 67) },
      false,
    ],
    ['is never what a CPU adapter takes', {}, false],
  ])('%s', async (_, trial, taken) => {
    const rule = resolveRule(rules, 'sgd', { lr: 0.1 });
    const { passes } = await train({ model, rule, ...trial }, () => undefined, 1);
    expect(passes.some((label) => label.endsWith('weight-gradient-0+update'))).toBe(taken);
  });
});
