import { roundUp } from '../gpu/buffers.js';
import { DownhillError, show } from '../gpu/errors.js';
import { ARENA_BLOCK } from '../kernels/update.js';
import { elementsOf, makeSpace, type Part, type Space, type Span, type TensorShape } from './space.js';

const pad = (elements: number) => roundUp(elements, ARENA_BLOCK);

/**
 * Tensors in memory of our own: in order, each padded to a multiple of 64 elements, all in one arena, so that one dispatch
 * updates them all. Only where a limit asks does an arena end and another begin: before a tensor, or within a matrix that
 * does not fit one at a multiple of 64 of its rows, which keeps every part aligned. Nothing is ever copied together.
 *
 * @param maxBytes largest storage binding; all replicas of an arena must fit in it
 * @param separate an arena for every tensor: for libraries that bind whole buffers
 * @throws DownhillError LIMIT-BINDING where not even 64 rows of a tensor fit
 */
export function arenaSpace(
  tensors: readonly TensorShape[],
  {
    replicas = 1,
    maxBytes,
    separate = false,
  }: { readonly replicas?: number; readonly maxBytes: number; readonly separate?: boolean },
): Space {
  const capacity = Math.floor(maxBytes / 4 / replicas / ARENA_BLOCK) * ARENA_BLOCK;
  const spans: { elements: number; lead: number; parts: Part[] }[] = [];
  const begin = () => spans.push({ elements: 0, lead: 0, parts: [] });
  begin();
  const place = (tensor: string, start: number, elements: number) => {
    const span = spans.at(-1)!;
    span.parts.push({ tensor, span: spans.length - 1, at: span.elements, start, elements });
    span.elements += pad(elements);
  };
  for (const tensor of tensors) {
    const elements = elementsOf(tensor);
    if ((separate || spans.at(-1)!.elements + pad(elements) > capacity) && spans.at(-1)!.elements > 0) begin();
    // All of it, or as many rows at a time as an arena holds.
    const rows = elements <= capacity ? elements : rowsThatFit(tensor, capacity, replicas);
    for (let start = 0; start < elements; start += rows) {
      if (start > 0) begin();
      place(tensor.name, start, Math.min(rows, elements - start));
    }
  }
  return makeSpace({ replicas, padded: true, tensors, spans: spans as readonly Span[] });
}

/** The largest arena of a device, in bytes. */
export const largestArena = ({ limits }: GPUDevice): number =>
  Math.min(limits.maxStorageBufferBindingSize, limits.maxBufferSize);

/** Elements of the largest multiple of 64 rows of a matrix in one arena. */
function rowsThatFit(tensor: TensorShape, capacity: number, replicas: number): number {
  const { name, shape } = tensor;
  const width = shape.length === 2 ? shape[1]! : elementsOf(tensor);
  const rows = shape.length === 2 ? Math.min(shape[0]!, ARENA_BLOCK) : 1;
  if (pad(rows * width) > capacity) {
    throw new DownhillError(
      'LIMIT-BINDING',
      `${rows} rows of ${show(name)}, ${width} wide, take ${4 * pad(rows * width) * replicas} bytes, but an arena holds at most ${4 * capacity * replicas} here.`,
      'Make the layer narrower, or use an adapter with a larger maxStorageBufferBindingSize.',
    );
  }
  return Math.floor(capacity / width / ARENA_BLOCK) * ARENA_BLOCK * width;
}

/** The `group_of` table of a padded span: the group of every block of 64 elements. */
export function groupTable({ elements, parts }: Span, groupOf: (tensor: string) => number): Uint32Array<ArrayBuffer> {
  const table = new Uint32Array(elements / ARENA_BLOCK);
  for (const { tensor, at, elements: own } of parts)
    table.fill(groupOf(tensor), at / ARENA_BLOCK, pad(at + own) / ARENA_BLOCK);
  return table;
}
