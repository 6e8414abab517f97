import { packRow, ROW_BLOCK, ROW_RING, ROW_WORDS } from '../kernels/update.js';
import { type Rule, RuleRows } from '../optim/rule.js';
import { type DynamicSchedule, isDynamic } from '../optim/schedules/core.js';

export const ringBytes = (replicas: number) => 4 * ROW_WORDS * ROW_RING * replicas;

/**
 * Keeps the ring of rows of per-step scalars ahead of the steps that read it, a block at a time. A row is overwritten only
 * when no step can need it any more: the count of the GPU lies between one that was read back and the steps submitted
 * since. Rows of updates that may still come can be written again, as they are after a plateau has changed its value.
 */
export class RowRing {
  readonly #rows: readonly RuleRows[];
  readonly #changing: readonly DynamicSchedule[];
  /** One block, packed here and uploaded at once. */
  readonly #block: { readonly u32: Uint32Array<ArrayBuffer>; readonly f32: Float32Array<ArrayBuffer> };
  readonly #lrs: Float64Array;
  /** Updates whose rows are in the ring. */
  #written = 0;
  #version = 0;

  constructor(
    readonly queue: GPUQueue,
    readonly ring: GPUBuffer,
    rules: readonly Rule[],
    readonly clipValue?: number,
  ) {
    this.#rows = rules.map((rule) => new RuleRows(rule));
    this.#changing = rules.flatMap(({ hyper }) => Object.values(hyper).flat().filter(isDynamic));
    const bytes = new ArrayBuffer(4 * ROW_WORDS * ROW_BLOCK * rules.length);
    this.#block = { u32: new Uint32Array(bytes), f32: new Float32Array(bytes) };
    this.#lrs = new Float64Array(ROW_RING * rules.length);
  }

  /**
   * Makes sure that the next `steps` steps find their rows, as the schedules are now.
   *
   * @param low the count is at least this: read back from the GPU
   * @param high and at most this, when they begin: lower where updates were left out
   * @param steps at most a block
   * @returns how many of them do, in any case: fewer, or none, where a schedule has no value for an update they may reach
   * @throws DownhillError HYPER-* where it is certain that the next update is such a one.
   */
  write(low: number, high: number, steps: number): number {
    const version = this.#changing.reduce((sum, schedule) => sum + schedule.version, 0);
    // Updates from `high` on were not submitted; those before may be under way with the values they have.
    if (version !== this.#version) this.#written = Math.min(this.#written, high);
    this.#version = version;
    while (this.#written < high + steps) {
      const failure = this.#writeBlock();
      if (failure && this.#written === low && low === high) throw failure.error;
      if (failure) break;
    }
    return Math.max(Math.min(steps, this.#written - high), 0);
  }

  /** The learning rate of an update whose row is in the ring. */
  lr(count: number, replica: number): number {
    return this.#lrs[(count % ROW_RING) * this.#rows.length + replica]!;
  }

  /** Writes on to the end of a block, or to the update before one that fails: most likely nobody gets that far. */
  #writeBlock(): { readonly error: unknown } | undefined {
    const width = this.#rows.length;
    const first = this.#written;
    const rows = ROW_BLOCK - (first % ROW_BLOCK);
    let done = 0;
    let failure: { readonly error: unknown } | undefined;
    try {
      for (; done < rows; done++) {
        for (const [i, each] of this.#rows.entries()) {
          const own = each.at(first + done);
          const row = this.clipValue === undefined ? own : { ...own, clip_value: this.clipValue };
          packRow(each.rule.row.shader, this.#block, done * width + i, row);
          this.#lrs[((first + done) % ROW_RING) * width + i] = each.lr;
        }
      }
    } catch (error) {
      failure = { error };
    }
    const words = ROW_WORDS * width;
    if (done > 0) this.queue.writeBuffer(this.ring, 4 * words * (first % ROW_RING), this.#block.u32, 0, words * done);
    this.#written = first + done;
    return failure;
  }
}
