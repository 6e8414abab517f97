import { describe, expect, it } from 'vitest';
import { range } from '../../src/gpu/buffers.js';
import { BLOCK_ENCODINGS, encodeBlock } from '../../src/kernels/encode.js';
import { encodeConstant } from '../../src/optim/encodings.js';
import { blockScale, dynamicMap, neighbours, type ReferenceEncoding } from '../../src/reference/index.js';
import { buffersFor, dispatch, randomFloats, readFloats, testDevice } from '../support/gpu.js';

/*
 * Values into words and back, against float64: every value comes back as one of its two neighbours in the encoding, as often
 * each as keeps the mean.
 */

const CASES: readonly { code: number; encoding: ReferenceEncoding; positive: boolean }[] = [
  { code: 0, encoding: 'bf16', positive: false },
  { code: 1, encoding: 'f16', positive: false },
  { code: 2, encoding: 'f16', positive: true },
  { code: 3, encoding: '8bit', positive: false },
  { code: 4, encoding: '8bit', positive: true },
];
const BLOCK = 256;

/** Encodes a block with the bits of several updates, and gives what comes back of it each time. */
async function roundTrips(
  code: number,
  x: Float32Array<ArrayBuffer>,
  counts: readonly number[],
  { key = 1, slot = 0 } = {},
) {
  const gpu = await testDevice();
  const buffers = buffersFor(gpu, 'encode');
  const input = range(buffers.upload('x', x));
  const quads = x.length / 4;
  const made = counts.map((_, i) => ({
    words: range(buffers.storage(`words-${i}`, 8 * quads)),
    y: range(buffers.storage(`y-${i}`, 16 * quads)),
    scale: range(buffers.storage(`scale-${i}`, 256), 0, 4),
  }));
  await dispatch(
    gpu,
    made.map((own, i) =>
      encodeBlock({
        ...{ label: 'test/encode', encoding: BLOCK_ENCODINGS[code]!, quads, key, count: counts[i]!, slot },
        buffers: { x: input, ...own },
      }),
    ),
  );
  const results = await Promise.all(
    made.map(async ({ words, y, scale }) => ({
      words: new Uint32Array((await readFloats(gpu, { ...words, size: 8 * quads })).buffer),
      y: await readFloats(gpu, { ...y, size: 16 * quads }),
      scale: (await readFloats(gpu, scale))[0]!,
    })),
  );
  buffers.destroy();
  return results;
}

/** Blocks of many magnitudes, as gradients have them. */
const blocks: Readonly<Record<string, Float32Array<ArrayBuffer>>> = {
  uniform: randomFloats(BLOCK, 3),
  // exp of up to ±14: twelve decades.
  'of many decades': randomFloats(BLOCK, 4).map((v, i) => Math.exp(14 * v) * (i % 2 ? -1 : 1)),
  'with zeros': randomFloats(BLOCK, 5).map((v, i) => (i % 3 ? v : 0)),
  'of one large value': randomFloats(BLOCK, 6).map((v, i) => (i === 77 ? 1e6 : v)),
};
const SCALES = [2 ** -80, 2 ** -40, 1, 2 ** 40, 2 ** 80];

