import { type BufferRange, type BufferSet, range } from '../gpu/buffers.js';
import { DownhillError } from '../gpu/errors.js';
import { account, STREAM_BYTES, streamWord } from '../kernels/account.js';
import type { Op } from '../kernels/op.js';
import { type Copies, checkAlike, type Json, type NamedRange, type Stateful } from '../space/stateful.js';
import { type BatchPlan, batchOf, placeOf } from './batching.js';

const WORDS = STREAM_BYTES / 4;

/**
 * The batches of N replicas, each with a seed of its own, picked on the GPU: the samples of the batch under way, and the
 * place it has in its epoch. Where the host sends the rows, they are the batch's slot in the ring instead.
 */
export class DataStream implements Stateful {
  readonly key = 'data';
  /** Per replica: step, valid rows, epoch, seed. */
  readonly stream: BufferRange;
  /** Sample of each row, [replicas, rows]. */
  readonly batch: BufferRange;
  readonly #seeds: number[];

  constructor(
    readonly buffers: BufferSet,
    readonly plan: BatchPlan,
    seeds: readonly number[],
    /** Batches of a replica in the ring that the host sends rows to; undefined where the samples are on the GPU. */
    readonly ring?: number,
  ) {
    this.#seeds = [...seeds];
    this.stream = range(buffers.storage('stream', STREAM_BYTES * seeds.length), 0, STREAM_BYTES * seeds.length);
    this.batch = range(buffers.storage('batch', 4 * plan.rows * seeds.length), 0, 4 * plan.rows * seeds.length);
    this.seek(0);
  }

  /** One per replica. */
  get seeds(): readonly number[] {
    return this.#seeds;
  }

  /** Goes on from a step whose batch the GPU did not pick: the first one, or that of a checkpoint. */
  seek(step: number): void {
    for (const replica of this.seeds.keys()) this.#pick(replica, step);
    const { buffer, offset } = this.stream;
    this.buffers.device.queue.writeBuffer(
      buffer,
      offset,
      this.#streams(() => step),
    );
  }

  /** The same of one replica, which may get another seed. */
  join(replica: number, step: number, seed: number): void {
    this.#seeds[replica] = seed;
    this.#pick(replica, step);
    const { buffer, offset } = this.stream;
    const words = this.#streams(() => step);
    this.buffers.device.queue.writeBuffer(buffer, offset + STREAM_BYTES * replica, words, WORDS * replica, WORDS);
  }

  /** Writes the batch of a step. */
  #pick(replica: number, step: number): void {
    const { indices, valid } = batchOf(this.plan, this.seeds[replica]!, step);
    if (this.ring !== undefined) this.#slots(indices, replica, step, valid);
    const at = this.batch.offset + 4 * this.plan.rows * replica;
    this.buffers.device.queue.writeBuffer(this.batch.buffer, at, indices);
  }

  /** What `stream` holds where each replica is at a step. */
  #streams(stepOf: (replica: number) => number): Uint32Array<ArrayBuffer> {
    const words = new Uint32Array(WORDS * this.seeds.length);
    for (const [replica, seed] of this.seeds.entries()) {
      const step = stepOf(replica);
      const { valid, epoch } = placeOf(this.plan, step);
      const values = { step, valid, epoch, seed };
      for (const [field, value] of Object.entries(values))
        words[replica * WORDS + streamWord(field as keyof typeof values)] = value;
    }
    return words;
  }

  /** The rows of a step's slot in the ring, in the place of its samples: as the GPU has them, by account.wgsl. */
  #slots(indices: Uint32Array, replica: number, step: number, valid: number): void {
    const first = (replica * this.ring! + (step % this.ring!)) * this.plan.rows;
    for (let row = 0; row < indices.length; row++) indices[row] = first + (row < valid ? row : 0);
  }

  /** The end of a step: its loss goes into the ring, the next batch is picked. */
  next(
    label: string,
    ranges: { readonly clock: BufferRange; readonly result: BufferRange; readonly losses: BufferRange },
    lossRing: number,
  ): Op {
    const { plan, stream, batch, ring } = this;
    return account({ label, ...plan, lossRing, ring, replicas: this.seeds.length, stream, batch, ...ranges });
  }

  ranges(): readonly NamedRange[] {
    // The batch follows from it: `load` writes it, so that a state goes on where the samples lie elsewhere, too.
    return [{ name: 'stream', ...this.stream }];
  }

  host(): Json {
    return { ...this.plan, seeds: [...this.seeds] };
  }

  stepIn(copies: Copies): number {
    return new Uint32Array(copies.get('stream')!)[streamWord('step')]!;
  }

  /** @throws DownhillError CHECKPOINT-MISMATCH for batches of another plan or other seeds, and for a place that is none. */
  check(host: Json, copies: Copies): void {
    checkAlike('batches', host, this.host(), 'Make the trainer with the same data, batch size, sampling and seed.');
    const stream = copies.get('stream')!;
    if (stream.byteLength !== this.stream.size) return; // whoever copies it back has that to say
    const words = new Uint32Array(stream);
    const wanted = this.#streams((replica) => words[replica * WORDS + streamWord('step')]!);
    if (words.every((word, i) => word === wanted[i])) return;
    throw new DownhillError(
      'CHECKPOINT-MISMATCH',
      `The state's place in the data is (${words.join(', ')}), which should be (${wanted.join(', ')}).`,
      'Use an earlier checkpoint.',
    );
  }

  load(host: Json, copies: Copies): void {
    this.check(host, copies);
    this.seek(this.stepIn(copies));
  }
}
