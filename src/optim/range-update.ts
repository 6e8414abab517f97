import { type BufferRange, type BufferSet, range } from '../gpu/buffers.js';
import { foreignMap, type Stretch, updateForeign } from '../kernels/foreign.js';
import { adoptedSpace, longestSpan } from '../space/adopted.js';
import type { Part } from '../space/space.js';
import type { AdoptedTensor } from './adopt.js';
import { touches, unite } from './ranges.js';
import { groupIndex } from './segments.js';
import {
  bind,
  flagsOf,
  type Source,
  type SpanUpdate,
  spanName,
  stateOf,
  stepOps,
  Updater,
  type UpdaterOptions,
} from './updater.js';

/* The update of ranges that somebody else owns. */

/** An updater on the caller's ranges, the ops of a step, and those of one whose gradients lie elsewhere. */
export function rangeUpdater(
  buffers: BufferSet,
  tensors: readonly AdoptedTensor[],
  options: Omit<UpdaterOptions, 'space' | 'param' | 'grad' | 'apply'>,
) {
  const memory = adoptedSpace(tensors, longestSpan(buffers.device), options.micro === 1);
  const updater = new Updater(buffers, { ...options, ...memory, apply: rangeUpdate });
  const opsFor = (now: readonly AdoptedTensor[], tables: BufferSet) =>
    stepOps(updater, sourcesOf(updater, now), tables);
  return { updater, ops: updater.ops, opsFor };
}

/** Where each span's gradients lie: in as few pieces as possible. */
function sourcesOf({ options }: Updater, tensors: readonly AdoptedTensor[]): Source[] {
  const { space, micro } = options;
  const byName = new Map(tensors.map((tensor) => [tensor.name, tensor]));
  return space.spans.flatMap(({ parts }, span) => {
    const pieces: { parts: Part[]; buffer: GPUBuffer; shift: number }[] = [];
    for (const part of parts) {
      const { grad, frozen } = byName.get(part.tensor)!;
      // Nobody reads it; but a sum of micro-steps is made of all that lies in between.
      if (frozen && micro === 1) continue;
      const shift = grad.offset + 4 * (part.start - part.at);
      const last = pieces.at(-1);
      if (last?.buffer === grad.buffer && last.shift === shift) last.parts.push(part);
      else pieces.push({ parts: [part], buffer: grad.buffer, shift });
    }
    return pieces.map(({ parts: own, buffer, shift }, piece): Source => {
      const [begin, last] = [own[0]!.at, own.at(-1)!];
      const range = { buffer, offset: shift + 4 * begin, size: 4 * (last.at + last.elements - begin) };
      return { span, parts: own, range, piece };
    });
  });
}

/** Tensors of a span, and the gaps in front of them: what belongs to others, too, where they are not all. */
const stretchesOf = (parts: readonly Part[], groupOf: (tensor: string) => number): Stretch[] =>
  parts.flatMap(({ tensor, at, elements }, i) => {
    const before = parts[i - 1];
    const gap = at - (before ? before.at + before.elements : 0);
    return [...(gap > 0 ? [{ elements: gap }] : []), { elements, row: groupOf(tensor) }];
  });

/** Parameters and gradients one after another, each of them whole. */
const rangeUpdate: SpanUpdate = (updater, { hyper, tables }, source) => {
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
