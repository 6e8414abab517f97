/**
 * What a contender asks of its GPU: dispatches, submits, objects made, and the time the GPU is busy. All WebGPU calls go
 * through a few prototypes, so one set of hooks serves every library alike, without touching its code. They are there
 * for one extra sample only; headline times are taken without them.
 */
import type { ContenderResult } from './contract.js';

export type Counts = NonNullable<ContenderResult['counts']>;

export interface Instrumented {
  readonly counts: Counts;
  /** Undefined without the feature timestamp-query. */
  readonly gpuMs?: number;
}

/** Runs `work` on `device` and tells what it did there. */
export async function instrument(device: GPUDevice, work: () => Promise<void>): Promise<Instrumented> {
  const counts = { dispatches: 0, submits: 0, buffers: 0, bindGroups: 0 };
  const clock = device.features.has('timestamp-query') ? new GpuClock(device) : undefined;
  const restore = [
    hook(GPUComputePassEncoder.prototype, 'dispatchWorkgroups', () => void counts.dispatches++),
    hook(GPUComputePassEncoder.prototype, 'dispatchWorkgroupsIndirect', () => void counts.dispatches++),
    hook(GPUDevice.prototype, 'createBuffer', () => void counts.buffers++),
    hook(GPUDevice.prototype, 'createBindGroup', () => void counts.bindGroups++),
    hook(GPUQueue.prototype, 'submit', ([commands]) => {
      const list = [...(commands as Iterable<GPUCommandBuffer>)];
      if (list.length === 0) return undefined;
      counts.submits++;
      return clock && [clock.around(list)];
    }),
  ];
  try {
    await work();
  } finally {
    for (const undo of restore) undo();
  }
  const gpuMs = await clock?.read();
  return { counts, ...(gpuMs !== undefined && { gpuMs }) };
}

/** Puts `before` in front of a method; it may answer with other arguments. Returns the way back. */
function hook(prototype: object, name: string, before: (args: unknown[]) => unknown[] | undefined): () => void {
  const methods = prototype as Record<string, (...args: unknown[]) => unknown>;
  const original = methods[name]!;
  methods[name] = function (this: unknown, ...args: unknown[]) {
    return original.apply(this, before(args) ?? args);
  };
  return () => {
    methods[name] = original;
  };
}

/** Queries in one set, as many as WebGPU allows. */
const QUERIES = 4096;

/**
 * The time in which the GPU works on submits: an empty compute pass before and one after each submit's commands write
 * timestamps. Adds up the stretches that at least one submit covers; waiting between submits is not in it.
 */
class GpuClock {
  readonly #device: GPUDevice;
  readonly #sets: GPUQuerySet[] = [];
  #used = QUERIES;

  constructor(device: GPUDevice) {
    this.#device = device;
  }

  around(commands: readonly GPUCommandBuffer[]): GPUCommandBuffer[] {
    if (this.#used === QUERIES) {
      this.#sets.push(this.#device.createQuerySet({ type: 'timestamp', count: QUERIES }));
      this.#used = 0;
    }
    const querySet = this.#sets.at(-1)!;
    const first = this.#used;
    this.#used += 2;
    return [
      this.#stamp({ querySet, beginningOfPassWriteIndex: first }),
      ...commands,
      this.#stamp({ querySet, endOfPassWriteIndex: first + 1 }),
    ];
  }

  #stamp(timestampWrites: GPUComputePassTimestampWrites): GPUCommandBuffer {
    const encoder = this.#device.createCommandEncoder({ label: 'bench/clock' });
    encoder.beginComputePass({ label: 'bench/clock', timestampWrites }).end();
    return encoder.finish();
  }

  /** Milliseconds; undefined when there was no submit. */
  async read(): Promise<number | undefined> {
    if (this.#sets.length === 0) return undefined;
    const times: [number, number][] = [];
    let origin: bigint | undefined;
    for (const [i, set] of this.#sets.entries()) {
      const count = i === this.#sets.length - 1 ? this.#used : QUERIES;
      const stamps = await this.#resolve(set, count);
      origin ??= stamps[0]!; // a difference fits a double, a stamp may not
      for (let k = 0; k < count; k += 2) times.push([Number(stamps[k]! - origin), Number(stamps[k + 1]! - origin)]);
      set.destroy();
    }
    return covered(times) / 1e6;
  }

  async #resolve(set: GPUQuerySet, count: number): Promise<bigint[]> {
    const size = 8 * count;
    const { QUERY_RESOLVE, COPY_SRC, COPY_DST, MAP_READ } = GPUBufferUsage;
    const resolved = this.#device.createBuffer({ size, usage: QUERY_RESOLVE | COPY_SRC });
    const readable = this.#device.createBuffer({ size, usage: COPY_DST | MAP_READ });
    const encoder = this.#device.createCommandEncoder();
    encoder.resolveQuerySet(set, 0, count, resolved, 0);
    encoder.copyBufferToBuffer(resolved, 0, readable, 0, size);
    this.#device.queue.submit([encoder.finish()]);
    await readable.mapAsync(GPUMapMode.READ);
    const stamps = [...new BigUint64Array(readable.getMappedRange())];
    resolved.destroy();
    readable.destroy();
    return stamps;
  }
}

/** Total length of what the intervals cover. A pair that a driver gave in the wrong order covers nothing. */
export function covered(intervals: readonly (readonly [number, number])[]): number {
  const sorted = intervals.filter(([begin, end]) => end > begin).sort(([a], [b]) => a - b);
  let total = 0;
  let reached = Number.NEGATIVE_INFINITY;
  for (const [begin, end] of sorted) {
    if (end <= reached) continue;
    total += end - Math.max(begin, reached);
    reached = end;
  }
  return total;
}
