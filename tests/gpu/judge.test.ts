import { describe, expect, it } from 'vitest';
import { range, readRanges } from '../../src/gpu/buffers.js';
import { CLOCK_BYTES, type Clock, clockBytes, FAULT, readClocks } from '../../src/kernels/advance.js';
import {
  CONTROL_BYTES,
  controlOffset,
  copyIf,
  type JudgeOp,
  judge,
  judgeForms,
  readControls,
  SUMS_BYTES,
  sumRows,
} from '../../src/kernels/judge.js';
import { lower } from '../../src/kernels/lower.js';
import { earlyStopping } from '../../src/reference/index.js';
import { buffersFor, dispatch, randomFloats, readFloats, testDevice } from '../support/gpu.js';

const NAN = Number.NaN;

describe('sum_rows', () => {
  it.each([
    [1, 64, 1],
    [1100, 512, 2],
    [70_001, 512, 1],
  ])('%i samples in chunks of %i rows, %i replicas', async (samples, rows, replicas) => {
    const gpu = await testDevice();
    const buffers = buffersFor(gpu, 'sum-rows');
    const chunks = Math.ceil(samples / rows);
    // What stands past the samples must not count.
    const values = new Float32Array(2 * rows * replicas * chunks).fill(1e9);
    const noise = randomFloats(samples * replicas, 5).map(Math.abs);
    const expected = Array.from({ length: replicas }, () => [0, 0]);
    for (let i = 0; i < samples * replicas; i++) {
      const [replica, sample] = [Math.floor(i / samples), i % samples];
      const at = 2 * ((Math.floor(sample / rows) * replicas + replica) * rows + (sample % rows));
      values[at] = noise[i]!;
      values[at + 1] = i % 3 === 0 ? 1 : 0;
      expected[replica]![0]! += noise[i]!;
      expected[replica]![1]! += values[at + 1]!;
    }
    const sums = range(buffers.storage('sums', SUMS_BYTES * replicas), 0, SUMS_BYTES * replicas);
    const result = range(buffers.upload('result', values));
    await dispatch(
      gpu,
      lower([sumRows('test/sum', { samples, rows }, { result, sums }, replicas)], judgeForms, gpu).passes,
    );
    const actual = await readFloats(gpu, sums);
    for (const [replica, [loss, counted]] of expected.entries()) {
      // At most 32 + samples / 2048 + 64 roundings of half a unit in the last place, at random: under 20 of them.
      expect(Math.abs(actual[2 * replica]! / loss! - 1)).toBeLessThan(20 * 2 ** -24);
      expect(actual[2 * replica + 1]).toBe(counted);
    }
    buffers.destroy();
  });

  it('counts nothing where a loss is no number', async () => {
    const gpu = await testDevice();
    const buffers = buffersFor(gpu, 'sum-rows');
    const result = range(buffers.upload('result', Float32Array.of(1, 1, NAN, 1, Number.POSITIVE_INFINITY, 1, 2, 1)));
    const sums = range(buffers.storage('sums', SUMS_BYTES), 0, SUMS_BYTES);
    await dispatch(
      gpu,
      lower([sumRows('test/sum', { samples: 4, rows: 64 }, { result, sums })], judgeForms, gpu).passes,
    );
    expect([...(await readFloats(gpu, sums))]).toEqual([NAN, 2]);
    buffers.destroy();
  });
});

/** Judges rows of sums, (loss, counted) per replica, one after another; the clock counts a step between them. */
async function judgeAll(shape: JudgeOp['shape'], rows: readonly (readonly number[])[], replicas: number) {
  const gpu = await testDevice();
  const buffers = buffersFor(gpu, 'judge');
  const control = range(buffers.storage('control', CONTROL_BYTES * replicas), 0, CONTROL_BYTES * replicas);
  const clocks: Partial<Clock>[] = Array.from({ length: replicas }, () => ({}));
  const clock = range(buffers.upload('clock', new Uint8Array(clockBytes(clocks))));
  const sums = range(buffers.storage('sums', SUMS_BYTES * replicas));
  const { passes } = lower([judge('test/judge', shape, { sums, clock, control }, replicas)], judgeForms, gpu);
  const seen = [];
  for (const [i, row] of rows.entries()) {
    gpu.queue.writeBuffer(sums.buffer, 0, Float32Array.from(row));
    for (let replica = 0; replica < replicas; replica++)
      gpu.queue.writeBuffer(clock.buffer, CLOCK_BYTES * replica, Uint32Array.of(10 * (i + 1)));
    await dispatch(gpu, passes);
    const [controls, own] = await readRanges(gpu, 'test', [control, clock]);
    seen.push({ controls: readControls(controls!), clocks: readClocks(own!).slice(0, replicas) });
  }
  buffers.destroy();
  return seen;
}

