import { type BufferRange, type BufferSet, range } from '../gpu/buffers.js';
import type { Space } from '../space/space.js';
import type { Group } from './group.js';
import type { Source } from './source.js';

/* Tensors cut into segments, of which a workgroup takes one: what goes over all that is trained, in memory of any layout. */

/** Longest segment, where nothing else is asked for. */
const LONGEST = 16_384;

/** What a span has of them. */
export interface SpanSegments {
  /** The span's place among all. */
  readonly span: number;
  readonly count: number;
  /** Per segment: first element in the span, elements, group, place among the segments of all spans. */
  readonly range: BufferRange;
  /** The same on the host. */
  readonly words: Uint32Array<ArrayBuffer>;
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
  groups: readonly Pick<Group, 'tensors' | 'frozen'>[],
  longest = LONGEST,
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
      for (let first = 0; first < elements; first += longest) {
        rows[span]!.push(at + first, Math.min(longest, elements - first), group, place++);
        numbers.push(number + first);
      }
      number += elements;
    }
    if (parts.length > 0) found.push([begin, place, group, parts.reduce((sum, { elements }) => sum + elements, 0)]);
  }
  return {
    spans: rows.flatMap((row, span) => {
      const words = Uint32Array.from(row);
      if (row.length === 0) return [];
      return [{ span, count: row.length / 4, range: range(buffers.upload(`trained-${span}`, words)), words }];
    }),
    tensors: found,
    numbers: Uint32Array.from(numbers),
    all: place,
  };
}

/** Those of the tensors that a source has: all of a span's, mostly. */
export function segmentsOf(
  { spans }: Segments,
  { span, parts }: Source,
  tables: BufferSet,
): Pick<SpanSegments, 'count' | 'range'> {
  const whole = spans.find((each) => each.span === span);
  if (!whole) return { count: 0, range: range(tables.upload(`trained-${span}`, new Uint32Array(4))) };
  const [begin, last] = [parts[0]!.at, parts.at(-1)!];
  const own = Array.from({ length: whole.count }, (_, i) => whole.words.subarray(4 * i, 4 * i + 4)).filter(
    ([first]) => first! >= begin && first! < last.at + last.elements,
  );
  if (own.length === whole.count) return whole;
  const words = new Uint32Array(own.flatMap((each) => [...each]));
  return { count: own.length, range: range(tables.upload(`trained-${span}`, words)) };
}
