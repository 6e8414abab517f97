import { type BufferRange, type BufferSet, roundUp } from '../gpu/buffers.js';
import type { Form, Op } from '../kernels/op.js';
import { stageForms as copyForms, type StageOptions, type StagePiece, stage } from '../kernels/stage.js';
import { longestSpan } from '../space/adopted.js';
import { arenaSpace, largestArena } from '../space/arena.js';
import type { PlacedVector, Space, Vector } from '../space/space.js';
import { type AdoptedTensor, bytesOf } from './adopt.js';
import { passesOf, passForms } from './passes.js';
import { arenaUpdate, bind, Updater, type UpdaterOptions, wholeSpans } from './updater.js';

/*
 * Rules of several passes on memory that somebody else owns: it is copied into arenas of ours and back each step, so that such
 * a rule sees the same padded memory whoever owns its tensors, and whatever lies between their rows. What goes round a rule
 * goes the same way where there are fields of records, and every rule where parameters or gradients are halves.
 *
 * Of parameters that are halves the arena is the master: it stays from step to step, and is part of the state. A half that is
 * no longer the master's nearest was written by the caller, or never read before: it becomes the master.
 */

/** The forms of these copies, and of a rule's passes. */
export const stageForms: readonly Form[] = [...copyForms, ...passForms];

type Options = Omit<UpdaterOptions, 'space' | 'param' | 'grad' | 'apply' | 'master'>;

/** An updater on arenas, the ops of a step with the copies around its own, and those of one whose gradients lie elsewhere. */
export function stagedUpdater(buffers: BufferSet, tensors: readonly AdoptedTensor[], options: Options) {
  const { device } = buffers;
  const { label, zero } = options;
  const isTrained = ({ frozen, elements }: AdoptedTensor) => !frozen && elements > 0;
  const trained = tensors.filter(isTrained);
  const space = arenaSpace(trained, { maxBytes: largestArena(device) });
  const [param, grad] = [space.vector(buffers, 'parameters'), space.vector(buffers, 'gradients')];
  // What arrives in an arena is f32, and nobody's to clear.
  const own = { space, param, grad, unit: undefined, zero: false, apply: arenaUpdate, passesOf };
  const updater = new Updater(buffers, { ...options, ...own, ...masterOf(space, param, trained) });
  const params = windowsOf(device, trained, 'param');
  const copies = { device, label, space };
  const fetch = copyOps('fetch', params, param, copies, { keep: true });
  const back = copyOps('return', params, param, copies, { out: true });
  const gradients = (now: readonly AdoptedTensor[]) => {
    const theirs = windowsOf(device, now.filter(isTrained), 'grad');
    return { fetch: copyOps('fetch-gradients', theirs, grad, copies, { zero }), sources: wholeSpans(space, grad) };
  };
  const opsFor = (now: readonly AdoptedTensor[]): readonly Op[] => [
    ...fetch,
    ...gradients(now).fetch,
    ...updater.ops,
    ...back,
  ];
  return { updater, ops: opsFor(tensors), opsFor, gradients, fetch, back };
}

/** The parameters as float32, of those tensors whose owner has them as halves. */
function masterOf(space: Space, param: Vector, trained: readonly AdoptedTensor[]): { master?: PlacedVector } {
  const halves = new Set(trained.filter((tensor) => tensor.param.dtype === 'f16').map(({ name }) => name));
  if (halves.size === 0) return {};
  const own: Space = {
    ...space,
    tensors: space.tensors.filter(({ name }) => halves.has(name)),
    partsOf: (tensor) => (halves.has(tensor) ? space.partsOf(tensor) : []),
  };
  return { master: { space: own, vector: { ...param, name: 'master' } } };
}

/** Part of a tensor in a window: whole rows, or a part of one. */
interface Piece {
  readonly tensor: string;
  /** First element of the tensor, and where it lies in bytes of the buffer. */
  readonly start: number;
  readonly elements: number;
  readonly offset: number;
  /** Elements of a row, and from one row to the next; a piece that lies close together is one row. */
  readonly width: number;
  readonly stride: number;
  /** Of an element. */
  readonly bytes: 2 | 4;
  readonly unit: number | undefined;
}

/** Tensors of one buffer that one binding holds, all of floats or all of halves. */
interface Window {
  readonly range: BufferRange;
  readonly pieces: readonly Piece[];
  readonly halves: boolean;
}

type Side = 'param' | 'grad';

