import type { BufferRange } from '../gpu/buffers.js';

/** What JSON can hold. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

export interface NamedRange extends BufferRange {
  readonly name: string;
}

/** What a part's ranges held at one moment, by name. */
export type Copies = ReadonlyMap<string, ArrayBuffer>;

/**
 * A part of a program that remembers: everything it remembers is in these ranges and these values, so that they make a
 * checkpoint that goes on bit for bit. State lives in a Stateful or nowhere.
 */
export interface Stateful {
  /** Unique among the parts of a program: 'optimizer', 'data'. */
  readonly key: string;
  ranges(): readonly NamedRange[];
  /** The values that belong to what the ranges held: the GPU may have gone on, or not be there yet. */
  host(copies: Copies): Json;
  /** Goes on from values and copies of the same moment; whoever calls it writes the copies back into the ranges. */
  load(host: Json, copies: Copies): void;
}

/** A vector that others write, as a part that remembers. */
export const vectorState = (key: string, { ranges }: { readonly ranges: readonly BufferRange[] }): Stateful => ({
  key,
  ranges: () => ranges.map((each, i) => ({ name: `${key}-${i}`, ...each })),
  host: () => null,
  load: () => {},
});