describe('judge', () => {
  const series = [
    [5, 4, 4, 3.75, 3.5, 3.5, 3.25, 9, 9, 9, 1, 1],
    [NAN, Number.POSITIVE_INFINITY, 2, NAN, 1, 1.5, 0.5, 0.25, 0.5, 0.5, 0.5, 0.125],
    [1, 2, 3, 3, 3, 4, 5, 5, 5, 5, 5, 5],
    [NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN],
  ];
  it.each<[JudgeOp['shape']]>([
    [{ counted: false, mode: 'min', minDelta: 0, patience: 3 }],
    [{ counted: true, mode: 'max', minDelta: 0.5, patience: 2 }],
    [{ counted: false, mode: 'max', minDelta: 0, patience: 0 }],
    [{ counted: true, mode: 'min', minDelta: 0.25, patience: undefined }],
  ])('%j, four replicas of which each decides by itself', async (shape) => {
    const { counted, mode, minDelta, patience = Number.POSITIVE_INFINITY } = shape;
    // What does not decide is another number.
    const rows = series[0]!.map((_, i) => series.flatMap((own) => (counted ? [-i, own[i]!] : [own[i]!, -i])));
    const seen = await judgeAll(shape, rows, series.length);
    for (const [replica, own] of series.entries()) {
      const right = earlyStopping(own, { mode, patience, minDelta });
      for (const [i, { controls, clocks }] of seen.entries()) {
        const { stop = Number.POSITIVE_INFINITY } = right;
        const { step, improved, best_step, ...rest } = controls[replica]!;
        // Of what comes after the end nothing is taken in, and nothing is a new best one.
        const last = Math.min(i, stop);
        const best = right.best[last];
        expect(step).toBe(10 * (last + 1));
        expect(best_step).toBe(best === undefined ? 0 : 10 * (best + 1));
        expect(improved).toBe(i <= stop && best === i ? 1 : 0);
        expect(rest.stop).toBe(i >= stop ? 1 : 0);
        expect(rest.restore).toBe(i >= stop && best !== undefined ? 1 : 0);
        expect(clocks[replica]!.fault).toBe(i >= stop ? FAULT.halted : 0);
        expect(counted ? rest.counted : rest.loss).toBe(own[last]!);
        if (best !== undefined) expect(counted ? rest.best_counted : rest.best_loss).toBe(own[best]);
      }
    }
  });
});

describe('copy_if', () => {
  it('copies the bits of the replicas that have the flag', async () => {
    const gpu = await testDevice();
    const buffers = buffersFor(gpu, 'copy-if');
    const elements = 64 * 5000;
    const controls = new Uint32Array((3 * CONTROL_BYTES) / 4);
    for (const replica of [0, 2]) controls[(CONTROL_BYTES * replica + controlOffset('restore')) / 4] = 1;
    // Bits that are no good floats: a signalling NaN, the smallest denormal.
    const bits = Uint32Array.from({ length: 3 * elements }, (_, i) => [0x7f80_0001, 1, i][i % 3]!);
    const control = range(buffers.upload('control', controls));
    const source = range(buffers.upload('source', bits));
    const copy = range(buffers.storage('copy', 12 * elements));
    const ops = [copyIf('test/copy', { elements, flag: 'restore' }, { control, source, copy }, 3)];
    await dispatch(gpu, lower(ops, judgeForms, gpu).passes);
    const [copied] = await readRanges(gpu, 'test', [copy]);
    const expected = bits.slice().fill(0, elements, 2 * elements);
    expect(Buffer.compare(Buffer.from(copied!), Buffer.from(expected.buffer))).toBe(0);
    buffers.destroy();
  });
});