/** A tensor in pieces that a binding of so many bytes holds each. */
function cutTensor({ name, elements, rows, unit, ...places }: AdoptedTensor, side: Side, room: number): Piece[] {
  const { offset, stride: apart } = places[side];
  const bytes = bytesOf(places[side]);
  const most = room / bytes;
  const shared = { tensor: name, bytes, unit: side === 'grad' ? unit : undefined };
  const width = rows && apart !== undefined ? rows.width : elements;
  const stride = apart === undefined ? width : apart / bytes;
  const count = elements / width;
  const together = width > most ? 0 : Math.floor((most - width) / stride) + 1;
  if (together > 0) {
    return Array.from({ length: Math.ceil(count / together) }, (_, i) => {
      const first = i * together;
      const own = { start: first * width, elements: Math.min(together, count - first) * width };
      return { ...shared, ...own, offset: offset + bytes * first * stride, width, stride };
    });
  }
  // Not even one row: in parts.
  return Array.from({ length: count }, (_, row) =>
    Array.from({ length: Math.ceil(width / most) }, (__, k) => {
      const own = Math.min(most, width - k * most);
      const at = { start: row * width + k * most, offset: offset + bytes * (row * stride + k * most) };
      return { ...shared, ...at, elements: own, width: own, stride: own };
    }),
  ).flat();
}

const endOf = ({ offset, elements, width, stride, bytes }: Piece) =>
  offset + bytes * ((elements / width - 1) * stride + width);

/** Parameters or gradients in as few bindings as the device's limit allows, whatever lies between them. */
function windowsOf(device: GPUDevice, tensors: readonly AdoptedTensor[], side: Side): Window[] {
  return [4, 2].flatMap((bytes) => {
    const perBuffer = new Map<GPUBuffer, AdoptedTensor[]>();
    for (const tensor of tensors.filter((each) => bytesOf(each[side]) === bytes)) {
      const { buffer } = tensor[side];
      perBuffer.set(buffer, [...(perBuffer.get(buffer) ?? []), tensor]);
    }
    return [...perBuffer].flatMap(([buffer, own]) => windowsIn(buffer, own, side, 4 * longestSpan(device)));
  });
}

/** @param room bytes of a binding */
function windowsIn(buffer: GPUBuffer, tensors: readonly AdoptedTensor[], side: Side, room: number): Window[] {
  const windows: { pieces: Piece[]; begin: number; end: number }[] = [];
  const all = tensors.flatMap((tensor) => cutTensor(tensor, side, room)).sort((a, b) => a.offset - b.offset);
  for (const piece of all) {
    const last = windows.at(-1);
    const end = Math.max(endOf(piece), last?.end ?? 0);
    if (last && end - last.begin <= room) {
      last.pieces.push(piece);
      last.end = end;
    } else windows.push({ pieces: [piece], begin: piece.offset, end: endOf(piece) });
  }
  return windows.map(({ pieces, begin, end }) => {
    // Whole words are bound.
    const offset = begin - (begin % 4);
    return { pieces, halves: pieces[0]!.bytes === 2, range: { buffer, offset, size: roundUp(end, 4) - offset } };
  });
}

function copyOps(
  pass: string,
  windows: readonly Window[],
  ours: Vector,
  { device, label, space }: { readonly device: GPUDevice; readonly label: string; readonly space: Space },
  { keep = false, ...options }: StageOptions,
): Op[] {
  return windows.flatMap((window, i) =>
    ours.ranges.flatMap((own, arena) => {
      const how = window.halves ? { ...options, keep, halves: true } : options;
      const bound = bind(device, window.range);
      const pieces = piecesOf(window.pieces, bound.range.offset, space, arena);
      const name = `${label}/${pass}-${i}${arena > 0 ? `-${arena}` : ''}`;
      return pieces.length === 0 ? [] : [stage(name, pieces, { foreign: bound.range, own }, how)];
    }),
  );
}

/** What a window and an arena have in common. @param from the window's binding begins there, in bytes */
function piecesOf(window: readonly Piece[], from: number, space: Space, arena: number): StagePiece[] {
  return window.flatMap((piece) =>
    space.partsOf(piece.tensor).flatMap((ours) => {
      if (ours.span !== arena) return [];
      const begin = Math.max(piece.start, ours.start);
      const end = Math.min(piece.start + piece.elements, ours.start + ours.elements);
      return begin < end ? rowsOf(piece, begin - piece.start, end - begin, from, ours.at + begin - ours.start) : [];
    }),
  );
}

/** Some elements of a piece: what is left of a row that they begin in, then rows. */
function rowsOf(piece: Piece, begin: number, elements: number, from: number, own: number): StagePiece[] {
  const { width, stride, unit, offset, bytes } = piece;
  const column = begin % width;
  const foreign = (offset - from) / bytes + ((begin - column) / width) * stride + column;
  const shared = unit === undefined ? {} : { unit };
  if (column === 0) return [{ foreign, own, elements, width, stride, ...shared }];
  const first = Math.min(elements, width - column);
  const rest = elements - first;
  return [
    { foreign, own, elements: first, ...shared },
    ...(rest > 0 ? rowsOf(piece, begin + first, rest, from, own + first) : []),
  ];
}
