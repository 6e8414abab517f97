import type { BufferRange, BufferSet } from '../gpu/buffers.js';

/*
 * Where numbers lie. A space places named tensors in spans: stretches of memory that one dispatch can work on, in arenas of
 * our own or in ranges that somebody else owns. Parameters, gradients, a rule's state and whatever else has a number for
 * every parameter are vectors of one space, laid out alike.
 */

/** A tensor by name. */
export interface TensorShape {
  readonly name: string;
  /** Row-major float32; empty for a scalar. */
  readonly shape: readonly number[];
}

/** Part of a tensor in a span, in elements. */
export interface Part {
  readonly tensor: string;
  readonly span: number;
  /** First element of the part in one replica's share of the span. */
  readonly at: number;
  /** First element of the tensor that lies here. */
  readonly start: number;
  readonly elements: number;
}

/** A stretch that one dispatch works on. */
export interface Span {
  /** Elements of one replica, padding included: from one replica's to the next's. */
  readonly elements: number;
  /** Floats in front of the span's in vectors of ours: so that these lie on 16-byte boundaries as the caller's do. */
  readonly lead: number;
  readonly parts: readonly Part[];
  /** Its parts are fields of records: each dense in vectors of ours, wherever its owner has it. */
  readonly records?: Records;
}

/** Where rows of something lie, in bytes. */
export interface RowPlace {
  readonly buffer: GPUBuffer;
  /** Of the first row. */
  readonly offset: number;
  /** From one row to the next. */
  readonly stride: number;
}

/** Rows of several tensors, in memory that somebody else laid out. */
export interface Records {
  /** The tensors' row that it begins with, and how many it has room for. */
  readonly first: number;
  readonly rows: number;
  /** By part. */
  readonly fields: readonly { readonly width: number; readonly param: RowPlace; readonly grad: RowPlace }[];
}

/** N replicas of the same tensors. */
export interface Space {
  readonly replicas: number;
  /** Every part begins at a multiple of 64 elements, and what lies between is padding of ours. */
  readonly padded: boolean;
  readonly spans: readonly Span[];
  readonly tensors: readonly TensorShape[];
  /** The parts of a tensor, in order; none where the space leaves it out. */
  partsOf(tensor: string): readonly Part[];
  /**
   * A vector of the space in buffers of `buffers`, starting at 0.
   *
   * @param flush without the floats in front
   */
  vector(buffers: BufferSet, name: string, flush?: boolean): Vector;
}

/** One number for every element of a space. */
export interface Vector {
  readonly name: string;
  /** By span; each holds all replicas, one after another. */
  readonly ranges: readonly BufferRange[];
}

/** A vector with the space that says where its tensors lie. */
export interface PlacedVector {
  readonly space: Space;
  readonly vector: Vector;
}

/** A space over spans that were planned. */
export function makeSpace(space: Omit<Space, 'vector' | 'partsOf'>): Space {
  const { spans, replicas } = space;
  const parts = new Map<string, Part[]>();
  for (const part of spans.flatMap((span) => span.parts))
    parts.set(part.tensor, [...(parts.get(part.tensor) ?? []), part]);
  return {
    ...space,
    partsOf: (tensor) => parts.get(tensor) ?? [],
    vector: (buffers, name, flush = false) => ({
      name,
      ranges: spans.map(({ elements, lead }, i) => {
        const [offset, size] = [flush ? 0 : 4 * lead, 4 * elements * replicas];
        return { buffer: buffers.storage(`${name}-${i}`, offset + size), offset, size };
      }),
    }),
  };
}

export const elementsOf = ({ shape }: TensorShape): number => shape.reduce((product, size) => product * size, 1);
