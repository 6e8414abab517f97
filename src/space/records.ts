import type { BufferRange } from '../gpu/buffers.js';
import { DownhillError, show } from '../gpu/errors.js';
import type { PlacedTensor, PlannedSpan } from './adopted.js';
import type { RowPlace } from './space.js';

/*
 * Tensors that are taken by rows: all of one kind whose parameters are in one buffer, and whose gradients are in one, make a
 * span, in which each is dense, one behind another. Where a limit asks, only fields of one record stay together, cut between rows.
 */

type RowTensor = PlacedTensor & { readonly rows: NonNullable<PlacedTensor['rows']> };

const placeOf = (
  { rows }: RowTensor,
  { buffer, offset, stride = 4 * rows.width }: PlacedTensor['param'],
): RowPlace => ({
  buffer,
  offset,
  stride,
});

/** The bytes from the first row to the last, of all fields. */
function hull(tensors: readonly RowTensor[], side: 'param' | 'grad', first: number, count: number): BufferRange {
  const places = tensors.map((tensor) => ({ ...placeOf(tensor, tensor[side]), width: tensor.rows.width }));
  const begin = Math.min(...places.map(({ offset, stride }) => offset + first * stride));
  const end = Math.max(...places.map(({ offset, stride, width }) => offset + (first + count - 1) * stride + 4 * width));
  return { buffer: places[0]!.buffer, offset: begin, size: end - begin };
}

/** Whether each binding, or the one that holds both, is within the limit. */
function fits(tensors: readonly RowTensor[], first: number, count: number, most: number): boolean {
  const [param, grad] = [hull(tensors, 'param', first, count), hull(tensors, 'grad', first, count)];
  const begin = Math.min(param.offset, grad.offset);
  const end = Math.max(param.offset + param.size, grad.offset + grad.size);
  // Boundaries may make them meet that are less than two of them apart.
  const meet = param.buffer === grad.buffer && end - begin < param.size + grad.size + 512;
  const state = count * tensors.reduce((sum, { rows }) => sum + rows.width, 0);
  return Math.max(param.size, grad.size, meet ? end - begin : 0, 4 * state) <= 4 * most;
}

/** Fields whose records are the same: at one stride, and within it. */
function recordsOf(tensors: readonly RowTensor[]): RowTensor[][] {
  const sets: RowTensor[][] = [];
  for (const tensor of tensors) {
    const own = sets.find(([first]) =>
      (['param', 'grad'] as const).every((side) => {
        const [a, b] = [placeOf(first!, first![side]), placeOf(tensor, tensor[side])];
        return a.stride === b.stride && Math.abs(a.offset - b.offset) < a.stride;
      }),
    );
    if (own) own.push(tensor);
    else sets.push([tensor]);
  }
  return sets;
}

/** @throws DownhillError LIMIT-BINDING where a single row does not fit a binding. */
export function recordSpans(given: readonly PlacedTensor[], most: number): PlannedSpan[] {
  const ids = new Map<GPUBuffer, number>();
  const id = (buffer: GPUBuffer) => ids.get(buffer) ?? ids.set(buffer, ids.size).size - 1;
  const kinds = new Map<string, RowTensor[]>();
  for (const tensor of given as readonly RowTensor[]) {
    const key = `${id(tensor.param.buffer)} ${id(tensor.grad.buffer)} ${tensor.rows.kind}`;
    kinds.set(key, [...(kinds.get(key) ?? []), tensor]);
  }
  return [...kinds.values()]
    .flatMap((tensors) => (fits(tensors, 0, tensors[0]!.rows.most, most) ? [tensors] : recordsOf(tensors)))
    .flatMap((tensors) => cutRows(tensors, most));
}

function cutRows(tensors: readonly RowTensor[], most: number): PlannedSpan[] {
  const total = tensors[0]!.rows.most;
  let length = total;
  while (length > 1 && !fits(tensors, 0, length, most)) length = Math.ceil(length / 2);
  if (!fits(tensors, 0, length, most)) {
    throw new DownhillError(
      'LIMIT-BINDING',
      `A row of ${tensors.map(({ name }) => show(name)).join(', ')} does not fit the ${4 * most} bytes of a binding.`,
      'Request the device with a higher maxStorageBufferBindingSize.',
    );
  }
  return Array.from({ length: Math.ceil(total / length) }, (_, i) => {
    const first = i * length;
    const rows = Math.min(length, total - first);
    let elements = 0;
    const parts = tensors.map(({ name, rows: { width } }) => {
      const at = elements;
      elements += rows * width;
      return { tensor: name, start: first * width, at, elements: rows * width };
    });
    const shifted = (place: RowPlace): RowPlace => ({ ...place, offset: place.offset + first * place.stride });
    const fields = tensors.map((tensor) => ({
      width: tensor.rows.width,
      param: shifted(placeOf(tensor, tensor.param)),
      grad: shifted(placeOf(tensor, tensor.grad)),
    }));
    const [param, grad] = [hull(tensors, 'param', first, rows), hull(tensors, 'grad', first, rows)];
    return { elements, parts, param, grad, records: { first, rows, fields } };
  });
}
