import { describe, expect, it } from 'vitest';
import { range } from '../../src/gpu/buffers.js';
import { lower } from '../../src/kernels/lower.js';
import { stage, stageForms } from '../../src/kernels/stage.js';
import { buffersFor, dispatch, randomFloats, readFloats, testDevice } from '../support/gpu.js';
import { halfOf, halfValue } from '../support/halves.js';

/* Halves into floats and back, bit for bit, against their definition. */

const bits = (values: Float32Array) => new Uint32Array(values.buffer, values.byteOffset, values.length);

async function run(
  halves: Uint32Array<ArrayBuffer>,
  floats: Uint32Array<ArrayBuffer>,
  options: { out?: boolean; keep?: boolean; zero?: boolean },
) {
  const gpu = await testDevice();
  const buffers = buffersFor(gpu, 'halves');
  const foreign = range(buffers.upload('foreign', halves), 0, halves.byteLength);
  // Arenas are padded.
  const arena = new Uint32Array(4 * Math.ceil(floats.length / 4));
  arena.set(floats);
  const own = range(buffers.upload('own', arena), 0, arena.byteLength);
  const op = stage(
    'test/stage',
    [{ foreign: 0, own: 0, elements: floats.length }],
    { foreign, own },
    { ...options, halves: true },
  );
  await dispatch(gpu, lower([op], stageForms, gpu).passes);
  const [a, b] = [await readFloats(gpu, foreign), await readFloats(gpu, own)];
  buffers.destroy();
  return { halves: new Uint16Array(a.buffer), floats: new Uint32Array(b.buffer).slice(0, floats.length) };
}

describe('halves', () => {
  const all = new Uint16Array(65536).map((_, i) => i);

  it('become floats, all 65536 of them, and those become them again', async () => {
    const { floats } = await run(new Uint32Array(all.buffer.slice(0)), new Uint32Array(65536), {});
    const values = new Float32Array(floats.buffer);
    for (let i = 0; i < 65536; i++) {
      const wanted = halfValue(i);
      if (!Object.is(values[i], wanted)) expect(values[i], `half ${i}`).toBe(wanted);
    }
    const back = await run(new Uint32Array(32768), floats, { out: true });
    // NaNs too keep their bits.
    expect(back.halves).toEqual(all);
  });

  it('are the nearest of a float, ties to even', async () => {
    const near = Array.from({ length: 0x7c00 }, (_, half) => {
      const [value, next] = [halfValue(half), half === 0x7bff ? 65536 : halfValue(half + 1)];
      const middle = Float32Array.of((value + next) / 2);
      const word = bits(middle)[0]!;
      return [word - 1, word, word + 1];
    }).flat();
    const others = randomFloats(4000, 3).map((v) => Math.sign(v) * 2 ** (60 * v));
    const extremes = [0, 0x8000_0000, 1, 0x0080_0000, 0x7f7f_ffff, 0x7f80_0000, 0xff80_0000, 0x7f80_0001, 0xffc0_0000];
    const floats = Uint32Array.from([...near, ...bits(others), ...extremes, ...(near.length % 2 ? [] : [0])]);
    const even = floats.subarray(0, floats.length - (floats.length % 2)).slice();
    const { halves } = await run(new Uint32Array(even.length / 2), even, { out: true });
    const values = new Float32Array(even.buffer);
    for (const [i, value] of values.entries()) {
      const wanted = halfOf(value);
      if (Number.isNaN(value)) expect(halfValue(halves[i]!)).toBeNaN();
      else if (halves[i] !== wanted) expect(halves[i], `${value}`).toBe(wanted);
    }
  });

  it('leave a float that rounds to them as it is, where that is asked for', async () => {
    const floats = randomFloats(256, 5);
    const halves = new Uint16Array(256).map((_, i) => halfOf(floats[i]!) + (i % 3 === 0 ? 1 : 0));
    const { floats: kept } = await run(new Uint32Array(halves.buffer), bits(floats).slice(), { keep: true });
    const values = new Float32Array(kept.buffer);
    for (let i = 0; i < 256; i++) expect(values[i]).toBe(i % 3 === 0 ? halfValue(halves[i]!) : floats[i]);
  });

  it('are cleared once they are read', async () => {
    const halves = new Uint16Array(8).map((_, i) => halfOf(i + 1));
    const { halves: after, floats } = await run(new Uint32Array(halves.buffer), new Uint32Array(7), { zero: true });
    expect([...new Float32Array(floats.buffer)]).toEqual([1, 2, 3, 4, 5, 6, 7]);
    expect([...after]).toEqual([0, 0, 0, 0, 0, 0, 0, halfOf(8)]);
  });
});
