import type { BufferRange, BufferSet } from '../gpu/buffers.js';
import type { Op } from '../kernels/op.js';
import { type StagePiece, stage } from '../kernels/stage.js';
import { longestSpan } from '../space/adopted.js';
import { arenaSpace, largestArena } from '../space/arena.js';
import type { Space, Vector } from '../space/space.js';
import type { AdoptedTensor } from './adopt.js';
import { bind, Updater, type UpdaterOptions } from './updater.js';

export { stageForms } from '../kernels/stage.js';

/*
 * Rules of several passes on memory that somebody else owns: it is copied into arenas of ours and back each step, so that such
 * a rule sees the same padded memory whoever owns its tensors.
 */

type Options = Omit<UpdaterOptions, 'space' | 'param' | 'grad' | 'apply'>;

/** An updater on arenas, the ops of a step with the copies around its own, and those of one whose gradients lie elsewhere. */
export function stagedUpdater(buffers: BufferSet, tensors: readonly AdoptedTensor[], options: Options) {
  const { device } = buffers;
  const { label, unit, zero } = options;
  const isTrained = ({ frozen, elements }: AdoptedTensor) => !frozen && elements > 0;
  const trained = tensors.filter(isTrained);
  const space = arenaSpace(trained, { maxBytes: largestArena(device) });
  const [param, grad] = [space.vector(buffers, 'parameters'), space.vector(buffers, 'gradients')];
  // What arrives in an arena is f32, and nobody's to clear.
  const own = { space, param, grad, unit: undefined, zero: false, apply: () => [] };
  const updater = new Updater(buffers, { ...options, ...own });
  const params = windowsOf(device, trained, 'param');
  const copies = { device, label, space };
  const fetch = copyOps('fetch', params, param, copies, {});
  const back = copyOps('return', params, param, copies, { out: true });
  const opsFor = (now: readonly AdoptedTensor[]): readonly Op[] => {
    const theirs = windowsOf(device, now.filter(isTrained), 'grad');
    const gradients = copyOps('fetch-gradients', theirs, grad, copies, { zero, unit });
    return [...fetch, ...gradients, ...updater.ops, ...back];
  };
  return { updater, ops: opsFor(tensors), opsFor };
}

/** Part of a tensor in a window. */
interface Piece {
  readonly tensor: string;
  /** First element of the tensor, and where it lies in bytes of the buffer. */
  readonly start: number;
  readonly elements: number;
  readonly offset: number;
}

/** Tensors of one buffer that one binding holds. */
interface Window {
  readonly range: BufferRange;
  readonly pieces: readonly Piece[];
}

/** Parameters or gradients in as few bindings as the device's limit allows, whatever lies between them. */
function windowsOf(device: GPUDevice, tensors: readonly AdoptedTensor[], which: 'param' | 'grad'): Window[] {
  const most = longestSpan(device);
  const perBuffer = new Map<GPUBuffer, Piece[]>();
  for (const { name, elements, [which]: place } of tensors) {
    const list = perBuffer.get(place.buffer) ?? [];
    for (let start = 0; start < elements; start += most) {
      const count = Math.min(most, elements - start);
      list.push({ tensor: name, start, elements: count, offset: place.offset + 4 * start });
    }
    perBuffer.set(place.buffer, list);
  }
  return [...perBuffer].flatMap(([buffer, list]) => {
    const windows: { pieces: Piece[]; begin: number; end: number }[] = [];
    for (const piece of list.sort((a, b) => a.offset - b.offset)) {
      const end = piece.offset + 4 * piece.elements;
      const last = windows.at(-1);
      if (last && end - last.begin <= 4 * most) {
        last.pieces.push(piece);
        last.end = end;
      } else windows.push({ pieces: [piece], begin: piece.offset, end });
    }
    return windows.map(({ pieces, begin, end }) => ({ pieces, range: { buffer, offset: begin, size: end - begin } }));
  });
}

function copyOps(
  pass: string,
  windows: readonly Window[],
  ours: Vector,
  { device, label, space }: { readonly device: GPUDevice; readonly label: string; readonly space: Space },
  { unit, ...options }: { out?: boolean; zero?: boolean; unit?: number | undefined },
): Op[] {
  return windows.flatMap((window, i) =>
    ours.ranges.flatMap((own, arena) => {
      const bound = bind(device, window.range);
      const pieces = piecesOf(window.pieces, bound.range.offset, space, arena, unit);
      const name = `${label}/${pass}-${i}${arena > 0 ? `-${arena}` : ''}`;
      return pieces.length === 0 ? [] : [stage(name, pieces, { foreign: bound.range, own }, options)];
    }),
  );
}

/** What a window and an arena have in common. @param from the window's binding begins there, in bytes */
function piecesOf(
  window: readonly Piece[],
  from: number,
  space: Space,
  arena: number,
  unit: number | undefined,
): StagePiece[] {
  return window.flatMap(({ tensor, start, elements, offset }) =>
    space.partsOf(tensor).flatMap((ours) => {
      if (ours.span !== arena) return [];
      const begin = Math.max(start, ours.start);
      const end = Math.min(start + elements, ours.start + ours.elements);
      if (begin >= end) return [];
      const foreign = (offset - from) / 4 + begin - start;
      return [
        { foreign, own: ours.at + begin - ours.start, elements: end - begin, ...(unit !== undefined && { unit }) },
      ];
    }),
  );
}