describe.each(CASES)('$encoding, positive: $positive', ({ code, encoding, positive }) => {
  const signed = (x: Float32Array<ArrayBuffer>) => (positive ? x.map(Math.abs) : x);
  /** Rounding of the kernel's own arithmetic, relative: none where all is done on bits. */
  const slack = encoding === '8bit' ? 4e-6 : 0;

  it.each(Object.keys(blocks))('gives one of two neighbours: %s', async (name) => {
    for (const factor of SCALES) {
      const x = signed(blocks[name]!.map((v) => v * factor));
      const most = x.reduce((max, v) => Math.max(max, Math.abs(v)), 0);
      const { y, scale } = (await roundTrips(code, x, [7]))[0]!;
      const wanted = blockScale(encoding, positive, most);
      expect(Math.abs(scale / wanted - 1)).toBeLessThanOrEqual(slack);
      for (const [i, value] of x.entries()) {
        const [low, high] = neighbours(encoding, positive, Math.abs(value), wanted);
        const got = Math.abs(y[i]!);
        const tolerance = slack * high;
        // Beside an entry the two sums of its place may say the next one.
        expect(got, `${name} ${factor} ${i}: ${value}`).toBeGreaterThanOrEqual(low - tolerance);
        expect(got, `${name} ${factor} ${i}: ${value}`).toBeLessThanOrEqual(high + tolerance);
        const near = Math.min(got - low, high - got);
        expect(near, `${name} ${factor} ${i}: ${value}`).toBeLessThanOrEqual(tolerance);
        if (got !== 0) expect(y[i]! < 0).toBe(value < 0);
        // A rule divides by its root.
        if (positive) expect(got > 0).toBe(value > 0);
      }
    }
  });

  it('keeps the mean, with bits that are independent of neighbours, updates and slots', async () => {
    const x = signed(randomFloats(BLOCK, 11).map((v) => v + (v < 0 ? -0.25 : 0.25)));
    const counts = Array.from({ length: 64 }, (_, i) => i);
    const most = x.reduce((max, v) => Math.max(max, Math.abs(v)), 0);
    const scale = blockScale(encoding, positive, most);
    const up = async (slot: number) =>
      (await roundTrips(code, x, counts, { slot })).map(({ y }) =>
        Array.from(x, (value, i) => {
          const [low, high] = neighbours(encoding, positive, Math.abs(value), scale);
          return high === low ? 0 : (Math.abs(y[i]!) - Math.abs(value)) / (high - low);
        }),
      );
    const errors = await up(0);
    const others = await up(1);
    const n = counts.length * BLOCK;
    const sum = (of: (update: number, i: number) => number) =>
      errors.reduce((total, own, update) => total + own.reduce((all, _, i) => all + of(update, i), 0), 0);
    // An error is within ±1, of at most 1/4 in variance; products of two independent ones of at most 1/16. Five deviations.
    const limit = (deviation: number) => 5 * deviation * Math.sqrt(n);
    expect(Math.abs(sum((u, i) => errors[u]![i]!))).toBeLessThan(limit(1 / 2));
    expect(Math.abs(sum((u, i) => errors[u]![i]! * errors[u]![(i + 1) % BLOCK]!))).toBeLessThan(limit(1 / 4));
    expect(Math.abs(sum((u, i) => errors[u]![i]! * errors[u]![(i + 4) % BLOCK]!))).toBeLessThan(limit(1 / 4));
    expect(Math.abs(sum((u, i) => errors[u]![i]! * errors[(u + 1) % 64]![i]!))).toBeLessThan(limit(1 / 4));
    expect(Math.abs(sum((u, i) => errors[u]![i]! * others[u]![i]!))).toBeLessThan(limit(1 / 4));
    // And it does round at random: where it is no value of the encoding, not always the same way.
    expect(sum((u, i) => errors[u]![i]! ** 2)).toBeGreaterThan(n / 16);
  });

  it('is the same for the same key and update, and another one for others', async () => {
    const x = signed(randomFloats(BLOCK, 12));
    const [a, b] = await roundTrips(code, x, [5, 5]);
    const [c, d] = await roundTrips(code, x, [5, 6], { key: 2 });
    expect(b!.words).toEqual(a!.words);
    expect(c!.words).not.toEqual(a!.words);
    expect(d!.words).not.toEqual(c!.words);
  });

  it('keeps zeros, and a constant as the host writes it', async () => {
    const [zeros] = await roundTrips(code, new Float32Array(BLOCK), [1]);
    expect(zeros!.y.every((value) => value === 0)).toBe(true);
    expect(zeros!.words.every((word) => word === 0)).toBe(true);
    for (const value of [1e-6, 0.5, 3]) {
      const { word, scale } = encodeConstant(encoding, value, positive);
      const [own] = await roundTrips(code, new Float32Array(BLOCK).fill(value), [1]);
      expect(Math.abs(own!.scale / scale - 1)).toBeLessThanOrEqual(2 ** -22);
      const host = encoding === '8bit' ? word : (word & 0xffff) >>> 0;
      // To the nearest on the host, to one of two on the GPU.
      const gpu = encoding === '8bit' ? own!.words[0]! : own!.words[0]! & 0xffff;
      expect(Math.abs(gpu - host)).toBeLessThanOrEqual(encoding === '8bit' ? 0 : 1);
    }
  });
});

describe('the map of 8 bits', () => {
  it('has the values of the paper', () => {
    // create_dynamic_map of bitsandbytes: 127 magnitudes with a sign, 254 without, beside 0 and 1.
    const [signed, positive] = [dynamicMap(false), dynamicMap(true)];
    expect([signed.length, positive.length]).toEqual([128, 255]);
    const close = (a: number, b: number) => expect(Math.abs(a / b - 1)).toBeLessThan(1e-12);
    close(signed[1]!, 5.5e-7);
    close(signed[2]!, 3.25e-6);
    close(signed[127]!, 0.99296875);
    close(positive[1]!, 3.25e-7);
    close(positive[254]!, 0.996484375);
    for (const map of [signed, positive])
      for (let i = 1; i < map.length; i++) expect(map[i]!).toBeGreaterThan(map[i - 1]!);
  });
});
