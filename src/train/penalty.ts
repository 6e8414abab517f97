import { type BufferRange, type BufferSet, range } from '../gpu/buffers.js';
import { checkNumber, checkOptions } from '../gpu/fields.js';
import type { Op } from '../kernels/op.js';
import { PENALTY_SEGMENT, penalty, penaltyTotal } from '../kernels/penalty.js';
import type { Space, TensorShape, Vector } from '../space/space.js';
import { matching } from './groups.js';
import type { PenaltyOptions } from './types.js';

/** A penalty of some tensors. */
export interface Penalty {
  readonly l1: number;
  readonly l2: number;
  /** Their names. */
  readonly tensors: ReadonlySet<string>;
}

/**
 * @returns undefined where there is nothing to add
 * @throws DownhillError OPTION-*; OPTION-RANGE for a pattern that fits no tensor
 */
export function checkPenalty(
  options: PenaltyOptions | undefined,
  tensors: readonly TensorShape[],
): Penalty | undefined {
  if (options === undefined) return undefined;
  checkOptions('penalty', options, ['l1', 'l2', 'tensors']);
  const strength = (name: 'l1' | 'l2') =>
    checkNumber(`penalty.${name}`, options[name] ?? 0, { min: 0 }, { single: true });
  const [l1, l2] = [strength('l1'), strength('l2')];
  const matrices = tensors.filter(({ shape }) => shape.length > 1).map(({ name }) => name);
  const names = tensors.map(({ name }) => name);
  const own = options.tensors === undefined ? new Set(matrices) : matching('penalty', options.tensors, names);
  return l1 === 0 && l2 === 0 ? undefined : { l1, l2, tensors: own };
}

/** What a penalty's ops work on. */
interface PenaltyBinding {
  readonly label: string;
  readonly buffers: BufferSet;
  readonly space: Space;
  readonly params: Vector;
  readonly grads: Vector;
  readonly rows: number;
  readonly stream: BufferRange;
  readonly result: BufferRange;
}

/** Per span the segments of the penalised tensors: first element, elements, place among all, 0. */
function segmentsOf({ spans }: Space, { tensors }: Penalty) {
  let place = 0;
  const tables = spans.map(({ parts }) =>
    parts
      .filter(({ tensor }) => tensors.has(tensor))
      .flatMap(({ at, elements }) =>
        Array.from({ length: Math.ceil(elements / PENALTY_SEGMENT) }, (_, k) => {
          const count = Math.min(PENALTY_SEGMENT, elements - k * PENALTY_SEGMENT);
          return [at + k * PENALTY_SEGMENT, count, place++, 0];
        }),
      ),
  );
  return { tables, all: place };
}

/** Behind the backward pass: a dispatch per span for the gradients, and a small one for the loss. */
export function penaltyOps(own: Penalty, binding: PenaltyBinding): Op[] {
  const { label, rows, stream, result } = binding;
  const { ops, partial, all } = gradientOps(own, binding);
  const total = { partial, stream, result };
  return [...ops, penaltyTotal(`${label}/penalty-total`, { rows, all }, total, binding.space.replicas)];
}

/** The gradient added to that of the parameters, a dispatch per span. */
function gradientOps(own: Penalty, binding: Omit<PenaltyBinding, 'rows' | 'stream' | 'result'>) {
  const { label, buffers, space, params, grads } = binding;
  const { replicas, spans } = space;
  const { l1, l2 } = own;
  const { tables, all } = segmentsOf(space, own);
  const partial = range(buffers.storage('penalties', 4 * all * replicas));
  const ops: Op[] = tables.flatMap((table, i) => {
    if (table.length === 0) return [];
    const segments = range(buffers.upload(`penalised-${i}`, Uint32Array.from(table.flat())));
    const shape = { segments: table.length, all, stride: spans[i]!.elements, l1, l2 };
    const ranges = { param: params.ranges[i]!, grad: grads.ranges[i]!, segments, partial };
    return [penalty(`${label}/penalty${spans.length > 1 ? `-${i}` : ''}`, shape, ranges, replicas)];
  });
  return { ops, partial, all };
}

/** Behind a product of the Hessian with v: the penalty's own, 2·l2·v, is its gradient at v. */
export function penaltyProduct(
  own: Penalty,
  binding: {
    readonly label: string;
    readonly buffers: BufferSet;
    readonly space: Space;
    readonly v: Vector;
    readonly product: Vector;
  },
): Op[] {
  const { v, product, ...rest } = binding;
  if (own.l2 === 0) return [];
  return gradientOps({ ...own, l1: 0 }, { ...rest, params: v, grads: product }).ops;
}
