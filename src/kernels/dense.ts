import { type BufferRange, checkBindable, roundUp } from '../gpu/buffers.js';
import type { PassSpec } from '../gpu/pipelines.js';
import { denseForwardShader } from '../shaders/nn/dense_forward.gen.js';
import { denseInputGradientShader } from '../shaders/nn/dense_input_gradient.gen.js';
import { denseWeightGradientShader } from '../shaders/nn/dense_weight_gradient.gen.js';

/*
 * The three products of a dense layer as dispatches. Matrices are row-major float32; the rows of x, y and their gradients
 * start at multiples of 4 elements (`rowStride`), weights are dense [inputs, outputs].
 */

/** The activations the kernels know, in the order of their numbers in the WGSL files. */
export const KERNEL_ACTIVATIONS = ['linear', 'relu', 'leaky-relu', 'tanh', 'sigmoid', 'gelu', 'silu'] as const;
export type KernelActivation = (typeof KERNEL_ACTIVATIONS)[number];

/** Activations whose gradient is computed from their input: the forward product then also writes `saved`. */
export const savesInput = (activation: KernelActivation) => activation === 'gelu' || activation === 'silu';

/** Elements from one row of an activation matrix to the next. */
export const rowStride = (width: number) => roundUp(width, 4);

/** Bytes of an activation matrix. */
export const matrixBytes = (rows: number, width: number, replicas = 1) => 4 * rows * rowStride(width) * replicas;

const WORKGROUP = 32;

/** What the three products of one layer share. */
export interface DenseShape {
  readonly label: string;
  /** Rows of a batch. */
  readonly rows: number;
  readonly inputs: number;
  readonly outputs: number;
  /** Networks of this shape that run in the same dispatch, each with its own stride of every buffer. Default 1. */
  readonly replicas?: number;
  /** Elements from one replica's parameters to the next's. Default 0. */
  readonly parameterStride?: number;
  /** Where the layer's weights come in pieces along the inputs (an arena split at a limit): this one. Default: whole. */
  readonly piece?: DensePiece;
}

export interface DensePiece {
  /** First input of the piece, a multiple of 4. */
  readonly begin: number;
  /** Inputs of the piece. */
  readonly inputs: number;
  readonly first: boolean;
  /** The last piece carries the bias. */
  readonly last: boolean;
}

/** The data set as a layer's input: rows picked by `indices`, decoded as raw·scale + shift. */
export interface DenseBatch {
  /** One u32 per row and replica. */
  readonly indices: BufferRange;
  readonly encoding: 'bytes' | 'f32';
  readonly scale: number;
  readonly shift: number;
}

const wholePiece = ({ inputs }: DenseShape): DensePiece => ({ begin: 0, inputs, first: true, last: true });

function batchConstants(batch: DenseBatch | undefined) {
  return {
    GATHER: batch !== undefined,
    BYTES: batch?.encoding === 'bytes',
    SCALE: batch?.scale ?? 1,
    SHIFT: batch?.shift ?? 0,
  };
}

/** The data set has a binding of its own: as bytes it is read word by word, activations four floats at a time. */
const inputRange = (x: BufferRange, batch: DenseBatch | undefined) =>
  batch ? { data: x, batch: batch.indices } : { x };

/** Workgroups for tiles of `height` × 4, a workgroup's lanes side by side. */
const tiles = (along: number, height: number, lanes: number) =>
  Math.ceil(along / height) * Math.ceil(lanes / (4 * WORKGROUP));

/**
 * y = act(x·W + b).
 *
 * @param x [rows, rowStride(inputs)] float32, or the data set when `batch` is given
 * @param params W dense [inputs, outputs] and, `bias` elements after its start, b
 * @param y [rows, rowStride(outputs)], written
 * @param saved as y: gets x·W + b, needed where {@link savesInput}
 */
