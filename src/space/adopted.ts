import { ALIGNMENT, type BufferRange } from '../gpu/buffers.js';
import { ARENA_BLOCK } from '../kernels/update.js';
import {
  elementsOf,
  makeSpace,
  type Part,
  type Records,
  type Space,
  type Span,
  type TensorShape,
  type Vector,
} from './space.js';

/*
 * Ranges that somebody else owns as a space: tensors that lie behind one another in the same order and at the same distances,
 * parameters and gradients alike, make one span. A span is cut where a limit asks, at a multiple of 64 elements.
 */

/**
 * The longest gap within a span, in bytes: what pages and bindings are aligned to, and more. State lies as the span does, so
 * it takes that much memory per gap; and a dispatch saved is 15-25 µs on lavapipe.
 */
const MAX_GAP = 4096;

interface Place {
  readonly buffer: GPUBuffer;
  /** In bytes, multiples of 4. */
  readonly offset: number;
  /** From one row to the next, where they do not lie close together. */
  readonly stride?: number | undefined;
}

/** A tensor where its owner has it. */
export interface PlacedTensor extends TensorShape {
  readonly param: Place;
  readonly grad: Place;
  /** A span of nothing but such is left out: it has no state and no dispatch. */
  readonly frozen: boolean;
  /** What an integer of its gradient is worth; none for f32. */
  readonly unit?: number | undefined;
  /** It is taken by rows: tensors of one `kind` have as many, and the same of them take part in a step. */
  readonly rows?: { readonly most: number; readonly width: number; readonly kind: string } | undefined;
}

/** Tensors that follow one another, or fields of records, before they have their number. */
export interface PlannedSpan {
  readonly elements: number;
  readonly lead?: number;
  readonly parts: readonly Omit<Part, 'span'>[];
  readonly param: BufferRange;
  readonly grad: BufferRange;
  readonly records?: Records;
}

/**
 * @param most elements of one span, a multiple of 64: {@link longestSpan}
 * @param gaps whether what lies between tensors may be part of a span: only where nothing but the update's own kernels, which
 * know where, goes over all of it
 * @param planRecords what becomes of those that are taken by rows; may be left out where there are none
 */
export function adoptedSpace(
  tensors: readonly PlacedTensor[],
  most: number,
  gaps: boolean,
  planRecords?: (tensors: readonly PlacedTensor[], most: number) => PlannedSpan[],
): { space: Space; param: Vector; grad: Vector } {
  const buffers = new Map<GPUBuffer, number>();
  for (const { param } of tensors) if (!buffers.has(param.buffer)) buffers.set(param.buffer, buffers.size);
  const ordered = tensors
    .filter((tensor) => elementsOf(tensor) > 0 && !tensor.rows)
    .sort((a, b) => buffers.get(a.param.buffer)! - buffers.get(b.param.buffer)! || a.param.offset - b.param.offset);

  const chains: PlacedTensor[][] = [];
  for (const tensor of ordered) {
    const chain = chains.at(-1);
    if (chain && continues(chain, tensor, gaps)) chain.push(tensor);
    else chains.push([tensor]);
  }
  const frozen = new Set(tensors.filter((tensor) => tensor.frozen).map(({ name }) => name));
  const records = tensors.filter((tensor) => elementsOf(tensor) > 0 && tensor.rows);
  const stretches = [...chains.flatMap((chain) => cut(chain, most)), ...(planRecords?.(records, most) ?? [])].filter(
    ({ parts }) => parts.some(({ tensor }) => !frozen.has(tensor)),
  );
  const spans = stretches.map(
    ({ elements, lead = 0, parts, records }, span): Span => ({
      ...{ elements, lead, parts: parts.map((part) => ({ ...part, span })) },
      ...(records && { records }),
    }),
  );
  const vector = (name: 'param' | 'grad') => ({ name, ranges: stretches.map((stretch) => stretch[name]) });
  return {
    space: makeSpace({ replicas: 1, padded: false, tensors, spans }),
    param: vector('param'),
    grad: vector('grad'),
  };
}

/** Whether a tensor may be the next of a span: no further behind the last in its gradient than in its parameter. */
function continues(chain: readonly PlacedTensor[], { param, grad, ...next }: PlacedTensor, gaps: boolean): boolean {
  const [first, last] = [chain[0]!, chain.at(-1)!];
  if (next.unit !== last.unit) return false;
  if (param.buffer !== last.param.buffer || grad.buffer !== last.grad.buffer) return false;
  const distance = param.offset - last.param.offset;
  if (grad.offset - last.grad.offset !== distance) return false;
  const gap = distance - 4 * elementsOf(last);
  if (gap === 0) return true;
  // In one buffer, a gap must not make a span of the parameters reach into that of the gradients.
  const bytes = param.offset - first.param.offset + 4 * elementsOf(next);
  const apart = param.buffer !== grad.buffer || Math.abs(grad.offset - param.offset) >= bytes + ALIGNMENT;
  return gaps && gap <= MAX_GAP && apart;
}

function cut(chain: readonly PlacedTensor[], most: number): PlannedSpan[] {
  const first = chain[0]!;
  const places = chain.map((tensor) => {
    const at = (tensor.param.offset - first.param.offset) / 4;
    return { name: tensor.name, at, end: at + elementsOf(tensor) };
  });
  const total = places.at(-1)!.end;
  const length = spanLength(first, total, most);
  return Array.from({ length: Math.ceil(total / length) }, (_, i) => {
    const begin = i * length;
    const elements = Math.min(length, total - begin);
    const parts = places.flatMap(({ name, at, end }): Omit<Part, 'span'>[] => {
      const [from, to] = [Math.max(at, begin), Math.min(end, begin + elements)];
      return from < to ? [{ tensor: name, start: from - at, at: from - begin, elements: to - from }] : [];
    });
    const shift = ({ buffer, offset }: Place): BufferRange => ({
      buffer,
      offset: offset + 4 * begin,
      size: 4 * elements,
    });
    const [param, grad] = [shift(first.param), shift(first.grad)];
    const lead = param.offset % 16 === grad.offset % 16 ? (param.offset % 16) / 4 : 0;
    return { param, grad, elements, lead, parts };
  });
}

/** Half as long where parameter and gradient lie so close in one buffer that one binding may have to hold both. */
function spanLength({ param, grad }: PlacedTensor, total: number, most: number): number {
  const apart = param.buffer === grad.buffer ? Math.abs(param.offset - grad.offset) : Number.POSITIVE_INFINITY;
  const bytes = 4 * Math.min(most, total);
  if (apart >= bytes + ALIGNMENT || apart + bytes <= 4 * most) return most;
  return Math.max(Math.floor(most / 2 / ARENA_BLOCK) - 1, 1) * ARENA_BLOCK;
}

/** The longest span whose ranges can be bound: padded to the boundary below, in whole blocks. */
export function longestSpan(device: GPUDevice): number {
  const limit = Math.min(device.limits.maxStorageBufferBindingSize, device.limits.maxBufferSize);
  const room = limit - device.limits.minStorageBufferOffsetAlignment;
  return Math.floor(room / 4 / ARENA_BLOCK) * ARENA_BLOCK;
}
