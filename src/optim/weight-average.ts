import { type BufferRange, type BufferSet, range } from '../gpu/buffers.js';
import { average as averageOp } from '../kernels/average.js';
import type { Op } from '../kernels/op.js';
import type { PlacedVector, Space, Vector } from '../space/space.js';
import { checkAlike, type Json, type NamedRange, type Stateful } from '../space/stateful.js';
import type { Average } from './averages/average.js';

export interface WeightAverageOptions {
  /** Of the plan: what stands before the '/' of every pass. */
  readonly label: string;
  readonly average: Average;
  /** Padded. */
  readonly space: Space;
  readonly param: Vector;
  /** The updater's, as `advance` leaves it. */
  readonly clock: BufferRange;
}

/**
 * An average of the weights beside them: one more vector, and one dispatch per span once the update is done. What it has
 * taken in is told by the clock: it counts nothing itself.
 */
export class WeightAverage implements Stateful {
  readonly key = 'average';
  readonly vector: Vector;
  readonly ops: readonly Op[];

  constructor(
    readonly buffers: BufferSet,
    readonly options: WeightAverageOptions,
  ) {
    const { label, average, space, param, clock } = options;
    const vector = space.vector(buffers, 'average');
    const { reach, ...weights } = average.row.weights(average.settings);
    const powers = reach && range(buffers.upload('average-reach', reach));
    this.vector = vector;
    this.ops = space.spans.map(({ elements }, i) =>
      averageOp(
        `${label}/average${space.spans.length === 1 ? '' : `-${i}`}`,
        { ...weights, elements },
        { clock, param: param.ranges[i]!, average: vector.ranges[i]!, reach: powers },
        space.replicas,
      ),
    );
  }

  /** Becomes the parameters as they are, in queue order: at the start, or where they were set from outside. */
  follow(): void {
    const { device, label } = this.buffers;
    const encoder = device.createCommandEncoder({ label: `downhill:${label}/average` });
    for (const [i, { buffer, offset, size }] of this.options.param.ranges.entries()) {
      const to = this.vector.ranges[i]!;
      encoder.copyBufferToBuffer(buffer, offset, to.buffer, to.offset, size);
    }
    device.queue.submit([encoder.finish()]);
  }

  vectors(): readonly PlacedVector[] {
    return [{ space: this.options.space, vector: this.vector }];
  }

  ranges(): readonly NamedRange[] {
    return [];
  }

  host(): Json {
    const { row, settings } = this.options.average;
    return { version: 1, name: row.name, ...settings };
  }

  /** @throws DownhillError CHECKPOINT-MISMATCH for an average of another kind. */
  check(host: Json): void {
    checkAlike('average', host, this.host(), 'Make the trainer with the same average.');
  }

  load(): void {}
}
