import { DownhillError, show } from '../gpu/errors.js';
import { formatBytes, isPage } from './load.js';

/* NumPy's file format: 0x93 'NUMPY', a version, the length of a header in Python's notation, the values. */

/** Values of an array file, in the type that holds them exactly (bool as bytes 0 and 1). */
export type NpyValues =
  | Uint8Array
  | Int8Array
  | Uint16Array
  | Int16Array
  | Uint32Array
  | Int32Array
  | Float32Array
  | Float64Array;

/** What a `.npy` file holds. */
export interface Npy {
  /** The dimensions, slowest first; none for a single value. */
  readonly shape: readonly number[];
  /** The values, row-major whatever their order in the file. */
  readonly data: NpyValues;
  /** NumPy's name of the type without byte order: 'f4', 'u1', 'b1' … */
  readonly dtype: string;
}

interface Header {
  readonly shape: readonly number[];
  readonly dtype: string;
  readonly bigEndian: boolean;
  readonly fortran: boolean;
  /** Bytes before the values. */
  readonly offset: number;
  /** Bytes of values. */
  readonly size: number;
}

const MAGIC = [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59];
/** What version 1 of the format can have; NumPy itself refuses more than 10,000 bytes. */
const MAX_HEADER = 2 ** 16;
const MAX_RANK = 64;

const RESAVE = "Save it with np.save(file, array.astype('float32')).";
const WRONG_FILE = 'Pass a file that np.save wrote.';
const TRUNCATED = 'Copy or download the file again: it is not complete.';

const format = (where: string, what: string, fix: string) => new DownhillError('DATA-FORMAT', `${where} ${what}.`, fix);

/** How values of a type are read: bytes of one, and an array of them from bytes of this machine's order (little-endian). */
interface Type {
  readonly bytes: number;
  read(buffer: ArrayBuffer, offset: number, count: number, where: string): NpyValues;
}

const plain = <A extends NpyValues>(Values: {
  readonly BYTES_PER_ELEMENT: number;
  new (buffer: ArrayBuffer, offset: number, count: number): A;
}): Type => ({
  bytes: Values.BYTES_PER_ELEMENT,
  read: (buffer, offset, count) => new Values(buffer, offset, count),
});

/** 64-bit integers as float64, which holds those up to 2^53. */
const wide = (Values: BigInt64ArrayConstructor | BigUint64ArrayConstructor): Type => ({
  bytes: 8,
  read(buffer, offset, count, where) {
    const values = new Values(buffer, offset, count);
    return Float64Array.from({ length: count }, (_, i) => {
      const value = Number(values[i]);
      if (Number.isSafeInteger(value)) return value;
      throw format(where, `holds ${values[i]} at place ${i}: integers beyond 2^53 lose digits`, RESAVE);
    });
  },
});

/** A float16: sign, 5 bits of exponent, 10 of fraction. */
export function fromHalf(bits: number): number {
  const [sign, exponent, fraction] = [bits & 0x8000 ? -1 : 1, (bits >> 10) & 31, bits & 1023];
  if (exponent === 31) return fraction ? Number.NaN : sign * Infinity;
  return sign * (exponent === 0 ? fraction * 2 ** -24 : (1024 + fraction) * 2 ** (exponent - 25));
}

const TYPES: Readonly<Record<string, Type>> = {
  f2: { bytes: 2, read: (buffer, at, count) => Float32Array.from(new Uint16Array(buffer, at, count), fromHalf) },
  f4: plain(Float32Array),
  f8: plain(Float64Array),
  b1: plain(Uint8Array),
  u1: plain(Uint8Array),
  u2: plain(Uint16Array),
  u4: plain(Uint32Array),
  u8: wide(BigUint64Array),
  i1: plain(Int8Array),
  i2: plain(Int16Array),
  i4: plain(Int32Array),
  i8: wide(BigInt64Array),
};

/** Names of the types that are written. */
const WRITTEN = {
  Uint8Array: '|u1',
  Int8Array: '|i1',
  Uint16Array: '<u2',
  Int16Array: '<i2',
  Uint32Array: '<u4',
  Int32Array: '<i4',
  Float32Array: '<f4',
  Float64Array: '<f8',
} as const;

/**
 * Reads a `.npy` file: formats 1.0 to 3.0, numbers and booleans of either byte order, C and Fortran order.
 *
 * @param bytes The whole file. Values that lie aligned in it are a view of it.
 * @param where What to call the file in messages.
 * @throws DownhillError DATA-FORMAT with the byte offset where it has one; OPTION-TYPE.
 */
