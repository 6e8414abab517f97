import { type BufferSet, checkBindable, range } from '../gpu/buffers.js';
import { type BatchPlan, batchOf } from './batching.js';
import type { Dataset } from './dataset.js';
import { isSource, rowsOf } from './source.js';
import { kindOf } from './targets.js';
import { type DeviceData, encodingOf, type Samples, writeSamples } from './upload.js';

/** Bytes on the GPU that the rows of batches may take, where one batch does not need more. */
const RING_BYTES = 2 ** 25;
/** Bytes of rows gathered at a time: they stay in a processor's cache. */
const GATHER_BYTES = 2 ** 20;

/** Whether a data set can be on the GPU as a whole. */
export function isUploadable(device: GPUDevice, data: Samples & Partial<Pick<Dataset, 'targets'>>): boolean {
  const limit = Math.min(device.limits.maxStorageBufferBindingSize, device.limits.maxBufferSize);
  const { row, target } = bytesOf(data);
  return !isSource(data) && data.samples * Math.max(row, target) <= limit;
}

/** Bytes of one sample on the GPU. */
function bytesOf(data: Samples & Partial<Pick<Dataset, 'targets'>>): { row: number; target: number } {
  const { targets } = data;
  return { row: encodingOf(data).bytesPerRow, target: targets ? 4 * kindOf(targets).perSample(targets) : 0 };
}

/**
 * Batches of a replica that a ring of the data holds.
 *
 * @param most steps of a submit: more are never needed at once
 * @throws DownhillError LIMIT-BINDING where the rows of one batch of all replicas cannot be one binding
 */
export function ringBatches(device: GPUDevice, data: Dataset, rows: number, replicas: number, most: number): number {
  const { row, target } = bytesOf(data);
  const bytes = rows * replicas * Math.max(row, target);
  checkBindable(device, `A batch of ${rows} samples`, bytes, 'Use a smaller batch.');
  const limit = Math.min(device.limits.maxStorageBufferBindingSize, device.limits.maxBufferSize, RING_BYTES);
  return Math.min(Math.max(Math.floor(limit / bytes), 1), most);
}

/** The rows of some steps, one data set for each replica. */
interface Block {
  readonly first: number;
  readonly end: number;
  readonly rows: readonly Dataset[];
}

/**
 * Rows of the batches to come, for data that is not on the GPU as a whole. The host picks what account.wgsl would have picked
 * (batchOf is its twin, bit for bit), and writes it into a ring of `batches` batches for each replica, in queue order: a write
 * comes after the submits before it, so the ring need hold no more than the steps of one submit.
 */
export class BatchRing {
  /** Of the rows of the ring, in the place of a data set. */
  readonly onGpu: DeviceData;
  readonly #buffers: BufferSet;
  readonly #data: Dataset;
  readonly #plan: BatchPlan;
  readonly #seeds: readonly number[];
  /** Of a source that reads later: in the order of their steps, the next one first. */
  readonly #ahead: { readonly first: number; readonly end: number; readonly block: Promise<Block> }[] = [];
  /** What a source gave last. */
  #block: Block | undefined;

  constructor(
    buffers: BufferSet,
    data: Dataset,
    plan: BatchPlan,
    seeds: readonly number[],
    readonly batches: number,
    /** Where the loss wants targets to lie. */
    readonly within?: readonly [number, number],
  ) {
    this.#buffers = buffers;
    this.#data = data;
    this.#plan = plan;
    this.#seeds = seeds;
    const samples = batches * plan.rows * seeds.length;
    const { row, target } = bytesOf(data);
    const x = buffers.storage('ring', samples * row);
    const targets = buffers.storage('ring-targets', samples * target);
    const { encoding, scale, shift } = encodingOf(data);
    this.onGpu = {
      samples,
      encoding,
      scale,
      shift,
      x: range(x),
      targets: range(targets),
      bytes: x.size + targets.size,
    };
  }

