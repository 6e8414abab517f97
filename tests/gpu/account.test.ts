import { describe, expect, it } from 'vitest';
import { type BatchPlan, batchOf, stepsPerEpoch } from '../../src/data/batching.js';
import { DataStream } from '../../src/data/stream.js';
import { range, readRanges } from '../../src/gpu/buffers.js';
import { accountForms, LEFT_OUT, STREAM_BYTES, streamWord } from '../../src/kernels/account.js';
import { type Clock, clockBytes, FATE } from '../../src/kernels/advance.js';
import { lower } from '../../src/kernels/lower.js';
import { buffersFor, dispatch, randomFloats, testDevice } from '../support/gpu.js';

const LOSS_RING = 16;

/** Runs the accounts of some steps, behind a clock that stands where `advance` would have left it. */
async function runAccounts(
  plan: BatchPlan,
  seeds: readonly number[],
  steps: number,
  clocks?: readonly Partial<Clock>[],
) {
  const gpu = await testDevice();
  const buffers = buffersFor(gpu, 'account');
  const replicas = seeds.length;
  const data = new DataStream(buffers, plan, seeds);
  const clock = range(buffers.upload('clock', new Uint8Array(clockBytes(clocks ?? seeds.map(() => ({ count: 1 }))))));
  const rowLosses = randomFloats(2 * plan.rows * replicas, 31).map(Math.abs);
  const result = range(buffers.upload('result', rowLosses));
  const losses = range(buffers.storage('losses', 8 * LOSS_RING * replicas));
  const { passes } = lower([data.next('test/account', { clock, result, losses }, LOSS_RING)], accountForms, gpu);
  const batches: Uint32Array[] = [];
  for (let step = 0; step < steps; step++) {
    await dispatch(gpu, passes);
    batches.push(new Uint32Array((await readRanges(gpu, 'test', [data.batch]))[0]!));
  }
  const [stream, ring] = await readRanges(gpu, 'test', [data.stream, losses]);
  buffers.destroy();
  const notes = new Uint32Array(ring!).filter((_, i) => i % 2 === 1);
  const means = new Float32Array(ring!).filter((_, i) => i % 2 === 0);
  return { batches, stream: new Uint32Array(stream!), losses: means, notes, rowLosses };
}

const PLANS: readonly Omit<BatchPlan, 'stepsPerEpoch'>[] = [
  { samples: 103, rows: 10, sampling: 'shuffle' },
  { samples: 64, rows: 64, sampling: 'shuffle' },
  { samples: 1, rows: 1, sampling: 'shuffle' },
  { samples: 103, rows: 10, sampling: 'sequential' },
  { samples: 1000, rows: 7, sampling: 'replacement' },
  { samples: 70, rows: 70, sampling: 'full' },
];

describe('account', () => {
  it.each(PLANS)('picks the batches its host twin picks: $samples samples, $rows rows, $sampling', async (partial) => {
    const plan = { ...partial, stepsPerEpoch: stepsPerEpoch(partial.samples, partial.rows, false) };
    const seeds = [0, 4_000_000_000];
    const { batches, stream } = await runAccounts(plan, seeds, 24);
    for (const [step, picked] of batches.entries()) {
      for (const [replica, seed] of seeds.entries()) {
        const expected = batchOf(plan, seed, step + 1);
        expect([...picked.subarray(replica * plan.rows, (replica + 1) * plan.rows)]).toEqual([...expected.indices]);
      }
    }
    const own = stream.subarray(STREAM_BYTES / 4);
    const { valid, epoch } = batchOf(plan, seeds[1]!, 24);
    expect([
      own[streamWord('step')],
      own[streamWord('valid')],
      own[streamWord('epoch')],
      own[streamWord('seed')],
    ]).toEqual([24, valid, epoch, seeds[1]]);
  });

  it('shows every sample once per epoch, in another order each epoch and for each seed', () => {
    const plan: BatchPlan = { samples: 103, rows: 10, sampling: 'shuffle', stepsPerEpoch: 11 };
    const epoch = (seed: number, index: number) =>
      Array.from({ length: 11 }, (_, i) => batchOf(plan, seed, index * 11 + i)).flatMap(({ indices, valid }) => [
        ...indices.subarray(0, valid),
      ]);
    const orders = [epoch(0, 0), epoch(0, 1), epoch(1, 0)];
    for (const order of orders)
      expect([...order].sort((a, b) => a - b)).toEqual(Array.from({ length: 103 }, (_, i) => i));
    expect(new Set(orders.map(String)).size).toBe(3);
  });

  it('takes the mean loss of the valid rows into the slot of the step', async () => {
    const plan: BatchPlan = { samples: 103, rows: 100, sampling: 'shuffle', stepsPerEpoch: 2 };
    const { losses, rowLosses } = await runAccounts(plan, [5, 6], 2);
    const mean = (replica: number, valid: number) => {
      let sum = 0;
      for (let row = 0; row < valid; row++) sum += rowLosses[2 * (replica * 100 + row)]!;
      return sum / valid;
    };
    // Summed in f32: a few units in the last place.
    for (const replica of [0, 1]) {
      expect(losses[replica]! / mean(replica, 100)).toBeCloseTo(1, 6);
      expect(losses[2 + replica]! / mean(replica, 3)).toBeCloseTo(1, 6);
    }
  });

  it('notes the count that the loss was made at, and whether the update was left out', async () => {
    const plan: BatchPlan = { samples: 4, rows: 4, sampling: 'full', stepsPerEpoch: 1 };
    const clocks = [
      { count: 8, fate: FATE.apply },
      { count: 8, fate: FATE.leave },
      { count: 8, fate: FATE.wait },
    ];
    const { notes } = await runAccounts(plan, [0, 0, 0], 1, clocks);
    expect([...notes.subarray(0, 3)]).toEqual([7, LEFT_OUT + 8, 8]);
  });

  it('draws with replacement evenly', () => {
    const plan: BatchPlan = { samples: 10, rows: 64, sampling: 'replacement', stepsPerEpoch: 1 };
    const counts = new Array<number>(10).fill(0);
    for (let step = 0; step < 200; step++) for (const index of batchOf(plan, 3, step).indices) counts[index]!++;
    // 12,800 draws, 1,280 expected each: χ² with 9 degrees of freedom stays under 27.9 with probability 0.999.
    const chi2 = counts.reduce((sum, count) => sum + (count - 1280) ** 2 / 1280, 0);
    expect(chi2).toBeLessThan(27.9);
  });
});