export function parseNpy(bytes: Uint8Array | ArrayBuffer, where = 'parseNpy'): Npy {
  const file = bytes instanceof ArrayBuffer ? new Uint8Array(bytes) : bytes;
  if (!(file instanceof Uint8Array)) {
    const message = `${where} expects a Uint8Array or ArrayBuffer, got ${show(bytes)}.`;
    throw new DownhillError('OPTION-TYPE', message, 'Pass the bytes of the file.');
  }
  const header = readNpyHeader(where, file);
  if (!header) throw format(where, `ends at byte ${file.length}, inside its header`, TRUNCATED);
  checkLength(where, header, file.length);
  const { shape, dtype, fortran } = header;
  const data = readValues(where, header, file);
  return { shape, data: fortran && shape.length > 1 ? toRowMajor(data, shape) : data, dtype };
}

/**
 * A `.npy` file (format 1.0, little-endian, C order) of values.
 *
 * @param shape Its product is the number of values; [] for a single one.
 * @throws DownhillError OPTION-TYPE, DATA-MISMATCH.
 * @example
 * await writeFile('weights.npy', encodeNpy(weights, [784, 100]));
 */
export function encodeNpy(values: NpyValues, shape: readonly number[]): Uint8Array<ArrayBuffer> {
  const name = (Object.keys(WRITTEN) as (keyof typeof WRITTEN)[]).find((type) => values instanceof globalThis[type]);
  if (!name || !Array.isArray(shape)) {
    throw new DownhillError(
      'OPTION-TYPE',
      `encodeNpy expects a typed array and its shape, got ${show(values)} and ${show(shape)}.`,
      'Pass numbers as a Float32Array, say, and their dimensions as a list.',
    );
  }
  if (shape.some((side) => !Number.isSafeInteger(side) || side < 0) || product(shape) !== values.length) {
    throw new DownhillError(
      'DATA-MISMATCH',
      `encodeNpy got ${values.length} values for the shape ${show(shape)}.`,
      'Pass the dimensions of the values: their product is how many there are.',
    );
  }
  const sides = `(${shape.join(', ')}${shape.length === 1 ? ',' : ''})`;
  const text = `{'descr': '${WRITTEN[name]}', 'fortran_order': False, 'shape': ${sides}, }`;
  // The values start at a multiple of 64 bytes, as the format asks.
  const offset = Math.ceil((10 + text.length + 1) / 64) * 64;
  const file = new Uint8Array(offset + values.byteLength);
  file.set([...MAGIC, 1, 0, (offset - 10) & 255, (offset - 10) >> 8]);
  file.set(new TextEncoder().encode(`${text.padEnd(offset - 11)}\n`), 10);
  file.set(new Uint8Array(values.buffer, values.byteOffset, values.byteLength), offset);
  return file;
}

/** The header, or undefined if `bytes` ends before it does; throws as soon as the file cannot be one of numbers. */
export function readNpyHeader(where: string, bytes: Uint8Array): Header | undefined {
  if (bytes.length === 0) throw format(where, 'is empty (0 bytes)', WRONG_FILE);
  if (isPage(bytes)) {
    throw format(
      where,
      `is a web page or XML, not a .npy file: its content starts with '<'`,
      'Check the address: the server answers it with a page.',
    );
  }
  const wrong = MAGIC.findIndex((byte, i) => i < bytes.length && bytes[i] !== byte);
  if (wrong >= 0) {
    const begin = [...bytes.subarray(0, 6)].map((byte) => byte.toString(16).padStart(2, '0')).join(' ');
    throw format(where, `begins with the bytes ${begin}, not with 93 4e 55 4d 50 59 (\\x93NUMPY)`, WRONG_FILE);
  }
  if (bytes.length < 12) return undefined;
  const major = bytes[6]!;
  if (major < 1 || major > 3) {
    throw format(where, `has format ${major}.${bytes[7]} (byte 6); 1.0 to 3.0 are read`, RESAVE);
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, 12);
  const [start, length] = major === 1 ? [10, view.getUint16(8, true)] : [12, view.getUint32(8, true)];
  if (length > MAX_HEADER) {
    throw format(
      where,
      `declares a header of ${formatBytes(length)} at byte 8; ${MAX_HEADER} are the most`,
      WRONG_FILE,
    );
  }
  if (bytes.length < start + length) return undefined;
  const text = new TextDecoder().decode(new Uint8Array(bytes.subarray(start, start + length)));
  return { ...readDescription(where, text), offset: start + length };
}

/** `{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }`, the keys in any order. */
const ENTRY = /\s*(?:'(\w+)'|"(\w+)")\s*:\s*(?:'([^']*)'|"([^"]*)"|(True|False)|\(([\d\sL,]*)\))\s*(?:,|(?=\}))/y;

