import type { BufferRange } from '../gpu/buffers.js';
import { DownhillError } from '../gpu/errors.js';
import type { PlacedVector } from './space.js';

/** What JSON can hold. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

export interface NamedRange extends BufferRange {
  readonly name: string;
}

/** What a part's ranges held at one moment, by name. */
export type Copies = ReadonlyMap<string, ArrayBuffer>;

/**
 * A part of a program that remembers: everything it remembers is in these vectors, these ranges and these values, so that
 * they make a checkpoint that goes on bit for bit. State lives in a Stateful or nowhere.
 */
export interface Stateful {
  /** Unique among the parts of a program: 'optimizer', 'data'. */
  readonly key: string;
  /** Vectors it remembers: a checkpoint has them tensor by tensor, so that it fits arenas that are cut otherwise. */
  vectors?(): readonly PlacedVector[];
  /** What else it remembers on the GPU. */
  ranges(): readonly NamedRange[];
  /**
   * For a part whose values on the host change between steps or by calls: as they are now, to be asked later, once what the
   * ranges hold now has come back.
   */
  freeze?(): Pick<Stateful, 'host'>;
  /** The values that belong to what the ranges held: the GPU may have gone on, or not be there yet. */
  host(copies: Copies): Json;
  /**
   * Throws where the values are of another kind of training altogether. Asked first of all: such a file has other tensors as well,
   * which would say less.
   */
  checkKind?(host: Json): void;
  /** The step that its ranges say, where they say one: that of the whole, so all parts say the same. */
  stepIn?(copies: Copies): number;
  /** Throws what `load` would have to throw, and changes nothing: all parts are asked before the first one loads. */
  check?(host: Json, copies: Copies): void;
  /** Goes on from values and copies of the same moment; whoever calls it writes the copies back into the ranges. */
  load(host: Json, copies: Copies): void;
}

/**
 * What a file says must be what there is, or other numbers would come.
 *
 * @param what they are, in the message
 * @throws DownhillError CHECKPOINT-MISMATCH
 */
export function checkAlike(what: string, host: Json | undefined, ours: Json, fix: string): void {
  const [theirs, own] = [host, ours].map((each) => JSON.stringify(each));
  if (theirs === own) return;
  throw new DownhillError(
    'CHECKPOINT-MISMATCH',
    `The file was trained with the ${what} ${theirs}, this trainer has ${own}.`,
    fix,
  );
}

/** Settings that must be alike for the same numbers to come: a part that remembers nothing else. */
export const settingsState = (key: string, settings: Json): Stateful => ({
  key,
  ranges: () => [],
  host: () => settings,
  check: (host) => checkAlike(key, host, settings, 'Make the trainer with the options that the file was trained with.'),
  load: () => {},
});
