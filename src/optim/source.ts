import type { BufferRange } from '../gpu/buffers.js';
import type { Part, RowPlace, Space } from '../space/space.js';

/* Where a step reads its gradients, and what its passes are called. */

/** The label of a span's pass: numbered where there are several, and always where the caller's ranges are. */
export const spanName = (
  { label, space }: { readonly label: string; readonly space: Space },
  pass: string,
  { span, piece = 0 }: Pick<Source, 'span' | 'piece'>,
) => `${label}/${pass}${space.padded && space.spans.length === 1 ? '' : `-${span}`}${piece ? `-${piece}` : ''}`;

/** A range as a binding: from the boundary below, and how many elements in it begins. */
export function bind(device: GPUDevice, { buffer, offset, size }: BufferRange) {
  const alignment = Math.max(device.limits.minStorageBufferOffsetAlignment, 4);
  const begin = Math.floor(offset / alignment) * alignment;
  return { range: { buffer, offset: begin, size: offset - begin + size }, first: (offset - begin) / 4 };
}

/** Where a step reads the gradient of a span, or of some tensors of one that lie next to each other. */
export interface Source {
  readonly span: number;
  readonly parts: readonly Part[];
  /** Begins with the first of them. */
  readonly range: BufferRange;
  /** Which of a span's: none where it has only one. */
  readonly piece?: number;
  /** Of records: where each part's rows lie. */
  readonly places?: readonly RowPlace[];
}

/** A source as a kernel sees it. */
export interface BoundSource extends Source {
  /** Element of the binding that the span's first one is, or would be: it may be below 0. */
  readonly first: number;
  /** What an integer of a tensor's gradient is worth; undefined for f32. */
  unitOf(tensor: string): number | undefined;
  readonly zero: boolean;
}