function readDescription(where: string, text: string): Omit<Header, 'offset'> {
  const shown = `: ${show(text.trim())}`;
  const found: Record<string, string> = Object.create(null);
  const body = text.trim();
  if (/^\{[^[]*['"]descr['"]\s*:\s*\[/.test(body)) {
    throw format(where, `holds records with fields${shown}`, 'Save one array of numbers of one type.');
  }
  let at = body.startsWith('{') ? 1 : 0;
  for (;;) {
    ENTRY.lastIndex = at;
    const match = at > 0 ? ENTRY.exec(body) : null;
    if (!match) break;
    const key = match[1] ?? match[2]!;
    if (key in found) throw format(where, `names ${key} twice in its header${shown}`, WRONG_FILE);
    found[key] = match[3] ?? match[4] ?? match[5] ?? `(${match[6]})`;
    at = ENTRY.lastIndex;
  }
  const { descr, fortran_order: order, shape } = found;
  const whole = at > 0 && /^\s*\}$/.test(body.slice(at)) && Object.keys(found).length === 3;
  if (!whole || descr === undefined || !/^(True|False)$/.test(order ?? '') || !/^\([^()]*\)$/.test(shape ?? '')) {
    throw format(where, `has a header that is none${shown}`, WRONG_FILE);
  }
  const type = /^([<>|=])(\w\d+)$/.exec(descr);
  const known = type && Object.hasOwn(TYPES, type[2]!) ? TYPES[type[2]!]! : undefined;
  if (!known) {
    const kinds: Readonly<Record<string, string>> = { O: 'Python objects', U: 'text', S: 'text', c: 'complex numbers' };
    const kind = kinds[/[A-Za-z]/.exec(descr)?.[0] ?? ''];
    throw format(
      where,
      `holds values of type ${show(descr)}${kind ? `, which are ${kind}` : ''}; f2, f4, f8, u1 to u8, i1 to i8 and b1 are read`,
      RESAVE,
    );
  }
  const sides = readShape(where, shape!.slice(1, -1), shown);
  return {
    shape: sides,
    dtype: type![2]!,
    bigEndian: type![1] === '>',
    fortran: order === 'True',
    size: known.bytes * product(sides),
  };
}

function readShape(where: string, text: string, shown: string): readonly number[] {
  const parts = text.split(',').map((part) => part.trim());
  if (parts.at(-1) === '') parts.pop(); // '(3,)' and '()'
  if (parts.length > MAX_RANK || parts.some((part) => !/^\d{1,15}L?$/.test(part))) {
    throw format(where, `has a shape that is none${shown}`, WRONG_FILE);
  }
  return Object.freeze(parts.map((part) => Number.parseInt(part, 10)));
}

/** A zero makes the whole empty, also where the others multiply to infinity. */
const product = (shape: readonly number[]) => (shape.includes(0) ? 0 : shape.reduce((size, side) => size * side, 1));

function checkLength(where: string, { shape, offset, size }: Header, length: number): void {
  const end = offset + size;
  if (length === end) return;
  const declared = `declares the shape (${shape.join(', ')}), ${formatBytes(size)} after a header of ${offset}`;
  if (length > end) {
    throw format(where, `${declared}, but goes on for ${formatBytes(length - end)} after that`, WRONG_FILE);
  }
  const stride = size / (shape[0] ?? 1);
  const whole = Math.floor((length - offset) / stride);
  const place = shape.length === 0 ? '' : `, after ${whole} of ${shape[0]} rows`;
  throw format(where, `${declared}, but ends at byte ${length}${place}`, TRUNCATED);
}

function readValues(where: string, { dtype, bigEndian, offset, size }: Header, file: Uint8Array): NpyValues {
  const type = TYPES[dtype]!;
  const start = file.byteOffset + offset;
  const count = size / type.bytes;
  const aligned = start % type.bytes === 0 && file.buffer instanceof ArrayBuffer;
  if (aligned && !(bigEndian && type.bytes > 1)) {
    return type.read(file.buffer as ArrayBuffer, start, count, where);
  }
  const copy = new Uint8Array(file.subarray(offset, offset + size));
  if (bigEndian) for (let i = 0; i < size; i += type.bytes) copy.subarray(i, i + type.bytes).reverse();
  return type.read(copy.buffer, 0, count, where);
}

/** Values whose first dimension runs fastest, with the last one fastest. */
function toRowMajor(values: NpyValues, shape: readonly number[]): NpyValues {
  const into = values.slice();
  const strides = shape.map((_, axis) => product(shape.slice(0, axis)));
  const place = shape.map(() => 0);
  let from = 0;
  for (let to = 0; to < into.length; to++) {
    into[to] = values[from]!;
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      from += strides[axis]!;
      if (++place[axis]! < shape[axis]!) break;
      from -= strides[axis]! * shape[axis]!;
      place[axis] = 0;
    }
  }
  return into;
}

export interface Named {
  readonly name: string;
  readonly array: Npy;
}
