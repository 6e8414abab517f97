import { crc32 } from '../data/crc32.js';
import { DownhillError, show } from '../gpu/errors.js';
import { DTYPES, type SafeTensor } from './dtypes.js';
import { corrupt, type Entry, elementsIn, isName, readHeader } from './safetensors-header.js';

/*
 * safetensors: 8 bytes with the length of the header, little-endian; the header, JSON; the tensors' bytes, without a gap.
 * Files of ours have a checksum over all three in their metadata.
 */

/** What a file holds. */
export interface SafeTensors {
  /** By name, in the order in which they lie in the file. */
  readonly tensors: ReadonlyMap<string, SafeTensor>;
  readonly metadata: ReadonlyMap<string, string>;
}

/** As the format's own implementation has it. */
const MAX_HEADER = 100_000_000;
const LENGTH_BYTES = 8;
const CHECKSUM = 'downhill_crc32';
/** Its value, 8 digits behind it. Both key and value say whose file it is: no flip of one bit makes it a stranger's. */
const CHECKSUM_MARK = 'downhill crc32 ';
const DIGITS = 8;

const byText = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0);

/**
 * A safetensors file: the same tensors and texts give the same bytes, in whatever order they come. Tensors lie by the size
 * of their elements and then by name, so that each begins at a multiple of that size. A checksum over everything goes into
 * the metadata, which others' readers do not mind.
 *
 * @example encodeSafetensors(new Map([['0.weight', { dtype: 'F32', shape: [10, 784], bytes }]]), { format: 'pt' })
 * @throws DownhillError OPTION-RANGE for a name that is empty, has control characters or is a property of every object;
 *   OPTION-TYPE for what is no tensor or no text; SHAPE-MISMATCH where bytes and shape differ
 */
export function encodeSafetensors(
  tensors: ReadonlyMap<string, SafeTensor>,
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array<ArrayBuffer> {
  checkInput(tensors, metadata);
  const sorted = [...tensors].sort(
    ([a, { dtype: one }], [b, { dtype: two }]) => DTYPES[two] - DTYPES[one] || byText(a, b),
  );
  const texts = Object.entries({ ...metadata, [CHECKSUM]: CHECKSUM_MARK + '0'.repeat(DIGITS) });
  const entries: string[] = [];
  const entry = (key: string, value: unknown) => entries.push(`${JSON.stringify(key)}:${JSON.stringify(value)}`);
  for (const [key] of texts) checkName(key);
  entry('__metadata__', Object.fromEntries(texts.sort(([a], [b]) => byText(a, b))));
  let at = 0;
  for (const [name, { dtype, shape, bytes }] of sorted) {
    checkName(name);
    checkSize(name, { dtype, shape, bytes });
    entry(name, { dtype, shape, data_offsets: [at, at + bytes.length] });
    at += bytes.length;
  }
  const text = new TextEncoder().encode(`{${entries.join(',')}}`);
  const header = Math.ceil(text.length / 8) * 8;
  if (header > MAX_HEADER) {
    throw new DownhillError(
      'OPTION-RANGE',
      `The header would take ${header} bytes; ${MAX_HEADER} are the most.`,
      'Save fewer tensors, or shorter texts.',
    );
  }
  const file = new Uint8Array(LENGTH_BYTES + header + at);
  new DataView(file.buffer).setBigUint64(0, BigInt(header), true);
  file.fill(0x20, LENGTH_BYTES, LENGTH_BYTES + header);
  file.set(text, LENGTH_BYTES);
  let place = LENGTH_BYTES + header;
  for (const [, { bytes }] of sorted) {
    file.set(bytes, place);
    place += bytes.length;
  }
  const digits = crc32(file).toString(16).padStart(DIGITS, '0');
  file.set(new TextEncoder().encode(digits), checksumPlace(file.subarray(LENGTH_BYTES, LENGTH_BYTES + text.length)));
  return file;
}

/** The byte of the file at which the digits of the checksum stand, in a header of ours. */
function checksumPlace(header: Uint8Array): number {
  const { metadata } = readHeader(new TextDecoder().decode(header), LENGTH_BYTES);
  return metadata.get(CHECKSUM)!.at + CHECKSUM_MARK.length;
}

function checkInput(tensors: unknown, metadata: unknown): void {
  if (!(tensors instanceof Map)) {
    throw new DownhillError(
      'OPTION-TYPE',
      `encodeSafetensors takes a Map of tensors by name, got ${show(tensors)}.`,
      'Pass new Map(Object.entries(tensors)).',
    );
  }
  for (const [name, tensor] of tensors as Map<unknown, Partial<SafeTensor> | undefined>) {
    const { dtype, shape, bytes } = tensor ?? {};
    if (
      typeof dtype === 'string' &&
      Object.hasOwn(DTYPES, dtype) &&
      Array.isArray(shape) &&
      bytes instanceof Uint8Array
    )
      continue;
    throw new DownhillError(
      'OPTION-TYPE',
      `Tensor ${show(name)} must be { dtype, shape, bytes } with a dtype of the format, got ${show(tensor)}.`,
      'Make it with floatTensor(shape, values).',
    );
  }
  const texts = typeof metadata === 'object' && metadata !== null ? Object.entries(metadata) : undefined;
  const bad = texts?.find(([, text]) => typeof text !== 'string');
  if (texts && !bad) return;
  throw new DownhillError(
    'OPTION-TYPE',
    `The metadata must be texts by name, got ${bad ? `${show(bad[1])} for ${show(bad[0])}` : show(metadata)}.`,
    'Pass strings, such as JSON.stringify(value).',
  );
}

function checkName(name: string): void {
  if (isName(name) && name !== '__metadata__') return;
  throw new DownhillError(
    'OPTION-RANGE',
    `${show(name)} cannot be a name in a safetensors file.`,
    'Use letters, digits and dots.',
  );
}

function checkSize(name: string, { dtype, shape, bytes }: SafeTensor): void {
  const whole = shape.every((size) => Number.isSafeInteger(size) && size >= 0);
  if (whole && elementsIn(shape)! * DTYPES[dtype] === bytes.length) return;
  throw new DownhillError(
    'SHAPE-MISMATCH',
    `Tensor ${show(name)}, [${shape.join(', ')}] of ${show(dtype)}, has ${bytes.length} bytes.`,
    'Give it as many bytes as its shape and dtype say.',
  );
}

/**
 * Reads a safetensors file, ours or anybody's, strictly: nothing of it is given out before all of it is good. The tensors
 * share the memory of `bytes`.
 *
 * @throws DownhillError CHECKPOINT-CORRUPT with the byte or the tensor: a header that is cut off, too long, not UTF-8, not
 *   JSON of the format's form, or has a name twice; a shape, dtype or offset that is none; tensors that overlap, leave a
 *   gap or end beyond the file; bytes behind the last; for files of ours, whatever the checksum finds. OPTION-TYPE for what
 *   is no Uint8Array.
 */
export function decodeSafetensors(bytes: Uint8Array): SafeTensors {
  if (!(bytes instanceof Uint8Array)) {
    throw new DownhillError(
      'OPTION-TYPE',
      `A file is needed as a Uint8Array, got ${show(bytes)}.`,
      'Pass its bytes: new Uint8Array(arrayBuffer).',
    );
  }
  // Node's files come as Buffers, whose slice() is no copy.
  const file = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const header = headerOf(file);
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(header);
  } catch {
    throw corrupt('The header is no UTF-8', LENGTH_BYTES);
  }
  const { entries, metadata } = readHeader(text, LENGTH_BYTES);
  const payload = file.subarray(LENGTH_BYTES + header.length);
  const ordered = [...entries].sort((a, b) => a.begin - b.begin || a.end - b.end);
  checkOrder(ordered, payload.length, LENGTH_BYTES + header.length);
  checkSum(file, metadata);
  return {
    tensors: new Map(
      ordered.map(({ name, dtype, shape, begin, end }) => [
        name,
        { dtype, shape: Object.freeze(shape), bytes: payload.subarray(begin, end) },
      ]),
    ),
    metadata: new Map([...metadata].filter(([key]) => key !== CHECKSUM).map(([key, { value }]) => [key, value])),
  };
}

