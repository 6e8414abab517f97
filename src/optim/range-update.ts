import { type BufferRange, range } from '../gpu/buffers.js';
import { foreignMap, type Stretch, updateForeign } from '../kernels/foreign.js';
import type { Part } from '../space/space.js';
import { groupIndex } from './segments.js';
import { bind, flagsOf, type SpanUpdate, spanName, stateOf } from './updater.js';

/* The update of ranges that somebody else owns. */

const touches = (a: BufferRange, b: BufferRange) => a.offset < b.offset + b.size && b.offset < a.offset + a.size;

function unite(a: BufferRange, b: BufferRange): BufferRange {
  const offset = Math.min(a.offset, b.offset);
  return range(a.buffer, offset, Math.max(a.offset + a.size, b.offset + b.size) - offset);
}

/** Tensors of a span, and the gaps in front of them: what belongs to others, too, where they are not all. */
const stretchesOf = (parts: readonly Part[], groupOf: (tensor: string) => number): Stretch[] =>
  parts.flatMap(({ tensor, at, elements }, i) => {
    const before = parts[i - 1];
    const gap = at - (before ? before.at + before.elements : 0);
    return [...(gap > 0 ? [{ elements: gap }] : []), { elements, row: groupOf(tensor) }];
  });

/** Parameters and gradients one after another, each of them whole. */
export const rangeUpdate: SpanUpdate = (updater, { hyper, tables }, source) => {
  const { options, buffers } = updater;
  const { row, space, groups } = options;
  const { device } = buffers;
  const { parts, span: i, range: grad, unit, zero } = source;
  const span = space.spans[i]!;
  const param = bind(device, options.param.ranges[i]!);
  // Two writable bindings may share a buffer, but not a byte: ranges that meet below the boundary go into one binding.
  const shared = grad.buffer === param.range.buffer && touches(grad, param.range);
  const union = shared ? unite(param.range, grad) : param.range;
  const shift = (bound: { readonly range: BufferRange; readonly first: number }) =>
    bound.first + (bound.range.offset - union.offset) / 4;
  const map = foreignMap(stretchesOf(parts, groupIndex(groups)), {
    param: shift(param),
    grad: shared ? shift(source) : source.first,
    unit: unit ?? 1,
    shared,
    lead: span.lead,
  });
  const state = Object.entries(stateOf(updater, i)).map(([slot, own]) => [slot, bind(device, own).range] as const);
  return updateForeign({
    label: spanName(options, 'update', source),
    shader: row.shader,
    map,
    table: range(tables.upload(`map-${i}`, map.words)),
    flags: flagsOf(updater),
    fixed: unit !== undefined,
    zero,
    hyper,
    param: union,
    grad: shared ? undefined : grad,
    state: Object.fromEntries(state),
  });
};
