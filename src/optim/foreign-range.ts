import { roundUp } from '../gpu/buffers.js';
import { USAGE } from '../gpu/constants.js';
import { DownhillError, show } from '../gpu/errors.js';
import { checkChoice, checkOptions } from '../gpu/fields.js';

/* One range of the caller's: its usage, size, alignment, and how its numbers are stored. */

/** How a number of the caller's is stored. */
export type ForeignDtype = 'f32' | 'f16';

/**
 * A buffer of the caller's, or a range of it. Bytes, multiples of 4, or of 2 for halves; `size` follows from the shape, and is
 * checked where it is given. With a `stride` the rows (the items of the first axis) lie so many bytes apart, no less than a row
 * has; nothing between them is touched.
 *
 * `dtype: 'f16'` is IEEE half precision, on any device. Of such parameters the optimizer keeps a float32 `master`, which it
 * updates; the buffer then gets the master's nearest halves.
 */
export type ForeignRange =
  | GPUBuffer
  | {
      readonly buffer: GPUBuffer;
      readonly offset?: number;
      readonly size?: number;
      readonly stride?: number;
      readonly dtype?: ForeignDtype;
    };

/** Bytes of a number. */
export const bytesOf = ({ dtype }: { readonly dtype?: 'f16' }): 2 | 4 => (dtype === 'f16' ? 2 : 4);

const isBuffer = (value: unknown): value is GPUBuffer =>
  typeof (value as GPUBuffer | undefined)?.mapAsync === 'function' && typeof (value as GPUBuffer).size === 'number';

/** What has a `buffer` is a range; anything else is refused for what it is. */
const isRange = (value: unknown): boolean => isBuffer((value as { buffer?: unknown } | null | undefined)?.buffer);

/** A whole range of the caller's, or rows of one; a stride that is none is left out, and so is a dtype that is f32. */
export interface AdoptedRange {
  readonly buffer: GPUBuffer;
  readonly offset: number;
  readonly stride?: number;
  readonly dtype?: 'f16';
}

/** What a range must hold: so many rows of so many elements; 1 where it is taken as a whole. */
interface Extent {
  readonly rows: number;
  readonly width: number;
  /** Of an element, where the caller does not say; none where nothing but 32 bits will do. */
  readonly dtype?: ForeignDtype;
}

/** @throws DownhillError BUFFER-*, OPTION-*. */
export function adoptRange(where: string, given: unknown, { rows, width, dtype: usual }: Extent): AdoptedRange {
  const keys = ['buffer', 'offset', 'size', 'stride', ...(usual ? ['dtype'] : [])];
  if (isRange(given)) checkOptions(where, given, keys);
  const { dtype = usual } = isRange(given) ? (given as { readonly dtype?: unknown }) : {};
  if (dtype !== undefined) checkChoice(`${where}.dtype`, dtype, ['f32', 'f16']);
  const half = dtype === 'f16' ? ({ dtype: 'f16' } as const) : {};
  const bytesEach = bytesOf(half);
  const row = bytesEach * width;
  /** Nothing but whole elements can be addressed. */
  const isWhole = (bytes: unknown): bytes is number => Number.isInteger(bytes) && (bytes as number) % bytesEach === 0;
  const {
    buffer,
    offset = 0,
    size,
    stride = row,
  } = isBuffer(given) ? { buffer: given } : ((given ?? {}) as Readonly<Record<string, unknown>>);
  if (!isBuffer(buffer)) {
    throw new DownhillError(
      'OPTION-TYPE',
      `${where} must be a GPUBuffer or { buffer, offset }, got ${show(given)}.`,
      'Pass the buffer that holds it.',
    );
  }
  const refuse = (what: string, fix: string): never => {
    throw new DownhillError('BUFFER-RANGE', `${where}${what}`, fix);
  };
  if (!isWhole(offset) || offset < 0) {
    return refuse(
      `: the offset ${show(offset)} is not a multiple of ${bytesEach} bytes.`,
      `Start the range at a whole ${half.dtype ?? 'float'}.`,
    );
  }
  if (!isWhole(stride) || stride < row) {
    return refuse(
      `: the stride ${show(stride)} is not a multiple of ${bytesEach} bytes that holds the ${row} of a row.`,
      'Pass the bytes from one row to the next.',
    );
  }
  const bytes = rows * width > 0 ? (rows - 1) * stride + row : 0;
  if (size !== undefined && (!isWhole(size) || size < bytes)) {
    return refuse(
      `: the size ${show(size)} is not a multiple of ${bytesEach} bytes that holds the ${bytes} of its shape.`,
      'Leave size out, or pass the bytes of the whole tensor.',
    );
  }
  if ((buffer.usage & USAGE.STORAGE) === 0) {
    throw new DownhillError(
      'BUFFER-USAGE',
      `${where}: its buffer lacks the usage STORAGE.`,
      'Create the buffer with GPUBufferUsage.STORAGE.',
    );
  }
  // WebGPU binds whole words.
  if (roundUp(offset + bytes, 4) > buffer.size) {
    const inWords = (offset + bytes) % 4 > 0 ? ', in whole words' : '';
    return refuse(
      ` needs ${bytes} bytes from ${offset} on${inWords}, but its buffer has ${buffer.size}.`,
      'Check shape and offset, or make the buffer larger.',
    );
  }
  if (size !== undefined && offset + (size as number) > buffer.size) {
    return refuse(
      `: ${size} bytes from ${offset} on reach beyond its buffer of ${buffer.size}.`,
      'Leave size out, or pass the bytes of the whole tensor.',
    );
  }
  if (buffer.mapState !== 'unmapped') {
    throw new DownhillError(
      'BUFFER-INVALID',
      `${where}: its buffer is mapped (${buffer.mapState}).`,
      'Unmap it first.',
    );
  }
  return { buffer, offset, ...(stride !== row && { stride }), ...half };
}