function headerOf(file: Uint8Array): Uint8Array {
  if (file.length < LENGTH_BYTES) {
    throw corrupt(`The file ends after ${file.length} bytes; the length of its header alone takes ${LENGTH_BYTES}`);
  }
  const length = new DataView(file.buffer, file.byteOffset).getBigUint64(0, true);
  if (length > BigInt(MAX_HEADER)) {
    throw corrupt(`The header says it is ${length} bytes long; ${MAX_HEADER} are the most`, 0);
  }
  if (length > BigInt(file.length - LENGTH_BYTES)) {
    throw corrupt(`The header says it is ${length} bytes long, but the file has ${file.length}`, 0);
  }
  return file.subarray(LENGTH_BYTES, LENGTH_BYTES + Number(length));
}

/** Every byte of the payload is one tensor's. */
function checkOrder(ordered: readonly Entry[], bytes: number, first: number): void {
  let at = 0;
  for (const { name, begin, end } of ordered) {
    const where = `Tensor ${show(name)}, from ${begin} to ${end} of the data,`;
    if (begin < at) throw corrupt(`${where} overlaps the one before, which ends at ${at}`, first + begin);
    if (begin > at) throw corrupt(`${where} leaves a hole of ${begin - at} bytes before it`, first + at);
    if (end > bytes) throw corrupt(`${where} ends beyond the ${bytes} bytes of the file's data`, first + bytes);
    at = end;
  }
  if (at < bytes) throw corrupt(`${bytes - at} bytes follow the last tensor`, first + at);
}

function checkSum(file: Uint8Array, metadata: ReadonlyMap<string, { readonly value: string; readonly at: number }>) {
  const marked = [...metadata].some(([key, { value }]) => key.startsWith('downhill') || value.startsWith('downhill'));
  if (!marked) return;
  const { value = '', at = 0 } = metadata.get(CHECKSUM) ?? {};
  const digits = value.slice(CHECKSUM_MARK.length);
  if (!value.startsWith(CHECKSUM_MARK) || !/^[\da-f]{8}$/.test(digits)) {
    throw corrupt('The metadata says that downhill wrote the file, but its checksum is damaged', at);
  }
  const place = at + CHECKSUM_MARK.length;
  const before = crc32(file.subarray(0, place));
  const zeros = crc32(new TextEncoder().encode('0'.repeat(DIGITS)), before);
  const sum = crc32(file.subarray(place + DIGITS), zeros);
  if (sum === Number.parseInt(digits, 16)) return;
  throw corrupt(
    `The checksum of the file is ${sum.toString(16).padStart(DIGITS, '0')}, but ${digits} was saved: some bits of it have changed`,
    place,
  );
}
