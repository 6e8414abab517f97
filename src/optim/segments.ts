import { SEGMENT } from '../kernels/advance.js';
import type { Space } from '../space/space.js';
import type { Group } from './scalars.js';

/* A space's tensors in segments of their own: what sums over tensors are made of. */

/** The group of a tensor, by its place in the list. */
export function groupIndex(groups: readonly Group[]): (tensor: string) => number {
  const index = new Map(groups.flatMap(({ tensors }, group) => tensors.map((name) => [name, group] as const)));
  return (tensor) => index.get(tensor)!;
}

/** What kernels sum: per span the table of its segments, and where each group's begin in `partial`. */
export function planSegments({ spans }: Space, groups: readonly Group[]) {
  const groupOf = groupIndex(groups);
  const all = spans
    .flatMap(({ parts }) => parts)
    .map((part) => ({ ...part, group: groupOf(part.tensor) }))
    .filter(({ group }) => !groups[group]!.frozen)
    .flatMap(({ span, group, at, elements }) =>
      Array.from({ length: Math.ceil(elements / SEGMENT) }, (_, k) => ({
        span,
        group,
        first: at + k * SEGMENT,
        count: Math.min(SEGMENT, elements - k * SEGMENT),
      })),
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
    };
  });
  return { all: placed.length, begins, tables };
}