  /** Resolves when the rows of step `first` are there; undefined where they can be had at once. */
  ready(first: number): Promise<void> | undefined {
    if (!isSource(this.#data) || this.#covers(first)) return undefined;
    // Elsewhere than it was read for: a checkpoint was restored.
    if (this.#ahead[0]?.first !== first) this.#ahead.length = 0;
    if (this.#ahead.length === 0) {
      const block = this.#load(first, this.#blockSteps);
      if (!(block instanceof Promise)) {
        this.#block = block;
        return undefined;
      }
      this.#queue(first, block);
    }
    return this.#wait();
  }

  async #wait(): Promise<void> {
    this.#block = await this.#ahead[0]!.block;
    // The next is read while this one is on its way to the GPU.
    const { end } = this.#ahead.shift()!;
    if (this.#ahead.length === 0) this.#queue(end, this.#load(end, this.#blockSteps));
  }

  #queue(first: number, block: Promise<Block> | Block): void {
    const promise = Promise.resolve(block);
    promise.catch(() => {}); // whoever waits for it sees it; nobody may be left to
    this.#ahead.push({ first, end: first + this.#blockSteps, block: promise });
  }

  /** Of those `most` steps from `first` on that can be written now. */
  room(first: number, most: number): number {
    const there = !isSource(this.#data) ? most : this.#covers(first) ? this.#block!.end - first : 0;
    return Math.min(most, there, this.batches);
  }

  /** Writes the rows of so many steps, for the next submit. */
  write(first: number, steps: number): void {
    const end = first + steps;
    for (let step = first; step < end; ) {
      let block = this.#block;
      if (!block || !this.#covers(step)) block = this.#load(step, Math.min(this.#gatherSteps, end - step)) as Block;
      // In one piece up to the ring's end.
      const slot = step % this.batches;
      const until = Math.min(end, block.end, step + this.batches - slot);
      for (let replica = 0; replica < this.#seeds.length; replica++) this.#send(block, replica, step, until);
      step = until;
    }
  }

  #send(block: Block, replica: number, step: number, until: number): void {
    const { rows } = this.#plan;
    const { queue } = this.#buffers.device;
    const { x, targets } = this.onGpu;
    const all = block.rows[replica]!;
    const [from, to] = [(step - block.first) * rows, (until - block.first) * rows];
    const own = { ...all, samples: to - from, x: all.x.subarray(from * all.features, to * all.features) };
    const row = (replica * this.batches + (step % this.batches)) * rows;
    writeSamples(queue, x.buffer, row, own);
    const kind = kindOf(all.targets);
    const wanted = kind.upload(kind.slice(all.targets, from, to));
    queue.writeBuffer(targets.buffer, 4 * kind.perSample(all.targets) * row, wanted);
  }

  #covers(step: number): boolean {
    return this.#block !== undefined && this.#block.first <= step && step < this.#block.end;
  }

  #load(first: number, steps: number): Block | Promise<Block> {
    const { rows } = this.#plan;
    const parts = this.#seeds.map((seed) => {
      const indices = new Uint32Array(rows * steps);
      for (let i = 0; i < steps; i++) indices.set(batchOf(this.#plan, seed, first + i).indices, rows * i);
      return rowsOf(this.#data, indices, this.within);
    });
    const made = (there: readonly Dataset[]) => ({ first, end: first + steps, rows: there });
    return parts.some((part) => part instanceof Promise) ? Promise.all(parts).then(made) : made(parts as Dataset[]);
  }

  /** Steps that are gathered at a time from memory. */
  get #gatherSteps(): number {
    return Math.max(Math.floor(GATHER_BYTES / (this.#plan.rows * bytesOf(this.#data).row)), 1);
  }

  /** Steps that are read at a time from a source: half a ring, so that host memory holds no more than the GPU does. */
  get #blockSteps(): number {
    return Math.max(Math.ceil(this.batches / 2), 1);
  }
}
