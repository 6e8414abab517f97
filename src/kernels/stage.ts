import type { BufferRange } from '../gpu/buffers.js';
import { stageShader } from '../shaders/space/stage.gen.js';
import { stageHalfShader } from '../shaders/space/stage_half.gen.js';
import { formOf } from './lower.js';
import type { Form, Op } from './op.js';

/** Elements that lie together in somebody else's memory and in an arena of ours. */
export interface StagePiece {
  /** First element in the binding of the foreign range (in halves, where they are), and in the arena's. */
  readonly foreign: number;
  readonly own: number;
  readonly elements: number;
  /** Foreign elements in a row, and from one row's first to the next's; default all in one. */
  readonly width?: number;
  readonly stride?: number;
  /** What an integer is worth; default f32. */
  readonly unit?: number;
}

/** Which way a copy goes, and of what. */
export interface StageOptions {
  /** From the arena to the foreign range. Default false. */
  readonly out?: boolean;
  /** Clear the foreign elements once they are read. Default false. */
  readonly zero?: boolean;
  /** The foreign elements are halves (binary16), rounded to the nearest on the way out. Default false. */
  readonly halves?: boolean;
  /** Of halves on the way in: what rounds to one stays as it is in the arena. Default false. */
  readonly keep?: boolean;
}

export type StageOp = Op<'stage', Required<StageOptions> & { readonly pieces: readonly StagePiece[] }>;

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
  const { out, zero, halves, keep } = shape;
  const pieces = shape.pieces.flatMap(cut);
  const own: Record<string, boolean> = halves
    ? { KEEP: keep }
    : { FIXED: pieces.some(({ unit }) => unit !== undefined) };
  return [
    {
      label,
      shader: halves ? stageHalfShader : stageShader,
      constants: { OUT: out, ZERO: zero, ...own, WORKGROUP: 64 },
      buffers,
      tables: { pieces: tableOf(pieces) },
      groups: pieces.length,
      replicas: 1,
    },
  ];
});

export const stageForms: readonly Form[] = [stageForm];

/**
 * Copies elements from a foreign range into an arena (fixed-point ones and halves become f32), or back.
 *
 * @param buffers foreign, own
 */
export const stage = (
  label: string,
  pieces: readonly StagePiece[],
  buffers: { readonly foreign: BufferRange; readonly own: BufferRange },
  { out = false, zero = false, halves = false, keep = false }: StageOptions = {},
): StageOp => ({ kind: 'stage', label, shape: { pieces, out, zero, halves, keep }, buffers, replicas: 1 });
