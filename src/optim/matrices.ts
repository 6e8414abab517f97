import type { BufferRange } from '../gpu/buffers.js';
import { DownhillError, show } from '../gpu/errors.js';
import { arenaSpace, largestArena } from '../space/arena.js';
import { elementsOf, type PlacedVector, type Space, type TensorShape } from '../space/space.js';
import type { RulePasses } from './rule-passes.js';

/*
 * Matrices for rules that multiply them: every matrix whole in scratch memory, lying down and padded, so that one dispatch
 * does a product of all of them, whatever their shapes; and the segments that lead from parameters to these and back.
 */

/** A parameter [rows, cols] in scratch memory: [n, m], n ≤ m, multiples of 4, zeros behind; transposed where rows > cols. */
export interface Matrix {
  readonly name: string;
  readonly rows: number;
  readonly cols: number;
  readonly n: number;
  readonly m: number;
  /** First float in memory for [n, m], and in memory for [n, n], of a replica. */
  readonly x: number;
  readonly a: number;
}

/** Matrices that lie in one arena of scratch memory. */
export interface MatrixArena {
  readonly matrices: readonly Matrix[];
  /** Floats of a replica: of all [n, m], and of all [n, n]. */
  readonly wide: number;
  readonly square: number;
}

const pad = (size: number) => Math.ceil(size / 4) * 4;

export const isMatrix = ({ shape }: TensorShape) => shape.length === 2;

/**
 * Places for matrices in scratch memory.
 *
 * @throws DownhillError LIMIT-BINDING for a matrix that no binding holds
 */
export function matrixArenas(step: RulePasses): MatrixArena[] {
  const shapes = step.tensors.filter(isMatrix).map(({ name, shape }) => {
    const [rows, cols] = shape as [number, number];
    const [n, m] = [pad(Math.min(rows, cols)), pad(Math.max(rows, cols))];
    return { name, rows, cols, n, m, shape: [n, m] };
  });
  const space = arenaSpace(shapes, { replicas: step.replicas, maxBytes: largestArena(step.device) });
  const cut = shapes.find(({ name }) => space.partsOf(name).length > 1);
  if (cut) {
    throw new DownhillError(
      'LIMIT-BINDING',
      `The matrix ${show(cut.name)}, ${cut.rows} by ${cut.cols}, is multiplied as a whole, but no binding of this device holds it.`,
      'Train it with an elementwise rule, or use an adapter with a larger maxStorageBufferBindingSize.',
    );
  }
  return space.spans.flatMap(({ parts, elements }) => {
    let square = 0;
    const matrices = parts.map(({ tensor, at }) => {
      const { shape: _, ...own } = shapes.find(({ name }) => name === tensor)!;
      square += own.n ** 2;
      return { ...own, x: at, a: square - own.n ** 2 };
    });
    return matrices.length === 0 ? [] : [{ matrices, wide: elements, square }];
  });
}

/** Elements of a segment: what a workgroup goes through. */
const SEGMENT = 4096;

/** Consecutive elements of a tensor that lie in one span of the parameters and in one of a state. */
export interface Segment {
  readonly tensor: string;
  /** First element of the tensor, and how many. */
  readonly start: number;
  readonly count: number;
  /** Where they begin in a replica's share of both spans: multiples of 4 floats. */
  readonly param: number;
  readonly state: number;
}

/** Segments that a dispatch can take together. */
export interface SegmentBatch {
  readonly param: number;
  readonly state: number;
  readonly segments: readonly Segment[];
}

/** The segments of tensors, by the spans that they lie in, each tensor's in order. */
export function segmentBatches(space: Space, { space: own }: PlacedVector, tensors: readonly string[]): SegmentBatch[] {
  const batches = new Map<string, { param: number; state: number; segments: Segment[] }>();
  for (const tensor of tensors) {
    for (const theirs of space.partsOf(tensor)) {
      for (const part of own.partsOf(tensor)) {
        const begin = Math.max(theirs.start, part.start);
        const end = Math.min(theirs.start + theirs.elements, part.start + part.elements);
        const key = `${theirs.span} ${part.span}`;
        const batch = batches.get(key) ?? { param: theirs.span, state: part.span, segments: [] };
        for (let start = begin; start < end; start += SEGMENT) {
          batch.segments.push({
            tensor,
            start,
            count: Math.min(SEGMENT, end - start),
            param: theirs.at + start - theirs.start,
            state: part.at + start - part.start,
          });
        }
        if (batch.segments.length > 0) batches.set(key, batch);
      }
    }
  }
  return [...batches.values()];
}

/** Rows and columns of a product that a workgroup computes. */
const TILE = 32;

/**
 * A table of tiles, [matrix, rows, columns, 0], of results with n rows.
 *
 * @param columns the first column and the end, for these 32 rows
 * @param first the place of the first matrix in the kernels' table
 */
export function tilesOf<M extends { readonly n: number }>(
  matrices: readonly M[],
  columns: (matrix: M, row: number) => readonly [number, number],
  first = 0,
): Uint32Array<ArrayBuffer> {
  const words: number[] = [];
  for (const [i, matrix] of matrices.entries()) {
    for (let row = 0; row < matrix.n / TILE; row++) {
      const [from, to] = columns(matrix, row);
      for (let col = Math.floor(from / TILE); col < to / TILE; col++) words.push(first + i, row, col, 0);
    }
  }
  return new Uint32Array(words);
}

/** Tiles of [n, m], and of the upper half of [n, n]. */
export const tileTables = ({ matrices }: MatrixArena) => ({
  wide: tilesOf(matrices, ({ m }) => [0, m]),
  square: tilesOf(matrices, ({ n }, row) => [TILE * row, n]),
});

/** Memory for the numbers of one step: a number for each of so many elements and replicas. */
export const scratchOf = (step: RulePasses, name: string, elements: number): BufferRange =>
  step.memory(name, 4 * elements * step.replicas);

/** @throws DownhillError OPTION-RANGE, with their names, where none of the tensors is a matrix. */
export function needMatrix(rule: string, where: string, tensors: readonly TensorShape[]): void {
  if (tensors.some((tensor) => isMatrix(tensor) && elementsOf(tensor) > 0)) return;
  const names = tensors.map(({ name, shape }) => `${show(name)} [${shape.join(', ')}]`);
  const few = names.length > 8 ? [...names.slice(0, 8), `${names.length - 8} more`] : names;
  throw new DownhillError(
    'OPTION-RANGE',
    `${where}: ${rule} is for matrices, but none of the tensors to train has two axes: ${few.join(', ') || 'there are none'}.`,
    'Give matrices their shape [inputs, outputs], or choose a rule that goes by elements.',
  );
}
