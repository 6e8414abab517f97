import { type BufferRange, readRanges, roundUp } from '../gpu/buffers.js';
import type { Piece } from '../kernels/dense.js';
import { ARENA_BLOCK } from '../kernels/update.js';
import { elementsOf, type Part, type Space, type Vector } from './space.js';

/* Numbers in and out of vectors, tensor by tensor: the one place that knows how a tensor was cut. */

/** Where a part of a vector lies, in bytes. */
export const partRange = (space: Space, vector: Vector, { span, at, elements }: Part, replica = 0): BufferRange => {
  const { buffer, offset } = vector.ranges[span]!;
  return { buffer, offset: offset + 4 * (replica * space.spans[span]!.elements + at), size: 4 * elements };
};

/**
 * One replica's tensors of each vector, by name, after everything submitted so far: all of one moment. Tensors that the
 * space leaves out are missing.
 *
 * @param names which tensors; default all
 */
export async function readTensors(
  device: GPUDevice,
  label: string,
  space: Space,
  vectors: readonly Vector[],
  replica = 0,
  names: readonly string[] = space.tensors.map(({ name }) => name),
): Promise<Map<string, Float32Array<ArrayBuffer>>[]> {
  const parts = names.flatMap((name) => space.partsOf(name));
  const shapes = new Map(space.tensors.map((tensor) => [tensor.name, tensor]));
  const ranges = vectors.flatMap((vector) => parts.map((part) => partRange(space, vector, part, replica)));
  const copies = await readRanges(device, label, ranges);
  return vectors.map((_, i) => {
    const tensors = new Map<string, Float32Array<ArrayBuffer>>();
    for (const [k, { tensor, start }] of parts.entries()) {
      if (!tensors.has(tensor)) tensors.set(tensor, new Float32Array(elementsOf(shapes.get(tensor)!)));
      tensors.get(tensor)!.set(new Float32Array(copies[i * parts.length + k]!), start);
    }
    return tensors;
  });
}

/** Writes one replica's tensor, or its elements from `from` to before `to`, in queue order. */
export function writeTensor(
  device: GPUDevice,
  space: Space,
  vector: Vector,
  tensor: string,
  values: Float32Array,
  replica = 0,
  { from, to } = { from: 0, to: values.length },
): void {
  for (const part of space.partsOf(tensor)) {
    const [first, end] = [Math.max(from, part.start), Math.min(to, part.start + part.elements)];
    if (first >= end) continue;
    const { buffer, offset } = partRange(space, vector, part, replica);
    // A copy: the values may lie in shared memory, which WebGPU does not take.
    device.queue.writeBuffer(buffer, offset + 4 * (first - part.start), new Float32Array(values.subarray(first, end)));
  }
}

/** Fills one replica's tensor; its padding too, where it has some: a rule may divide by it. */
export function fillTensor(
  device: GPUDevice,
  space: Space,
  vector: Vector,
  tensor: string,
  value: number,
  replica = 0,
): void {
  for (const part of space.partsOf(tensor)) {
    const { buffer, offset } = partRange(space, vector, part, replica);
    const elements = space.padded ? roundUp(part.elements, ARENA_BLOCK) : part.elements;
    device.queue.writeBuffer(buffer, offset, new Float32Array(elements).fill(value));
  }
}

/** Where a vector's tensors lie, as the products take them. */
export const pieces =
  (space: Space, { ranges }: Vector, replicas = space.replicas) =>
  (tensor: string): Piece[] =>
    space.partsOf(tensor).map(({ span, at, start, elements }) => {
      const stride = space.spans[span]!.elements;
      const { buffer, offset } = ranges[span]!;
      const size = 4 * ((replicas - 1) * stride + elements);
      return { range: { buffer, offset: offset + 4 * at, size }, stride, start, elements };
    });
