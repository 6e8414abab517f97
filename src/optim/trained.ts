import { type BufferRange, type BufferSet, range } from '../gpu/buffers.js';
import type { Placed } from '../kernels/mix.js';
import type { Space } from '../space/space.js';
import type { Group } from './scalars.js';

/* Tensors cut into segments, of which a workgroup takes one: what goes over all that is trained, in memory of any layout. */

/** Longest segment. */
const LONGEST = 16_384;

/** What a span has of them. */
export interface SpanSegments {
  /** The span's place among all. */
  readonly span: number;
  readonly count: number;
  /** Per segment: first element in the span, elements, group, place among the segments of all spans. */
  readonly range: BufferRange;
}

/** Segments of all tensors that are trained, by span; a span without any is left out. */
export interface Segments {
  readonly spans: readonly SpanSegments[];
  /** Per tensor: first segment and the one behind its last, group, elements. */
  readonly tensors: readonly (readonly [number, number, number, number])[];
  /** By place: the number of its first element among those of all tensors. */
  readonly numbers: Uint32Array<ArrayBuffer>;
  readonly all: number;
}

/** Places are in the order of the tensors, so that those of one stand together whatever spans they lie in. */
export function trainedSegments(
  buffers: BufferSet,
  { spans, tensors, partsOf }: Space,
  groups: readonly Group[],
): Segments {
  const trained = groups.flatMap(({ tensors: own, frozen }, group) =>
    frozen ? [] : own.map((name) => ({ name, group })),
  );
  const groupOf = new Map(trained.map(({ name, group }) => [name, group]));
  const rows: number[][] = spans.map(() => []);
  const found: [number, number, number, number][] = [];
  const numbers: number[] = [];
  let [place, number] = [0, 0];
  for (const { name } of tensors) {
    const group = groupOf.get(name);
    if (group === undefined) continue;
    const [begin, parts] = [place, partsOf(name)];
    for (const { span, at, elements } of parts) {
      for (let first = 0; first < elements; first += LONGEST) {
        rows[span]!.push(at + first, Math.min(LONGEST, elements - first), group, place++);
        numbers.push(number + first);
      }
      number += elements;
    }
    if (parts.length > 0) found.push([begin, place, group, parts.reduce((sum, { elements }) => sum + elements, 0)]);
  }
  return {
    spans: rows.flatMap((words, span) =>
      words.length === 0
        ? []
        : [{ span, count: words.length / 4, range: range(buffers.upload(`trained-${span}`, Uint32Array.from(words))) }],
    ),
    tensors: found,
    numbers: Uint32Array.from(numbers),
    all: place,
  };
}

/** A range as a binding: from the boundary below, and the element in it where it begins. */
export function placed(device: GPUDevice, { buffer, offset, size }: BufferRange): Placed {
  const alignment = Math.max(device.limits.minStorageBufferOffsetAlignment, 4);
  const begin = Math.floor(offset / alignment) * alignment;
  return { range: { buffer, offset: begin, size: offset - begin + size }, first: (offset - begin) / 4 };
}
