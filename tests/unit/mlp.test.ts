import { describe, expect, it } from 'vitest';
import { requestDevice } from '../../src/gpu/device.js';
import { initialize } from '../../src/nn/init.js';
import type { LayerRow } from '../../src/nn/layer.js';
import { activations } from '../../src/nn/layers.js';
import { mse } from '../../src/nn/losses.js';
import { ACTIVATIONS, mlp } from '../../src/nn/mlp.js';
import { INITS, tensorsOf } from '../../src/nn/model.js';
import { referenceActivations } from '../../src/reference/index.js';

const at = (code: string, words = '') =>
  expect.objectContaining({
    name: 'DownhillError',
    code,
    fix: expect.stringMatching(/\S/),
    message: expect.stringContaining(words),
  });

describe('mlp', () => {
  it.each<[string, unknown, string, string]>([
    ['a width of 0', { sizes: [784, 0, 10] }, 'SHAPE-INVALID', 'sizes[1]'],
    ['a negative width', { sizes: [-1, 10] }, 'SHAPE-INVALID', 'sizes[0]'],
    ['a fractional width', { sizes: [2.5, 10] }, 'SHAPE-INVALID', '2.5'],
    ['a width that is a string', { sizes: ['784', 10] }, 'SHAPE-INVALID', '"784"'],
    ['a width beyond 32 bits', { sizes: [2 ** 31, 2 ** 31] }, 'SHAPE-INVALID', 'sizes[0]'],
    ['an empty model', { sizes: [] }, 'SHAPE-INVALID', '[]'],
    ['one width', { sizes: [784] }, 'SHAPE-INVALID', '[784]'],
    ['no sizes', {}, 'SHAPE-INVALID', 'undefined'],
    ['an unknown activation', { sizes: [1, 1], activation: 'rellu' }, 'OPTION-RANGE', 'rellu'],
    ['an unknown loss', { sizes: [1, 1], loss: 'hinge' }, 'OPTION-RANGE', 'hinge'],
    ['an unknown norm', { sizes: [1, 1, 1], norm: 'group' }, 'OPTION-RANGE', 'group'],
    ['to drop all', { sizes: [1, 1, 1], dropout: 1 }, 'OPTION-RANGE', 'dropout'],
    ['a dropout that is no number', { sizes: [1, 1, 1], dropout: '0.2' }, 'OPTION-TYPE', 'dropout'],
    ['a gain of 0', { sizes: [1, 1], gain: 0 }, 'OPTION-RANGE', 'gain'],
    ['a gain beyond f32', { sizes: [1, 1], gain: 1e39 }, 'OPTION-RANGE', 'gain'],
    ['a gain that is 0 in f32', { sizes: [1, 1], gain: 1e-46 }, 'OPTION-RANGE', 'gain'],
    ['a loss that was not called', { sizes: [1, 1], loss: mse }, 'OPTION-TYPE', 'Call it: mse() is a loss'],
    ['a loss of another kind', { sizes: [1, 1], loss: 7 }, 'OPTION-RANGE', 'loss'],
    ['a gain by name', { sizes: [1, 1], gain: 'relu' }, 'OPTION-TYPE', 'gain'],
    ['a gain where the init has none', { sizes: [1, 1], init: 'pytorch', gain: 'auto' }, 'OPTION-RANGE', 'pytorch'],
    ['an unknown init', { sizes: [1, 1], init: 7 }, 'OPTION-RANGE', '7'],
    ['an unknown option', { sizes: [1, 1], layers: 3 }, 'OPTION-UNKNOWN', 'layers'],
    ['something that is no object', [784, 10], 'OPTION-TYPE', '784'],
  ])('refuses %s', (_, options, code, words) => {
    expect(() => mlp(options as never)).toThrow(at(code, words));
  });

  it('has linear, norm, activation, dropout in its hidden layers', () => {
    const model = mlp({ sizes: [3, 5, 4, 2], norm: 'batch', activation: 'gelu-tanh', dropout: 0.2 });
    const hidden = ['linear', 'batch-norm', 'gelu-tanh', 'dropout'];
    expect(model.layers.map(({ row }) => row.name)).toEqual([...hidden, ...hidden, 'linear']);
    expect(model.layers[3]!.settings).toEqual({ p: 0.2 });
    expect(tensorsOf(model).map(({ name }) => name)).toEqual(
      '0.weight 0.bias 1.weight 1.bias 4.weight 4.bias 5.weight 5.bias 8.weight 8.bias'.split(' '),
    );
    const { layers } = mlp({ sizes: [3, 5, 2], norm: 'layer', dropout: 0 });
    expect(layers.map(({ row }) => row.name)).toEqual(['linear', 'layer-norm', 'relu', 'linear']);
  });

  it('takes linear for identity, which it is called: so are the files of older runs', () => {
    const model = mlp({ sizes: [3, 2, 1], activation: 'linear' });
    expect(model).toEqual(mlp({ sizes: [3, 2, 1], activation: 'identity' }));
    expect([model.activation, model.layers[1]!.row.name]).toEqual(['identity', 'identity']);
    expect(ACTIVATIONS).not.toContain('linear');
  });

  it('names its tensors as PyTorch does', () => {
    expect(tensorsOf(mlp({ sizes: [3, 2, 1] }))).toMatchObject([
      { name: '0.weight', shape: [3, 2] },
      { name: '0.bias', shape: [2] },
      { name: '2.weight', shape: [2, 1] },
      { name: '2.bias', shape: [1] },
    ]);
  });
});

