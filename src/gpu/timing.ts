import { BufferSet, mapToRead } from './buffers.js';
import { USAGE } from './constants.js';
import { DownhillError } from './errors.js';
import { noDevice } from './fields.js';

/*
 * The time of compute passes, from the GPU's own clock. WebGPU writes timestamps at the begin and the end of a pass and
 * nowhere else, so whoever wants the time of one dispatch gives it a pass of its own.
 */

/** Most queries of one set, by the specification. */
export const MAX_QUERIES = 4096;

/** Begin and end of a pass, in nanoseconds after the earliest begin; undefined where the GPU gave no usable pair. */
export type Interval = readonly [begin: number, end: number] | undefined;

/**
 * Refuses a device that cannot tell how long passes take.
 *
 * @throws DownhillError FEATURE-MISSING when the device was made without the feature 'timestamp-query', OPTION-TYPE for what is no device.
 */
export function checkTimestamps(device: GPUDevice): void {
  if (typeof (device as GPUDevice | null)?.features?.has !== 'function') throw noDevice('checkTimestamps', device);
  if (device.features.has('timestamp-query')) return;
  throw new DownhillError(
    'FEATURE-MISSING',
    "Profiling needs the device feature 'timestamp-query', which this device was made without.",
    "Make the device with requestDevice(), or with requiredFeatures: ['timestamp-query']; where the adapter lacks it, use another adapter or browser.",
  );
}

/**
 * Times the passes of one submit, and can be used again once its times are read: `writes` for each pass, `resolve` into
 * the same encoder, then the submit, then `read`.
 */
export class PassTimer {
  readonly #buffers: BufferSet;
  readonly #sets: GPUQuerySet[] = [];
  readonly #resolved: GPUBuffer;
  readonly #staging: GPUBuffer;
  #used = 0;

  /** @param passes most passes of a submit. Make it in an error scope. */
  constructor(
    device: GPUDevice,
    label: string,
    readonly passes: number,
  ) {
    this.#buffers = new BufferSet(device, label);
    try {
      for (let left = 2 * passes; left > 0; left -= MAX_QUERIES) {
        const count = Math.min(left, MAX_QUERIES);
        this.#sets.push(device.createQuerySet({ label: `downhill:${label}/timestamps`, type: 'timestamp', count }));
      }
      const make = (name: string, usage: GPUBufferUsageFlags) => this.#buffers.make(name, 16 * passes, usage);
      this.#resolved = make('timestamps', USAGE.QUERY_RESOLVE | USAGE.COPY_SRC);
      this.#staging = make('timestamps-staging', USAGE.COPY_DST | USAGE.MAP_READ);
    } catch (error) {
      this.destroy();
      throw error;
    }
  }

  /** What the descriptor of the next pass takes as `timestampWrites`. */
  writes(): GPUComputePassTimestampWrites {
    if (this.#used >= 2 * this.passes) throw new DownhillError('INTERNAL', 'A pass has no query left.', 'Report this.');
    const at = this.#used % MAX_QUERIES;
    const querySet = this.#sets[Math.floor(this.#used / MAX_QUERIES)]!;
    this.#used += 2;
    return { querySet, beginningOfPassWriteIndex: at, endOfPassWriteIndex: at + 1 };
  }

  /** Records the way of the timestamps into memory, behind the passes. */
  resolve(encoder: GPUCommandEncoder): void {
    for (const [i, set] of this.#sets.entries()) {
      const count = Math.min(this.#used - i * MAX_QUERIES, MAX_QUERIES);
      if (count > 0) encoder.resolveQuerySet(set, 0, count, this.#resolved, 8 * i * MAX_QUERIES);
    }
    encoder.copyBufferToBuffer(this.#resolved, 0, this.#staging, 0, 8 * this.#used);
  }

  /** Two timestamps for each pass of the submit, as the GPU wrote them. Rejects with DEVICE-LOST, GPU-READ. */
  async read(): Promise<BigUint64Array> {
    const bytes = 8 * this.#used;
    await mapToRead(this.#buffers.device, this.#staging, bytes);
    const stamps = new BigUint64Array(this.#staging.getMappedRange(0, bytes).slice(0));
    this.#staging.unmap();
    this.#used = 0;
    return stamps;
  }

  destroy(): void {
    for (const set of this.#sets) set.destroy();
    this.#buffers.destroy();
  }
}

/**
 * Intervals from pairs of timestamps. The specification lets a GPU answer 0, or let its clock jump back: such a pair
 * is undefined, not a negative time.
 */
export function intervalsOf(stamps: BigUint64Array): Interval[] {
  const pairs = Array.from({ length: stamps.length / 2 }, (_, i) => [stamps[2 * i]!, stamps[2 * i + 1]!] as const);
  const usable = ([begin, end]: readonly [bigint, bigint]) => begin !== 0n && end >= begin;
  // Subtracted before they become numbers: a clock may count from 1970, beyond what a number holds in nanoseconds.
  let origin: bigint | undefined;
  for (const pair of pairs) if (usable(pair) && (origin === undefined || pair[0] < origin)) origin = pair[0];
  return pairs.map((pair) => (usable(pair) ? [Number(pair[0] - origin!), Number(pair[1] - origin!)] : undefined));
}

/** Steps in which browsers' clocks advance, in nanoseconds, unless developer features are on: Dawn's 2^16, Chrome's documented 100 µs. */
const COARSE = [65_536n, 100_000n];

/** Whether all timestamps lie on the grid of a browser that hides its GPU's clock. */
export function looksQuantised(stamps: BigUint64Array): boolean {
  return stamps.some((stamp) => stamp !== 0n) && COARSE.some((step) => stamps.every((stamp) => stamp % step === 0n));
}
