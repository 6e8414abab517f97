import { describe, expect, it } from 'vitest';
import { choose } from '../../src/kernels/gpu/choose.js';

/*
 * Which kernel a GPU takes for a product, by family and shape alone.
 */

const adapter = (description: string) =>
  ({ adapterInfo: { description }, features: new Set(), limits: {} }) as unknown as GPUDevice;
const nvidia = adapter('NVIDIA H100 PCIe');
const apple = adapter('apple metal-3');

const pick = (device: GPUDevice, m: number, n: number, k: number) => choose({ m, n, k }, device);

describe('the kernel of a product', () => {
  it('is the largest tile that still occupies an NVIDIA card', () => {
    expect(pick(nvidia, 4096, 4096, 4096)).toBe('tile-128x128');
    expect(pick(nvidia, 1024, 1024, 1024)).toBe('tile-64x128');
    expect(pick(nvidia, 512, 512, 256)).toBe('tile-64x64');
  });

  it('is the tile of 4 × 4 sums a thread elsewhere', () => {
    expect(pick(apple, 4096, 4096, 4096)).toBe('tile-64x64');
    expect(pick(adapter('AMD Radeon RX 7900 XT'), 4096, 4096, 4096)).toBe('tile-64x64');
  });

  it('splits long sums of few tiles where a card has many cores', () => {
    expect(pick(nvidia, 64, 100, 784)).toBe('tile-64x64-split');
    expect(pick(nvidia, 1024, 16, 1024)).toBe('tile-64x64-split');
    expect(pick(apple, 64, 100, 784)).toBeUndefined();
  });

  it('is the one that runs everywhere for less than a tile, too few tiles, and on CPU adapters', () => {
    expect(pick(nvidia, 64, 10, 100)).toBeUndefined();
    expect(pick(nvidia, 64, 100, 100)).toBeUndefined();
    expect(pick(adapter('llvmpipe (LLVM 15.0.7, 256 bits)'), 4096, 4096, 4096)).toBeUndefined();
    expect(pick(adapter('SwiftShader Device (Subzero)'), 1024, 1024, 1024)).toBeUndefined();
  });
});