export function denseForward(
  shape: DenseShape & {
    readonly x: BufferRange;
    readonly params: BufferRange;
    /** Elements from the piece's first weight to the bias. */
    readonly bias: number;
    readonly y: BufferRange;
    readonly saved?: BufferRange;
    readonly activation: KernelActivation;
    readonly batch?: DenseBatch;
  },
): PassSpec {
  const { rows, inputs, outputs, replicas = 1, activation, batch } = shape;
  const piece = shape.piece ?? wholePiece(shape);
  return {
    label: shape.label,
    shader: denseForwardShader,
    constants: {
      ROWS: rows,
      K: piece.inputs,
      N: outputs,
      K_BEGIN: piece.begin,
      X_STRIDE: rowStride(inputs),
      Y_STRIDE: rowStride(outputs),
      PARAM_STRIDE: shape.parameterStride ?? 0,
      BIAS: shape.bias,
      ACTIVATION: KERNEL_ACTIVATIONS.indexOf(activation),
      FIRST: piece.first,
      LAST: piece.last,
      SAVE: shape.saved !== undefined,
      WORKGROUP,
      ...batchConstants(batch),
    },
    buffers: { ...inputRange(shape.x, batch), params: shape.params, y: shape.y, saved: shape.saved },
    groups: tiles(rows, 4, outputs),
    replicas,
  };
}

/**
 * dx = (dy·Wᵀ) ⊙ act'(saved): the gradient at the pre-activation of the layer below.
 *
 * @param dy [rows, rowStride(outputs)], the gradient at this layer's pre-activation
 * @param saved [rows, rowStride(inputs)]: the output of the layer below, or its pre-activation where {@link savesInput}
 * @param dx as saved, written
 */
export function denseInputGradient(
  shape: DenseShape & {
    readonly dy: BufferRange;
    readonly params: BufferRange;
    readonly saved: BufferRange;
    readonly dx: BufferRange;
    /** Of the layer below. */
    readonly activation: KernelActivation;
  },
): PassSpec {
  const { rows, inputs, outputs, replicas = 1 } = shape;
  const piece = shape.piece ?? wholePiece(shape);
  return {
    label: shape.label,
    shader: denseInputGradientShader,
    constants: {
      ROWS: rows,
      K: piece.inputs,
      N: outputs,
      K_BEGIN: piece.begin,
      X_STRIDE: rowStride(inputs),
      DY_STRIDE: rowStride(outputs),
      PARAM_STRIDE: shape.parameterStride ?? 0,
      ACTIVATION: KERNEL_ACTIVATIONS.indexOf(shape.activation),
      WORKGROUP,
    },
    buffers: { dy: shape.dy, params: shape.params, saved: shape.saved, dx: shape.dx },
    groups: tiles(rows, 4, piece.inputs),
    replicas,
  };
}

/**
 * dW = xᵀ·dy and db = Σ_rows dy.
 *
 * @param x as for {@link denseForward}
 * @param dy [rows, rowStride(outputs)], the gradient at this layer's pre-activation, already divided by the valid rows
 * @param grads laid out as `params` of {@link denseForward}, written
 */
export function denseWeightGradient(
  shape: DenseShape & {
    readonly x: BufferRange;
    readonly dy: BufferRange;
    readonly grads: BufferRange;
    readonly bias: number;
    readonly batch?: DenseBatch;
  },
): PassSpec {
  const { rows, inputs, outputs, replicas = 1, batch } = shape;
  const piece = shape.piece ?? wholePiece(shape);
  return {
    label: shape.label,
    shader: denseWeightGradientShader,
    constants: {
      ROWS: rows,
      K: piece.inputs,
      N: outputs,
      K_BEGIN: piece.begin,
      X_STRIDE: rowStride(inputs),
      DY_STRIDE: rowStride(outputs),
      PARAM_STRIDE: shape.parameterStride ?? 0,
      BIAS: shape.bias,
      LAST: piece.last,
      WORKGROUP,
      ...batchConstants(batch),
    },
    buffers: { ...inputRange(shape.x, batch), dy: shape.dy, grads: shape.grads },
    groups: tiles(piece.inputs, 8, outputs),
    replicas,
  };
}

/** Throws LIMIT-BINDING when a batch's widest activation cannot be one binding. */
export function checkActivations(device: GPUDevice, rows: number, sizes: readonly number[], replicas = 1): void {
  const widest = Math.max(...sizes);
  checkBindable(
    device,
    `A batch of ${rows} rows of ${widest}`,
    matrixBytes(rows, widest, replicas),
    'Use a smaller batch.',
  );
}
