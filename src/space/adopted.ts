import { ALIGNMENT, type BufferRange } from '../gpu/buffers.js';
import { ARENA_BLOCK } from '../kernels/update.js';
import { elementsOf, makeSpace, type Part, type Space, type Span, type TensorShape, type Vector } from './space.js';

/*
 * Ranges that somebody else owns as a space: tensors that lie next to each other, parameters and gradients alike, make one
 * span. A span is cut where a limit asks, at a multiple of 64 elements.
 */

interface Place {
  readonly buffer: GPUBuffer;
  /** In bytes, a multiple of 4. */
  readonly offset: number;
}

/** A tensor where its owner has it. */
export interface PlacedTensor extends TensorShape {
  readonly param: Place;
  readonly grad: Place;
  /** A span of nothing but such is left out: it has no state and no dispatch. */
  readonly frozen: boolean;
}

/** @param most elements of one span, a multiple of 64: {@link longestSpan} */
export function adoptedSpace(
  tensors: readonly PlacedTensor[],
  most: number,
): { space: Space; param: Vector; grad: Vector } {
  const buffers = new Map<GPUBuffer, number>();
  for (const { param } of tensors) if (!buffers.has(param.buffer)) buffers.set(param.buffer, buffers.size);
  const ordered = tensors
    .filter((tensor) => elementsOf(tensor) > 0)
    .sort((a, b) => buffers.get(a.param.buffer)! - buffers.get(b.param.buffer)! || a.param.offset - b.param.offset);

  const chains: PlacedTensor[][] = [];
  for (const tensor of ordered) {
    const before = chains.at(-1)?.at(-1);
    const follows = before && follow(before, before.param, tensor.param) && follow(before, before.grad, tensor.grad);
    if (follows) chains.at(-1)!.push(tensor);
    else chains.push([tensor]);
  }
  const frozen = new Set(tensors.filter((tensor) => tensor.frozen).map(({ name }) => name));
  const stretches = chains
    .flatMap((chain) => cut(chain, most))
    .filter(({ parts }) => parts.some(({ tensor }) => !frozen.has(tensor)));
  const spans = stretches.map(
    ({ elements, parts, param, grad }, span): Span => ({
      elements,
      lead: param.offset % 16 === grad.offset % 16 ? (param.offset % 16) / 4 : 0,
      parts: parts.map((part) => ({ ...part, span })),
    }),
  );
  const vector = (name: 'param' | 'grad') => ({ name, ranges: stretches.map((stretch) => stretch[name]) });
  return {
    space: makeSpace({ replicas: 1, padded: false, tensors, spans }),
    param: vector('param'),
    grad: vector('grad'),
  };
}

const follow = (before: TensorShape, a: Place, b: Place): boolean =>
  a.buffer === b.buffer && a.offset + 4 * elementsOf(before) === b.offset;

function cut(chain: readonly PlacedTensor[], most: number) {
  const total = chain.reduce((sum, tensor) => sum + elementsOf(tensor), 0);
  const first = chain[0]!;
  const length = spanLength(first, total, most);
  return Array.from({ length: Math.ceil(total / length) }, (_, i) => {
    const begin = i * length;
    const elements = Math.min(length, total - begin);
    const parts: Omit<Part, 'span'>[] = [];
    let at = 0;
    for (const tensor of chain) {
      const own = elementsOf(tensor);
      const [from, to] = [Math.max(at, begin), Math.min(at + own, begin + elements)];
      if (from < to) parts.push({ tensor: tensor.name, start: from - at, at: from - begin, elements: to - from });
      at += own;
    }
    const shift = ({ buffer, offset }: Place): BufferRange => ({
      buffer,
      offset: offset + 4 * begin,
      size: 4 * elements,
    });
    return { param: shift(first.param), grad: shift(first.grad), elements, parts };
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
