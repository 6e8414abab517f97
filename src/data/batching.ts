import type { Sampling } from '../kernels/account.js';
import { pcgHash } from '../kernels/random.js';

/*
 * Which samples make a batch: the host's twin of shaders/data/account.wgsl, bit for bit. The trainer uses it for the
 * very first batch (the GPU picks every later one), tests for all of them.
 */

const SHUFFLE = 0x5348;
const DRAW = 0x4452;

/** A keyed permutation of 0 … samples-1: 8 Feistel rounds over an even number of bits, walked until inside. */
export function permute(index: number, key: number, samples: number): number {
  const bits = 32 - Math.clz32(Math.max(samples - 1, 1));
  const half = Math.max(Math.ceil(bits / 2), 1);
  const mask = 2 ** half - 1;
  let value = index;
  do {
    let left = value >>> half;
    let right = value & mask;
    for (let round = 0; round < 8; round++) {
      const mixed = (left ^ pcgHash(key, round, right)) & mask;
      left = right;
      right = mixed;
    }
    value = ((left << half) | right) >>> 0;
  } while (value >= samples);
  return value;
}

/** What batches are made of. */
export interface BatchPlan {
  readonly samples: number;
  readonly rows: number;
  readonly stepsPerEpoch: number;
  readonly sampling: Sampling;
}

/** Steps of an epoch: a short last batch counts unless it is dropped. */
export function stepsPerEpoch(samples: number, rows: number, dropLast: boolean): number {
  return Math.max(dropLast ? Math.floor(samples / rows) : Math.ceil(samples / rows), 1);
}

/** Where a step is: its epoch, and how many rows of its batch count. */
export function placeOf(
  { samples, rows, sampling, stepsPerEpoch: perEpoch }: BatchPlan,
  step: number,
): { readonly start: number; readonly valid: number; readonly epoch: number } {
  const start = (step % perEpoch) * rows;
  return {
    start,
    valid: sampling === 'replacement' ? rows : Math.min(rows, samples - start),
    epoch: Math.floor(step / perEpoch),
  };
}

/** The batch of a step: the sample of every row, and how many rows count. Rows past a short batch repeat its first. */
export function batchOf(
  plan: BatchPlan,
  seed: number,
  step: number,
): { indices: Uint32Array<ArrayBuffer>; valid: number; epoch: number } {
  const { samples, rows, sampling } = plan;
  const { start, valid, epoch } = placeOf(plan, step);
  const indices = new Uint32Array(rows);
  const epochKey = pcgHash(seed, SHUFFLE, epoch);
  const drawKey = pcgHash(seed, DRAW, step);
  for (let row = 0; row < rows; row++) {
    const within = row < valid ? row : 0;
    if (sampling === 'shuffle') indices[row] = permute(start + within, epochKey, samples);
    else if (sampling === 'replacement') indices[row] = pcgHash(drawKey, within, 0) % samples;
    else indices[row] = start + within;
  }
  return { indices, valid, epoch };
}
