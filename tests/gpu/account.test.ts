import { describe, expect, it } from 'vitest';
import { type BatchPlan, batchOf, stepsPerEpoch } from '../../src/data/batching.js';
import { range, readRanges } from '../../src/gpu/buffers.js';
import { advance, CLOCK_BYTES, clockWord, HYPER_BYTES, ROW_RING, ROW_WORDS } from '../../src/kernels/update.js';
import { buffersFor, dispatch, randomFloats, testDevice } from '../support/gpu.js';

const words = CLOCK_BYTES / 4;

async function runAdvance(
  plan: BatchPlan,
  seeds: readonly number[],
  steps: number,
  ring: Uint32Array<ArrayBuffer>,
  startStep = 0,
) {
  const gpu = await testDevice();
  const buffers = buffersFor(gpu, 'advance');
  const replicas = seeds.length;
  const clocks = new Uint32Array(words * replicas);
  for (const [replica, seed] of seeds.entries()) {
    clocks[replica * words + clockWord('step')] = startStep;
    clocks[replica * words + clockWord('valid')] = batchOf(plan, seed, startStep).valid;
    clocks[replica * words + clockWord('seed')] = seed;
  }
  const clock = buffers.upload('clock', clocks);
  const batch = buffers.storage('batch', 4 * plan.rows * replicas);
  const losses = buffers.storage('losses', 8 * 16 * replicas);
  const hyper = buffers.make('hyper', HYPER_BYTES, GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC);
  const rowLosses = randomFloats(2 * plan.rows * replicas, 31).map(Math.abs);
  const spec = advance({
    label: 'test/advance',
    groups: 1,
    replicas,
    clock: range(clock),
    ring: range(buffers.upload('ring', ring)),
    hyper: range(hyper),
    network: {
      ...plan,
      lossRing: 16,
      batch: range(batch),
      result: range(buffers.upload('result', rowLosses)),
      losses: range(losses),
    },
  });
  const batches: Uint32Array[] = [];
  for (let step = 0; step < steps; step++) {
    await dispatch(gpu, [spec]);
    batches.push(new Uint32Array((await readRanges(gpu, 'test', [range(batch)]))[0]!));
  }
  const [c, h, l] = await readRanges(gpu, 'test', [range(clock), range(hyper), range(losses)]);
  buffers.destroy();
  return {
    batches,
    clock: new Uint32Array(c!),
    hyper: new Uint32Array(h!),
    losses: new Float32Array(l!).filter((_, i) => i % 2 === 0),
    rowLosses,
  };
}

/** Rows whose number is right and whose other words say where they came from. */
function numberedRing(replicas: number, first = 0): Uint32Array<ArrayBuffer> {
  const ring = new Uint32Array(ROW_RING * replicas * ROW_WORDS);
  for (let count = first; count < first + ROW_RING; count++) {
    for (let replica = 0; replica < replicas; replica++) {
      const at = ((count % ROW_RING) * replicas + replica) * ROW_WORDS;
      ring[at] = count;
      for (let word = 3; word < ROW_WORDS; word++) ring[at + word] = 1000 * count + 100 * replica + word;
    }
  }
  return ring;
}

const PLANS: readonly Omit<BatchPlan, 'stepsPerEpoch'>[] = [
  { samples: 103, rows: 10, sampling: 'shuffle' },
  { samples: 64, rows: 64, sampling: 'shuffle' },
  { samples: 1, rows: 1, sampling: 'shuffle' },
  { samples: 1000, rows: 7, sampling: 'replacement' },
  { samples: 70, rows: 70, sampling: 'full' },
];

describe('advance', () => {
  it.each(PLANS)('picks the batches its host twin picks: $samples samples, $rows rows, $sampling', async (partial) => {
    const plan = { ...partial, stepsPerEpoch: stepsPerEpoch(partial.samples, partial.rows, false) };
    const seeds = [0, 4_000_000_000];
    const { batches, clock } = await runAdvance(plan, seeds, 24, numberedRing(2));
    for (const [step, picked] of batches.entries()) {
      for (const [replica, seed] of seeds.entries()) {
        const expected = batchOf(plan, seed, step + 1);
        expect([...picked.subarray(replica * plan.rows, (replica + 1) * plan.rows)]).toEqual([...expected.indices]);
      }
    }
    const { valid } = batchOf(plan, seeds[1]!, 24);
    expect(clock[words + clockWord('valid')]).toBe(valid);
    expect(clock[words + clockWord('step')]).toBe(24);
    expect(clock[words + clockWord('count')]).toBe(24);
    expect(clock[words + clockWord('epoch')]).toBe(Math.floor(24 / plan.stepsPerEpoch));
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

  it('copies the row of its count, replica by replica', async () => {
    const plan: BatchPlan = { samples: 50, rows: 5, sampling: 'shuffle', stepsPerEpoch: 10 };
    const { hyper, clock } = await runAdvance(plan, [1, 2, 3], 4, numberedRing(3));
    for (let replica = 0; replica < 3; replica++) {
      const row = hyper.subarray(replica * ROW_WORDS, (replica + 1) * ROW_WORDS);
      expect([...row.subarray(0, 4)]).toEqual([3, 0, 0, 3000 + 100 * replica + 3]);
    }
    expect(clock[clockWord('fault')]).toBe(0);
  });

  it('refuses a row of another count: flags it, skips the update, does not count it', async () => {
    const plan: BatchPlan = { samples: 50, rows: 5, sampling: 'shuffle', stepsPerEpoch: 10 };
    const { hyper, clock } = await runAdvance(plan, [1], 2, numberedRing(1, ROW_RING));
    expect(clock[clockWord('fault')]).toBe(1);
    expect(clock[clockWord('count')]).toBe(0);
    expect(clock[clockWord('step')]).toBe(2);
    expect(hyper[1]).toBe(1);
  });

  it('takes the mean loss of the valid rows into the slot of the step', async () => {
    const plan: BatchPlan = { samples: 103, rows: 100, sampling: 'shuffle', stepsPerEpoch: 2 };
    const { losses, rowLosses } = await runAdvance(plan, [5, 6], 2, numberedRing(2));
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

  it('draws with replacement evenly', () => {
    const plan: BatchPlan = { samples: 10, rows: 64, sampling: 'replacement', stepsPerEpoch: 1 };
    const counts = new Array<number>(10).fill(0);
    for (let step = 0; step < 200; step++) for (const index of batchOf(plan, 3, step).indices) counts[index]!++;
    // 12,800 draws, 1,280 expected each: χ² with 9 degrees of freedom stays under 27.9 with probability 0.999.
    const chi2 = counts.reduce((sum, count) => sum + (count - 1280) ** 2 / 1280, 0);
    expect(chi2).toBeLessThan(27.9);
  });
});
