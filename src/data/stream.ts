import { type BufferRange, type BufferSet, range } from '../gpu/buffers.js';
import { DownhillError } from '../gpu/errors.js';
import { account, STREAM_BYTES, streamWord } from '../kernels/account.js';
import type { Op } from '../kernels/op.js';
import type { Json, NamedRange, Stateful } from '../space/stateful.js';
import { type BatchPlan, batchOf } from './batching.js';

/**
 * The batches of N replicas, each with a seed of its own, picked on the GPU: the samples of the batch under way, and the
 * place it has in its epoch.
 */
export class DataStream implements Stateful {
  readonly key = 'data';
  /** Per replica: step, valid rows, epoch, seed. */
  readonly stream: BufferRange;
  /** Sample of each row, [replicas, rows]. */
  readonly batch: BufferRange;

  constructor(
    readonly buffers: BufferSet,
    readonly plan: BatchPlan,
    readonly seeds: readonly number[],
  ) {
    this.stream = range(buffers.storage('stream', STREAM_BYTES * seeds.length), 0, STREAM_BYTES * seeds.length);
    this.batch = range(buffers.storage('batch', 4 * plan.rows * seeds.length), 0, 4 * plan.rows * seeds.length);
    this.#write(0);
  }

  /** The batch of a step that the GPU did not pick: the first one, or where somebody went on from. */
  #write(step: number): void {
    const { queue } = this.buffers.device;
    const words = STREAM_BYTES / 4;
    const streams = new Uint32Array(words * this.seeds.length);
    for (const [replica, seed] of this.seeds.entries()) {
      const { indices, valid, epoch } = batchOf(this.plan, seed, step);
      queue.writeBuffer(this.batch.buffer, this.batch.offset + 4 * this.plan.rows * replica, indices);
      const values = { step, valid, epoch, seed };
      for (const [field, value] of Object.entries(values))
        streams[replica * words + streamWord(field as keyof typeof values)] = value;
    }
    queue.writeBuffer(this.stream.buffer, this.stream.offset, streams);
  }

  /** The end of a step: its loss goes into the ring, the next batch is picked. */
  next(
    label: string,
    ranges: { readonly clock: BufferRange; readonly result: BufferRange; readonly losses: BufferRange },
    lossRing: number,
  ): Op {
    const { plan, stream, batch } = this;
    return account({ label, ...plan, lossRing, replicas: this.seeds.length, stream, batch, ...ranges });
  }

  ranges(): readonly NamedRange[] {
    return [
      { name: 'stream', ...this.stream },
      { name: 'batch', ...this.batch },
    ];
  }

  host(): Json {
    return { ...this.plan, seeds: this.seeds };
  }

  /** @throws DownhillError CHECKPOINT-MISMATCH for batches of another plan or other seeds. */
  check(host: Json): void {
    if (JSON.stringify(host) === JSON.stringify(this.host())) return;
    throw new DownhillError(
      'CHECKPOINT-MISMATCH',
      `The state is of batches ${JSON.stringify(host)}, these are ${JSON.stringify(this.host())}.`,
      'Load it with the same data, batch size, sampling and seeds.',
    );
  }

  load(host: Json): void {
    this.check(host);
  }
}
