import type { SafeTensor } from './dtypes.js';

/* Tensors as a file has them. Apart from what reads files, which is loaded when one is read. */

const bytesOf = ({ buffer, byteOffset, byteLength }: ArrayBufferView): Uint8Array =>
  new Uint8Array(buffer, byteOffset, byteLength);

/** Float32 values as a tensor of a file; shares their memory. */
export const floatTensor = (shape: readonly number[], values: Float32Array): SafeTensor => ({
  dtype: 'F32',
  shape,
  bytes: bytesOf(values),
});

/** Whole numbers as a tensor of a file. */
export const integerTensor = (shape: readonly number[], values: ArrayLike<number>): SafeTensor => ({
  dtype: 'I64',
  shape,
  bytes: bytesOf(BigInt64Array.from(Array.from(values, BigInt))),
});

/** PyTorch's shape of a tensor that is [in, out] here. */
export const savedShape = (shape: readonly number[]): readonly number[] =>
  shape.length === 2 ? [shape[1]!, shape[0]!] : shape;

/** The values of a matrix the other way around: [rows, columns] becomes [columns, rows]; all else stays. */
export function transposed(values: Float32Array, shape: readonly number[]): Float32Array<ArrayBuffer> {
  const out = new Float32Array(values.length);
  if (shape.length !== 2) {
    out.set(values);
    return out;
  }
  const [rows, columns] = shape as readonly [number, number];
  for (let row = 0; row < rows; row++)
    for (let column = 0; column < columns; column++) out[column * rows + row] = values[row * columns + column]!;
  return out;
}
