import { type BufferRange, guarded, range } from '../gpu/buffers.js';
import { createPasses, type Pass } from '../gpu/passes.js';
import { lower } from '../kernels/lower.js';
import { type MixOp, type MixOperands, mix, mixForms } from '../kernels/mix.js';
import type { Form, Op } from '../kernels/op.js';
import type { PlacedVector, Vector } from '../space/space.js';
import { checkAlike, type Json, type NamedRange, type Stateful } from '../space/stateful.js';
import { bind } from './source.js';
import { type Segments, trainedSegments } from './trained.js';
import type { Updater } from './updater.js';

export { mixForms };

/*
 * Rules whose parameter is not what is to be evaluated (`evaluation` in their row): x = p + w·(slot - p). Loaded where there is
 * such a rule.
 */

/** w by group and replica, written anew when hyper-parameters change. */
function weightsOf(updater: Updater): BufferRange {
  const { buffers, scalars, options } = updater;
  const { weight } = options.row.evaluation!;
  const values = () => Float32Array.from(scalars.rules, ({ hyper }) => weight(hyper));
  const buffer = buffers.upload('evaluation', values());
  updater.changed.push(() => buffers.device.queue.writeBuffer(buffer, 0, values()));
  return range(buffer);
}

const slotOf = ({ slots, options }: Updater): Vector =>
  slots.find(({ name }) => name === options.row.evaluation!.slot)!;

/** An op per span, from a vector's range, or in it, to another. */
function mixes(
  updater: Updater,
  segments: Segments,
  pass: string,
  operands: {
    readonly target: Vector;
    readonly base?: Vector;
    readonly other?: Vector;
    readonly weights?: BufferRange;
    readonly when?: MixOperands['when'];
  },
): MixOp[] {
  const { buffers, clock, options } = updater;
  const { label, space } = options;
  const { target, base, other, weights, when } = operands;
  return segments.spans.map(({ span, count, range: own }) => {
    const at = ({ ranges }: Vector) => bind(buffers.device, ranges[span]!);
    return mix({
      label: `${label}/${pass}${space.spans.length === 1 ? '' : `-${span}`}`,
      ...{ clock, segments: own, count, stride: space.spans[span]!.elements, replicas: space.replicas },
      target: at(target),
      ...(base && { base: at(base) }),
      ...(other && weights && { other: { ...at(other), weights } }),
      ...(when && { when }),
    });
  });
}

/**
 * x beside the parameters, for a trainer: one more vector, and one dispatch per span once the update is done. It is kept
 * where an average of the weights would be, since it is one.
 */
export class EvaluatedWeights implements Stateful {
  readonly key = 'average';
  readonly vector: Vector;
  readonly ops: readonly Op[];

  constructor(readonly updater: Updater) {
    const { buffers, options } = updater;
    const { space, groups, param } = options;
    this.vector = space.vector(buffers, 'average');
    const from = { base: param, other: slotOf(updater), weights: weightsOf(updater) };
    const segments = trainedSegments(buffers, space, groups);
    this.ops = mixes(updater, segments, 'evaluation', { ...from, target: this.vector, when: 'applied' });
  }

  /** Becomes the parameters as they are, as the rule's own copy does, in queue order: at the start, or where they were set. */
  follow(): void {
    const { buffers, options } = this.updater;
    const encoder = buffers.device.createCommandEncoder({ label: `downhill:${buffers.label}/evaluation` });
    for (const [i, { buffer, offset, size }] of options.param.ranges.entries()) {
      for (const { ranges } of [this.vector, slotOf(this.updater)])
        encoder.copyBufferToBuffer(buffer, offset, ranges[i]!.buffer, ranges[i]!.offset, size);
    }
    buffers.device.queue.submit([encoder.finish()]);
  }

  vectors(): readonly PlacedVector[] {
    return [{ space: this.updater.options.space, vector: this.vector }];
  }

  ranges(): readonly NamedRange[] {
    return [];
  }

  host(): Json {
    return { version: 1, name: this.updater.options.row.name };
  }

  /** @throws DownhillError CHECKPOINT-MISMATCH for an average of another kind. */
  check(host: Json): void {
    checkAlike('average', host, this.host(), 'Make the trainer with the same rule and average.');
  }

  load(): void {}
}

/** x in the place of the caller's parameters, and y back again, bit for bit: y is kept meanwhile. */
export class EvaluationSwap {
  private constructor(
    readonly to: readonly Pass[],
    readonly back: readonly Pass[],
  ) {}

  /** @param own with copies of parameters into the updater’s memory and back, where it is not the caller’s; forms of its ops */
  static async create(
    { updater, fetch = [], back = [] }: { updater: Updater; fetch?: readonly Op[]; back?: readonly Op[] },
    forms: readonly Form[],
  ): Promise<EvaluationSwap> {
    const { buffers, options } = updater;
    const { space, groups, param } = options;
    const made = await guarded(buffers.device, buffers.label, () => {
      const kept = space.vector(buffers, 'kept');
      const segments = trainedSegments(buffers, space, groups);
      const from = { other: slotOf(updater), weights: weightsOf(updater) };
      return [
        [
          ...fetch,
          ...mixes(updater, segments, 'keep', { base: param, target: kept }),
          // Before the first update the rule's own copy is none yet.
          ...mixes(updater, segments, 'eval', { ...from, target: param, when: 'later' }),
          ...back,
        ],
        [...mixes(updater, segments, 'train', { base: kept, target: param }), ...back],
      ];
    });
    const [there, again] = await Promise.all(
      made.map((ops) =>
        createPasses(buffers.device, lower(ops, [...mixForms, ...forms], buffers.device).passes, buffers),
      ),
    );
    return new EvaluationSwap(there!, again!);
  }
}
