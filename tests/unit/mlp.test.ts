import { describe, expect, it } from 'vitest';
import { requestDevice } from '../../src/gpu/device.js';
import { initialize } from '../../src/nn/init.js';
import { mlp } from '../../src/nn/mlp.js';
import { INITS, tensorsOf } from '../../src/nn/model.js';

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
    ['an unknown init', { sizes: [1, 1], init: 7 }, 'OPTION-RANGE', '7'],
    ['an unknown option', { sizes: [1, 1], layers: 3 }, 'OPTION-UNKNOWN', 'layers'],
    ['something that is no object', [784, 10], 'OPTION-TYPE', '784'],
  ])('refuses %s', (_, options, code, words) => {
    expect(() => mlp(options as never)).toThrow(at(code, words));
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

describe('initialize', () => {
  const spread = {
    'he-normal': 2 / 400,
    'he-uniform': 2 / 400,
    'xavier-normal': 2 / 700,
    'xavier-uniform': 2 / 700,
    'lecun-normal': 1 / 400,
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
