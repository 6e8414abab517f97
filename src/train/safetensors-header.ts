import { DownhillError, show } from '../gpu/errors.js';
import { DTYPES, type Dtype } from './dtypes.js';

/*
 * The header of a safetensors file, read strictly: JSON.parse would take the last of two equal keys, any depth and any
 * kind of value without a word. The grammar is one object of tensors, { dtype, shape, data_offsets } each, and of
 * `__metadata__`, texts by name.
 */

/** A fault of the file at a byte. */
export const corrupt = (message: string, byte?: number): DownhillError =>
  new DownhillError(
    'CHECKPOINT-CORRUPT',
    `${message}${byte === undefined ? '' : `, at byte ${byte}`}.`,
    'Use another copy or an earlier checkpoint; nothing was changed.',
  );

/** A tensor as the header describes it. */
export interface Entry {
  readonly name: string;
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  /** In bytes of the payload. */
  readonly begin: number;
  readonly end: number;
}

/** A text of the metadata. */
interface Text {
  readonly value: string;
  /** Where it begins in the file, behind its quote; in bytes. */
  readonly at: number;
}

/** Names that are no names: a property of every object, or with characters that no terminal shows as they are. */
export const isName = (name: string): boolean =>
  name !== '' && !(name in Object.prototype) && ![...name].some((character) => character < ' ' || character === '\x7f');

/** How many elements a shape has; undefined beyond 2^53. */
export function elementsIn(shape: readonly number[]): number | undefined {
  let product = 1;
  for (const size of shape) {
    product *= size;
    if (!Number.isSafeInteger(product)) return undefined;
  }
  return product;
}

class Reader {
  #at = 0;

  /** @param first byte of the file at which the text begins */
  constructor(
    readonly text: string,
    readonly first: number,
  ) {}

  /** The byte of the file that a character of the text begins at. */
  byteOf(at: number): number {
    return this.first + new TextEncoder().encode(this.text.slice(0, at)).length;
  }

  fault(message: string, at = this.#at): DownhillError {
    return corrupt(`The header is wrong: ${message}`, this.byteOf(at));
  }

  #skip(): void {
    while (' \t\n\r'.includes(this.text[this.#at] ?? '-')) this.#at++;
  }

  #take(character: string): boolean {
    this.#skip();
    if (this.text[this.#at] !== character) return false;
    this.#at++;
    return true;
  }

  #expect(character: string): void {
    if (!this.#take(character)) throw this.fault(`${show(character)} is missing`);
  }

  string(what: string): { readonly value: string; readonly at: number } {
    this.#skip();
    const at = this.#at;
    const end = this.text[at] === '"' ? this.#closing(at) : -1;
    if (end < 0) throw this.fault(`${what} must be a text`);
    this.#at = end + 1;
    try {
      return { value: JSON.parse(this.text.slice(at, end + 1)) as string, at };
    } catch {
      throw this.fault(`${what} is no JSON text`, at);
    }
  }

  /** Where the quote is that ends a text: the first without an odd number of backslashes before it. */
  #closing(begin: number): number {
    let end = begin;
    for (;;) {
      end = this.text.indexOf('"', end + 1);
      let escapes = 0;
      while (end > 0 && this.text[end - 1 - escapes] === '\\') escapes++;
      if (escapes % 2 === 0) return end;
    }
  }

  #integer(what: string): number {
    this.#skip();
    const begin = this.#at;
    while (/[\d.eE+-]/.test(this.text[this.#at] ?? '')) this.#at++;
    const digits = this.text.slice(begin, this.#at);
    if (/^(0|[1-9]\d{0,15})$/.test(digits) && Number.isSafeInteger(Number(digits))) return Number(digits);
    throw this.fault(`${what} must hold whole numbers from 0 to 2^53, not ${show(digits)}`, begin);
  }

  integers(what: string): number[] {
    this.#expect('[');
    const values: number[] = [];
    if (this.#take(']')) return values;
    do values.push(this.#integer(what));
    while (this.#take(','));
    this.#expect(']');
    return values;
  }

  /** An object, whose values `read` reads by key; no key twice. */
  object(what: string, read: (key: string, at: number) => void): void {
    this.#expect('{');
    const keys = new Set<string>();
    if (this.#take('}')) return;
    do {
      const { value: key, at } = this.string(`a name in ${what}`);
      if (keys.has(key)) throw this.fault(`${show(key)} stands twice in ${what}`, at);
      keys.add(key);
      this.#expect(':');
      read(key, at);
    } while (this.#take(','));
    this.#expect('}');
  }

  end(): void {
    this.#skip();
    if (this.#at < this.text.length) throw this.fault('something follows the end of its object');
  }
}

function readEntry(reader: Reader, name: string, at: number): Entry {
  if (!isName(name)) throw reader.fault(`${show(name)} cannot be the name of a tensor`, at);
  let dtype: string | undefined;
  let shape: readonly number[] | undefined;
  let offsets: readonly number[] | undefined;
  const where = `tensor ${show(name)}`;
  reader.object(where, (key, keyAt) => {
    if (key === 'dtype') dtype = reader.string(`the dtype of ${where}`).value;
    else if (key === 'shape') shape = reader.integers(`the shape of ${where}`);
    else if (key === 'data_offsets') offsets = reader.integers(`the offsets of ${where}`);
    else throw reader.fault(`${where} has ${show(key)}`, keyAt);
  });
  if (dtype === undefined || !shape || !offsets) throw reader.fault(`${where} needs dtype, shape and data_offsets`, at);
  if (!Object.hasOwn(DTYPES, dtype)) throw reader.fault(`${where} has the unknown dtype ${show(dtype)}`, at);
  const [begin, end] = offsets as readonly [number, number];
  if (offsets.length !== 2 || begin > end)
    throw reader.fault(`${where} lies from ${begin} to ${end}, which is no stretch`, at);
  const elements = elementsIn(shape);
  const bytes = elements === undefined ? undefined : elements * DTYPES[dtype as Dtype];
  if (bytes !== end - begin) {
    throw reader.fault(
      `${where} of shape [${shape.slice(0, 8).join(', ')}] and dtype ${dtype} takes ${bytes ?? 'more than 2^53'} bytes, but has ${end - begin}`,
      at,
    );
  }
  return { name, dtype: dtype as Dtype, shape, begin, end };
}

/**
 * What a header says.
 *
 * @param first byte of the file at which its text begins
 * @throws DownhillError CHECKPOINT-CORRUPT
 */
export function readHeader(
  text: string,
  first: number,
): { readonly entries: Entry[]; readonly metadata: Map<string, Text> } {
  const reader = new Reader(text, first);
  if (text[0] !== '{') throw reader.fault('it must begin with {');
  const entries: Entry[] = [];
  const metadata = new Map<string, Text>();
  reader.object('the header', (name, at) => {
    if (name !== '__metadata__') {
      entries.push(readEntry(reader, name, at));
      return;
    }
    reader.object('__metadata__', (key, keyAt) => {
      if (!isName(key)) throw reader.fault(`${show(key)} cannot be a name`, keyAt);
      const { value, at: valueAt } = reader.string(`${show(key)} in __metadata__`);
      metadata.set(key, { value, at: reader.byteOf(valueAt) + 1 });
    });
  });
  reader.end();
  return { entries, metadata };
}
