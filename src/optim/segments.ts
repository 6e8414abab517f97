import { SEGMENT } from '../kernels/advance.js';
import type { Space } from '../space/space.js';
import type { Group } from './group.js';

/* A space's tensors in segments of their own: what sums over tensors are made of. */

/** The group of a tensor, by its place in the list. */
export function groupIndex(groups: readonly Group[]): (tensor: string) => number {
  const index = new Map(groups.flatMap(({ tensors }, group) => tensors.map((name) => [name, group] as const)));
  return (tensor) => index.get(tensor)!;
}

/**
 * What kernels sum: per span the table of its segments, (first element, elements, place in `partial`, group) each, and where
 * each group's begin in `partial`. Of records a segment is of whole rows, counted in those; `parts` says which part's.
 */
export function planSegments({ spans }: Space, groups: readonly Group[]) {
  const groupOf = groupIndex(groups);
  const all = spans.flatMap(({ parts, records }, span) =>
    parts.flatMap(({ tensor, at, elements }, part) => {
      const group = groupOf(tensor);
      if (groups[group]!.frozen) return [];
      const width = records ? records.fields[part]!.width : 1;
      const [first, total, most] = [records ? 0 : at, elements / width, Math.max(Math.floor(SEGMENT / width), 1)];
      return Array.from({ length: Math.ceil(total / most) }, (_, k) => ({
        ...{ span, part, group, first: first + k * most, count: Math.min(most, total - k * most) },
      }));
    }),
  );
  // By group, and within one in the order of the spans: the order of every sum is fixed.
  const placed = [...all].sort((a, b) => a.group - b.group).map((segment, place) => ({ ...segment, place }));
  const begins = new Uint32Array(groups.length + 1);
  for (const { group } of placed) begins[group + 1]!++;
  for (let group = 0; group < groups.length; group++) begins[group + 1]! += begins[group]!;
  const tables = spans.map((_, i) => {
    const own = placed.filter(({ span }) => span === i);
    return {
      segments: own.length,
      table: new Uint32Array(own.flatMap(({ first, count, place, group }) => [first, count, place, group])),
      parts: own.map(({ part }) => part),
    };
  });
  return { all: placed.length, begins, tables };
}
