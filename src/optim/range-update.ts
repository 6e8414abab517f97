import { type BufferRange, type BufferSet, range } from '../gpu/buffers.js';
import { type ForeignForms, foreignMap, type Stretch, updateForeign } from '../kernels/foreign.js';
import { adoptedSpace, longestSpan } from '../space/adopted.js';
import type { Part, RowPlace } from '../space/space.js';
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

/**
 * An updater on the caller's ranges, the ops of a step, and those of one whose gradients lie elsewhere.
 *
 * @param forms of the rule's kernel
 */
export function rangeUpdater(
  buffers: BufferSet,
  tensors: readonly AdoptedTensor[],
  options: Omit<UpdaterOptions, 'space' | 'param' | 'grad' | 'apply' | 'units'>,
  forms: ForeignForms,
  planRecords?: Parameters<typeof adoptedSpace>[3],
) {
  const memory = adoptedSpace(tensors, longestSpan(buffers.device), options.micro === 1, planRecords);
  const units = new Map(tensors.map(({ name, unit }) => [name, unit]));
  const updater = new Updater(buffers, { ...options, ...memory, units, apply: rangeUpdate(forms) });
  const opsFor = (now: readonly AdoptedTensor[], tables: BufferSet) =>
    stepOps(updater, sourcesOf(updater, now), tables);
  const gradients = (now: readonly AdoptedTensor[]) => ({ fetch: [], sources: sourcesOf(updater, now) });
  return { updater, ops: updater.ops, opsFor, gradients };
}

/** Where each span's gradients lie: in as few pieces as possible. */
function sourcesOf({ options }: Updater, tensors: readonly AdoptedTensor[]): Source[] {
  const { space, micro } = options;
  const byName = new Map(tensors.map((tensor) => [tensor.name, tensor]));
  return space.spans.flatMap(({ parts, records }, span) => {
    // Nobody reads what is frozen; but a sum of micro-steps is made of all that lies in between.
    const read = parts.filter(({ tensor }) => micro > 1 || !byName.get(tensor)!.frozen);
    const pieces = records ? fieldPieces(read, byName, records.first) : rangePieces(read, byName);
    return pieces.map((piece, i): Source => ({ ...piece, span, piece: i }));
  });
}

type Piece = Pick<Source, 'parts' | 'range' | 'places'>;

/** Tensors one behind another whose gradients are, too. */
function rangePieces(parts: readonly Part[], tensors: ReadonlyMap<string, AdoptedTensor>): Piece[] {
  const pieces: { parts: Part[]; buffer: GPUBuffer; shift: number }[] = [];
  for (const part of parts) {
    const { grad } = tensors.get(part.tensor)!;
    const shift = grad.offset + 4 * (part.start - part.at);
    const last = pieces.at(-1);
    if (last?.buffer === grad.buffer && last.shift === shift) last.parts.push(part);
    else pieces.push({ parts: [part], buffer: grad.buffer, shift });
  }
  return pieces.map(({ parts: own, buffer, shift }) => {
    const [begin, last] = [own[0]!.at, own.at(-1)!];
    return { parts: own, range: { buffer, offset: shift + 4 * begin, size: 4 * (last.at + last.elements - begin) } };
  });
}

/** Fields whose gradients are in one buffer. */
function fieldPieces(parts: readonly Part[], tensors: ReadonlyMap<string, AdoptedTensor>, first: number): Piece[] {
  const pieces = new Map<GPUBuffer, { parts: Part[]; places: RowPlace[]; end: number }>();
  for (const part of parts) {
    const { grad, rows } = tensors.get(part.tensor)!;
    const { width } = rows!;
    const stride = grad.stride ?? 4 * width;
    const piece = pieces.get(grad.buffer) ?? { parts: [], places: [], end: 0 };
    const offset = grad.offset + first * stride;
    piece.parts.push(part);
    piece.places.push({ buffer: grad.buffer, offset, stride });
    piece.end = Math.max(piece.end, offset + (part.elements / width - 1) * stride + 4 * width);
    pieces.set(grad.buffer, piece);
  }
  return [...pieces].map(([buffer, { parts: own, places, end }]) => {
    const offset = Math.min(...places.map((place) => place.offset));
    return { parts: own, places, range: { buffer, offset, size: end - offset } };
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
const rangeUpdate =
  (forms: ForeignForms): SpanUpdate =>
  (updater, { hyper, tables }, source) => {
    const { options, buffers } = updater;
    const { space, groups } = options;
    const { device } = buffers;
    const { parts, span: i, range: grad, zero } = source;
    const unit = source.unitOf(parts[0]!.tensor);
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
      forms,
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