/** E f(z)² for a standard normal z, by the trapezoidal rule. */
function meanSquare(f: (z: number) => number): number {
  let sum = 0;
  for (let z = -12; z <= 12; z += 1e-3) sum += (1e-3 * f(z) ** 2 * Math.exp(-(z ** 2) / 2)) / Math.sqrt(2 * Math.PI);
  return sum;
}

describe('initialize', () => {
  const spread = {
    'he-normal': 2 / 400,
    'he-uniform': 2 / 400,
    'xavier-normal': 2 / 700,
    'xavier-uniform': 2 / 700,
    'lecun-normal': 1 / 400,
    orthogonal: 1 / 400,
    pytorch: 1 / 1200,
    zeros: 0,
  };

  it.each(INITS)('%s has its mean and variance', (init) => {
    const [weights, bias] = initialize(mlp({ sizes: [400, 300], init }), 5);
    const mean = weights!.reduce((sum, w) => sum + w, 0) / weights!.length;
    const variance = weights!.reduce((sum, w) => sum + (w - mean) ** 2, 0) / weights!.length;
    // 120,000 draws: the variance of a normal sample is within 2 % with probability beyond 0.999.
    expect(Math.abs(variance - spread[init])).toBeLessThanOrEqual(0.02 * spread[init]);
    expect(Math.abs(mean)).toBeLessThanOrEqual(4 * Math.sqrt(spread[init] / weights!.length));
    expect(bias!.some((b) => b !== 0)).toBe(init === 'pytorch');
  });

  it('is orthogonal as PyTorch’s: columns of a tall matrix, rows of a wide one, times the gain', () => {
    for (const [inputs, outputs] of [
      [40, 30],
      [30, 40],
      [7, 1],
      [33, 33],
    ] as const) {
      const [w] = initialize(mlp({ sizes: [inputs, outputs], init: 'orthogonal', gain: 3 }), 5);
      const tall = inputs >= outputs;
      const count = Math.min(inputs, outputs);
      const at = (k: number, i: number) => w![tall ? i * outputs + k : k * outputs + i]!;
      for (let a = 0; a < count; a++) {
        for (let b = 0; b <= a; b++) {
          let sum = 0;
          for (let i = 0; i < Math.max(inputs, outputs); i++) sum += at(a, i) * at(b, i);
          // f32 elements: rounding of 40 products.
          expect(Math.abs(sum - (a === b ? 9 : 0))).toBeLessThan(9 * 1e-6);
        }
      }
      // No sign is preferred, as it would be by a plain QR decomposition.
      if (count > 1) expect([...w!].filter((value) => value > 0).length / w!.length).toBeCloseTo(0.5, 0);
    }
  });

  it('has PyTorch’s gains, of the activation behind each layer', () => {
    const gains = { linear: 1, relu: Math.SQRT2, 'leaky-relu': Math.sqrt(2 / 1.0001), tanh: 5 / 3, sigmoid: 1 };
    for (const activation of ACTIVATIONS) {
      const options = { sizes: [20, 30, 10], activation, norm: 'layer', dropout: 0.1, init: 'xavier-normal' } as const;
      const [plain, auto] = [initialize(mlp(options), 3), initialize(mlp({ ...options, gain: 'auto' }), 3)];
      const ratio = auto[0]![5]! / plain[0]![5]!;
      const { row, settings } = activations[activation]();
      expect(ratio / (row as LayerRow).gain!(settings)).toBeCloseTo(1, 6);
      if (activation in gains) expect(ratio).toBeCloseTo(gains[activation as keyof typeof gains], 6);
      else expect(meanSquare(referenceActivations[activation as 'elu'].value)).toBeCloseTo(ratio ** -2, 4);
      // The last layer has no activation, the norm's parameters no gain.
      expect([auto[2], auto[3], auto[4]]).toEqual([plain[2], plain[3], plain[4]]);
    }
    const he = (gain?: number) => initialize(mlp({ sizes: [9, 5], ...(gain && { gain }) }), 1)[0]![3]!;
    expect(he(2) / he()).toBeCloseTo(Math.SQRT2, 6);
  });

  it('depends on the seed and the tensor, not on the layers that follow', () => {
    const [short] = initialize(mlp({ sizes: [9, 5] }), 1);
    const [long, , second] = initialize(mlp({ sizes: [9, 5, 9, 5] }), 1);
    expect(long).toEqual(short);
    expect(second!.subarray(0, 45)).not.toEqual(short);
    expect(initialize(mlp({ sizes: [9, 5] }), 2)[0]).not.toEqual(short);
  });
});

describe('requestDevice in an environment without WebGPU', () => {
  it('says so, and where to find it', async () => {
    await expect(requestDevice()).rejects.toEqual(at('NO-WEBGPU', 'navigator.gpu'));
  });

  it('says when there is no adapter', async () => {
    const original = Object.getOwnPropertyDescriptor(globalThis, 'navigator');
    Object.defineProperty(globalThis, 'navigator', {
      configurable: true,
      value: { gpu: { requestAdapter: async () => null } },
    });
    try {
      await expect(requestDevice()).rejects.toEqual(at('NO-ADAPTER'));
      await expect(requestDevice({ power: 'high' } as object)).rejects.toEqual(at('OPTION-UNKNOWN'));
      await expect(requestDevice({ powerPreference: 'max' } as never)).rejects.toEqual(at('OPTION-RANGE'));
    } finally {
      if (original) Object.defineProperty(globalThis, 'navigator', original);
      else delete (globalThis as { navigator?: unknown }).navigator;
    }
  });
});
