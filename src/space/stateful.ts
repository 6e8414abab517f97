import type { BufferRange } from '../gpu/buffers.js';

/** What JSON can hold. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

export interface NamedRange extends BufferRange {
  readonly name: string;
}

/**
 * A part of a program that remembers: everything it remembers is in these ranges and these values, so that they make a
 * checkpoint that goes on bit for bit. State lives in a Stateful or nowhere.
 */
export interface Stateful {
  /** Unique among the parts of a program: 'optimizer', 'data'. */
  readonly key: string;
  ranges(): readonly NamedRange[];
  host(): Json;
  load(host: Json): void;
}
