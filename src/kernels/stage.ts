import type { BufferRange } from '../gpu/buffers.js';
import { stageShader } from '../shaders/space/stage.gen.js';
import { formOf } from './lower.js';
import type { Form, Op } from './op.js';

/** Elements that lie together in somebody else's memory and in an arena of ours. */
export interface StagePiece {
  /** First element in the binding of the foreign range, and in the arena's. */
  readonly foreign: number;
  readonly own: number;
  readonly elements: number;
  /** Foreign elements in a row, and from one row's first to the next's; default all in one. */
  readonly width?: number;
  readonly stride?: number;
  /** What an integer is worth; default f32. */
  readonly unit?: number;
}

export type StageOp = Op<
  'stage',
  { readonly pieces: readonly StagePiece[]; readonly out: boolean; readonly zero: boolean }
>;

/** Longest piece: one workgroup copies it. */
const PIECE = 4096;
const WORDS = 8;

function tableOf(pieces: readonly StagePiece[]): Uint32Array<ArrayBuffer> {
  const table = new Uint32Array(WORDS * pieces.length);
  const floats = new Float32Array(table.buffer);
  for (const [i, { foreign, own, elements, width = elements, stride = width, unit = 0 }] of pieces.entries()) {
    table.set([foreign, own, elements, 0, width, stride, 0, 0], WORDS * i);
    floats[WORDS * i + 3] = unit;
  }
  return table;
}

/** Pieces of at most {@link PIECE} elements, in whole rows. */
function cut(piece: StagePiece): StagePiece[] {
  const { elements, width = elements, stride = width } = piece;
  const most = width >= PIECE ? PIECE : PIECE - (PIECE % width);
  return Array.from({ length: Math.ceil(elements / most) }, (_, k) => {
    const begin = k * most;
    const foreign = piece.foreign + Math.floor(begin / width) * stride + (begin % width);
    const count = Math.min(most, elements - begin);
    // Within one row: what is left of it is a row of its own.
    const own = { foreign, own: piece.own + begin, elements: count };
    const part = { ...piece, ...own, width, stride };
    return width >= PIECE ? splitRow(part, begin % width) : [part];
  }).flat();
}

/** A piece that may go over the end of a long row: as one piece for each row. */
function splitRow(piece: StagePiece, from: number): StagePiece[] {
  const { elements, width = elements, stride = width } = piece;
  const first = Math.min(elements, width - from);
  const one = { ...piece, elements: first, width: first, stride: first };
  if (first === elements) return [one];
  const rest = { ...piece, elements: elements - first, own: piece.own + first, foreign: piece.foreign - from + stride };
  return [one, ...splitRow(rest, 0)];
}

const stageForm = formOf<StageOp>('stage', 'stage', ({ label, shape, buffers }) => {
  const pieces = shape.pieces.flatMap(cut);
  return [
    {
      label,
      shader: stageShader,
      constants: {
        OUT: shape.out,
        FIXED: pieces.some(({ unit }) => unit !== undefined),
        ZERO: shape.zero,
        WORKGROUP: 64,
      },
      buffers,
      tables: { pieces: tableOf(pieces) },
      groups: pieces.length,
      replicas: 1,
    },
  ];
});

export const stageForms: readonly Form[] = [stageForm];

/**
 * Copies elements from a foreign range into an arena (fixed-point ones become f32), or back.
 *
 * @param buffers foreign, own
 * @param zero clear the foreign elements once they are read
 */
export const stage = (
  label: string,
  pieces: readonly StagePiece[],
  buffers: { readonly foreign: BufferRange; readonly own: BufferRange },
  { out = false, zero = false } = {},
): StageOp => ({ kind: 'stage', label, shape: { pieces, out, zero }, buffers, replicas: 1 });
