import { describe, expect, it } from 'vitest';
import { range, readRanges } from '../../src/gpu/buffers.js';
import { ADVANCE_FORMS, advance, type Clock, clockBytes, FAULT, readClocks } from '../../src/kernels/advance.js';
import { lower } from '../../src/kernels/lower.js';
import { HYPER_BYTES, RECORD_WORDS } from '../../src/kernels/update.js';
import { buffersFor, dispatch, testDevice } from '../support/gpu.js';

const RING = 512;

/** Records whose number is right and whose other words say where they came from. */
function numberedRing(groups: number, replicas: number, first = 0): Uint32Array<ArrayBuffer> {
  const ring = new Uint32Array(RING * groups * replicas * RECORD_WORDS);
  for (let count = first; count < first + RING; count++) {
    for (let record = 0; record < groups * replicas; record++) {
      const at = ((count % RING) * groups * replicas + record) * RECORD_WORDS;
      ring[at] = count;
      for (let word = 3; word < RECORD_WORDS; word++) ring[at + word] = 10_000 * count + 100 * record + word;
    }
  }
  return ring;
}

async function runAdvance(
  clocks: readonly Partial<Clock>[],
  ring: Uint32Array<ArrayBuffer>,
  { groups = 1, micro = 1, steps = 1 } = {},
) {
  const gpu = await testDevice();
  const buffers = buffersFor(gpu, 'advance');
  const clock = buffers.upload('clock', new Uint8Array(clockBytes(clocks)));
  const hyper = buffers.make('hyper', HYPER_BYTES, 0x80 | 0x04);
  const shape = { groups, ring: RING, micro, segments: 0, unit: 1 };
  const operands = { clock: range(clock), ring: range(buffers.upload('ring', ring)), hyper: range(hyper) };
  const plan = lower([advance('test/advance', shape, operands, clocks.length)], ADVANCE_FORMS, gpu);
  for (let step = 0; step < steps; step++) await dispatch(gpu, plan.passes);
  const [c, h] = await readRanges(gpu, 'test', [range(clock), range(hyper)]);
  buffers.destroy();
  return { clocks: readClocks(c!).slice(0, clocks.length), hyper: new Uint32Array(h!) };
}

describe('advance', () => {
  it('copies the records of its count, group by group and replica by replica, each at its own', async () => {
    const counts = [3, 700, 1023];
    const ring = numberedRing(2, 3);
    const later = numberedRing(2, 3, RING);
    const words = 2 * 3 * RECORD_WORDS;
    for (const count of [700, 1023])
      ring.set(later.subarray((count % RING) * words, ((count % RING) + 1) * words), (count % RING) * words);
    const { hyper, clocks } = await runAdvance(
      counts.map((count) => ({ count, step: 2000 })),
      ring,
      { groups: 2 },
    );
    for (const [replica, count] of counts.entries()) {
      for (const group of [0, 1]) {
        const record = group * 3 + replica;
        const own = hyper.subarray(record * RECORD_WORDS, (record + 1) * RECORD_WORDS);
        expect([...own.subarray(0, 4)]).toEqual([count, 0, 0, 10_000 * count + 100 * record + 3]);
      }
    }
    expect(clocks).toEqual(
      counts.map((count) => ({
        step: 2001,
        count: count + 1,
        fault: 0,
        skipped: 0,
        streak: 0,
        micro: 0,
        grad_norm: 0,
        fate: 0,
      })),
    );
  });

  it('refuses a record of another count: flags it, leaves out the update, does not count it', async () => {
    const { hyper, clocks } = await runAdvance([{}], numberedRing(1, 1, RING), { steps: 2 });
    expect(clocks[0]).toMatchObject({ step: 2, count: 0, fault: FAULT.stale, fate: 1 });
    expect(hyper[1]).toBe(1);
  });

  it('waits until the micro-steps of an update are complete', async () => {
    const ring = numberedRing(1, 1);
    for (const [steps, clock, skip] of [
      [1, { step: 1, micro: 1, count: 0, fate: 2 }, 2],
      [2, { step: 2, micro: 2, count: 0, fate: 2 }, 2],
      [3, { step: 3, micro: 0, count: 1, fate: 0 }, 0],
      [7, { step: 7, micro: 1, count: 2, fate: 2 }, 2],
    ] as const) {
      const { clocks, hyper } = await runAdvance([{}], ring, { micro: 3, steps });
      expect(clocks[0]).toMatchObject(clock);
      expect(hyper[1]).toBe(skip);
    }
  });

  it('clocks survive the way to the GPU and back', () => {
    const clock = { step: 4e9, count: 3, fault: 2, skipped: 1, streak: 9, micro: 5, grad_norm: 0.5, fate: 1 };
    expect(readClocks(clockBytes([clock, {}]))).toEqual([
      clock,
      { step: 0, count: 0, fault: 0, skipped: 0, streak: 0, micro: 0, grad_norm: 0, fate: 0 },
    ]);
  });
});
