import { DownhillError, show } from '../gpu/errors.js';

/** Bytes of one element, by the names of the safetensors format. */
export const DTYPES = {
  F64: 8,
  I64: 8,
  U64: 8,
  C64: 8,
  F32: 4,
  I32: 4,
  U32: 4,
  F16: 2,
  BF16: 2,
  I16: 2,
  U16: 2,
  I8: 1,
  U8: 1,
  BOOL: 1,
  F8_E4M3: 1,
  F8_E5M2: 1,
} as const;
export type Dtype = keyof typeof DTYPES;

/** A tensor of a file, as it lies there: row-major, little-endian. */
export interface SafeTensor {
  readonly dtype: Dtype;
  /** Empty for a scalar. */
  readonly shape: readonly number[];
  readonly bytes: Uint8Array;
}

/** Half precision (5 bits of exponent, 10 of fraction) as the float32 of the same value. */
function fromHalf(bits: number): number {
  const [exponent, fraction] = [(bits >>> 10) & 31, bits & 1023];
  const sign = bits >>> 15 ? -1 : 1;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

/** How the floats of a dtype become float32; from `copy`, which starts at a multiple of 8. */
const floats: Partial<Record<Dtype, (copy: ArrayBuffer) => Float32Array<ArrayBuffer>>> = {
  F32: (copy) => new Float32Array(copy),
  F64: (copy) => Float32Array.from(new Float64Array(copy)),
  F16: (copy) => Float32Array.from(new Uint16Array(copy), fromHalf),
  BF16: (copy) => new Float32Array(Uint32Array.from(new Uint16Array(copy), (bits) => bits << 16).buffer),
};

/**
 * The values of a tensor of floats: exactly those of F32, F16 and BF16; F64 rounded to the nearest float32.
 *
 * @param where names the tensor in messages
 * @throws DownhillError CHECKPOINT-MISMATCH for a dtype that has no float32 values.
 */
export function toFloats(where: string, { dtype, bytes }: SafeTensor): Float32Array<ArrayBuffer> {
  const convert = floats[dtype];
  if (convert) return convert(bytes.slice().buffer as ArrayBuffer);
  throw new DownhillError(
    'CHECKPOINT-MISMATCH',
    `Tensor ${show(where)} holds ${dtype}; ${Object.keys(floats).join(', ')} become weights.`,
    'Convert it to float32 before saving.',
  );
}

/**
 * The values of a tensor of 64-bit integers.
 *
 * @throws DownhillError CHECKPOINT-MISMATCH for another dtype, and beyond 2^53.
 */
export function toIntegers(where: string, { dtype, bytes }: SafeTensor): number[] {
  const values = dtype === 'I64' ? Array.from(new BigInt64Array(bytes.slice().buffer as ArrayBuffer), Number) : [];
  if (dtype === 'I64' && values.every(Number.isSafeInteger)) return values;
  throw new DownhillError(
    'CHECKPOINT-MISMATCH',
    `Tensor ${show(where)} holds ${dtype === 'I64' ? 'integers beyond 2^53' : dtype}; counters are I64.`,
    'Save it again as int64.',
  );
}
