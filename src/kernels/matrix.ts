import { type BufferRange, checkBindable, roundUp } from '../gpu/buffers.js';

/*
 * Matrices of a batch: row-major float32 whose rows start at multiples of 4 elements, all replicas one after another; or,
 * as a network's input, rows of the data set, picked by the batch.
 */

/** Elements from one row of an activation matrix to the next. */
export const rowStride = (width: number) => roundUp(width, 4);

/** Bytes of an activation matrix. */
export const matrixBytes = (rows: number, width: number, replicas = 1) => 4 * rows * rowStride(width) * replicas;

/** Throws LIMIT-BINDING when a batch's widest matrix cannot be one binding. */
export function checkActivations(device: GPUDevice, rows: number, widths: readonly number[], replicas = 1): void {
  const widest = Math.max(...widths);
  checkBindable(
    device,
    `A batch of ${rows} rows of ${widest}`,
    matrixBytes(rows, widest, replicas),
    'Use a smaller batch.',
  );
}

/** How raw values become numbers: raw·scale + shift. */
interface Decoding {
  readonly encoding: 'bytes' | 'f32';
  readonly scale: number;
  readonly shift: number;
}

/** The data set as a layer's input: rows picked by `indices`, decoded as raw·scale + shift. */
export interface DenseBatch extends Decoding {
  /** One u32 per row and replica. */
  readonly indices: BufferRange;
}

/** What ops that read a matrix or the data set take. */
export interface InputOperands {
  /** [rows, rowStride(width)] float32, or the data set when `batch` is given. */
  readonly x: BufferRange;
  readonly batch?: DenseBatch | undefined;
}

/** In an op's shape: there where its x is the data set. */
export interface InputShape {
  readonly decoding?: Decoding | undefined;
}

export const inputShape = ({ batch }: InputOperands): InputShape => (batch ? { decoding: batch } : {});

export const inputBuffers = ({ x, batch }: InputOperands) => ({ x, ...(batch && { batch: batch.indices }) });

/** The data set has a binding of its own: as bytes it is read word by word, activations four floats at a time. */
export const inputBindings = (
  { decoding }: InputShape,
  { x, batch }: Readonly<Record<string, BufferRange | undefined>>,
) => (decoding ? { data: x, batch } : { x });

/** Constants of a kernel that reads an input. */
export const inputConstants = ({ decoding }: InputShape) => ({
  GATHER: decoding !== undefined,
  BYTES: decoding?.encoding === 'bytes',
  SCALE: decoding?.scale ?? 1,
  SHIFT: decoding?.shift ?? 0,
});
