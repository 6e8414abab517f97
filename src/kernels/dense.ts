import type { BufferRange } from '../gpu/buffers.js';
import { DownhillError } from '../gpu/errors.js';
import type { PassSpec } from '../gpu/passes.js';
import { denseForwardShader } from '../shaders/nn/dense_forward.gen.js';
import { denseInputGradientShader } from '../shaders/nn/dense_input_gradient.gen.js';
import { denseWeightGradientShader } from '../shaders/nn/dense_weight_gradient.gen.js';
import type { Shader } from '../shaders/shader.js';
import { type ActivationGradientOp, type ActivationOp, activationConstants } from './activation.js';
import { formOf } from './lower.js';
import {
  type InputOperands,
  type InputShape,
  inputBindings,
  inputBuffers,
  inputConstants,
  inputShape,
  rowStride,
} from './matrix.js';
import { checkOperands, type Form, type Op } from './op.js';

/*
 * The three products of a dense layer as ops, and their forms: tiles in registers, the activation beside a product fused.
 * Weights are dense [inputs, outputs], float32.
 */

/** Part of a tensor: all of it, or what a limit of the device has left in one buffer. */
export interface Piece {
  /** From the first element of the part, over all replicas. */
  readonly range: BufferRange;
  /** Elements from one replica's to the next's. */
  readonly stride: number;
  /** First element of the tensor that lies here; of weights a multiple of 4 rows. */
  readonly start: number;
  readonly elements: number;
}

/** What the three products of one layer share. */
export interface DenseOperands {
  readonly label: string;
  /** Rows of a batch. */
  readonly rows: number;
  readonly inputs: number;
  readonly outputs: number;
  /** Networks of this shape that run in the same dispatch, each with its own stride of every buffer. Default 1. */
  readonly replicas?: number;
  /** W, or its gradient: in one piece or several, by `start`. */
  readonly weight: readonly Piece[];
}

export interface DenseShape extends InputShape {
  readonly rows: number;
  readonly inputs: number;
  readonly outputs: number;
  /** Of the buffers 'weight-0', 'weight-1' …: inputs [begin, begin + inputs). */
  readonly pieces: readonly { readonly begin: number; readonly inputs: number; readonly stride: number }[];
  /** Adds to what stands at y. */
  readonly onto?: boolean | undefined;
  /** There where there is a bias, in the buffer 'bias'. */
  readonly biasStride?: number | undefined;
}

export type DenseOp = Op<'dense', DenseShape>;
export type DenseInputGradientOp = Op<'dense-input-gradient', DenseShape>;
export type DenseWeightGradientOp = Op<'dense-weight-gradient', DenseShape>;

/** A tensor that lies in one range. */
export const wholePiece = (range: BufferRange, elements: number, stride = 0): Piece => ({
  range,
  stride,
  start: 0,
  elements,
});

/**
 * y = x·W + b.
 *
 * @param y [rows, rowStride(outputs)], written
 * @param onto adds to what stands there. Default false.
 */
export const dense = (
  operands: DenseOperands &
    InputOperands & {
      readonly bias?: Piece | undefined;
      readonly y: BufferRange;
      readonly onto?: boolean | undefined;
    },
): DenseOp => product('dense', operands, { ...inputBuffers(operands), y: operands.y });

/**
 * dx = dy·Wᵀ.
 *
 * @param dy [rows, rowStride(outputs)], the gradient at this layer's output
 * @param dx [rows, rowStride(inputs)], written
 */
export const denseInputGradient = (
  operands: DenseOperands & { readonly dy: BufferRange; readonly dx: BufferRange },
): DenseInputGradientOp => product('dense-input-gradient', operands, { dy: operands.dy, dx: operands.dx });

/**
 * dW = xᵀ·dy and db = Σ_rows dy.
 *
 * @param dy [rows, rowStride(outputs)], the gradient at this layer's output, already divided by the valid rows
 * @param weight of dW, written
 * @param bias of db, written
 */
export const denseWeightGradient = (
  operands: DenseOperands & InputOperands & { readonly bias?: Piece | undefined; readonly dy: BufferRange },
): DenseWeightGradientOp => product('dense-weight-gradient', operands, { ...inputBuffers(operands), dy: operands.dy });

function product<K extends string>(
  kind: K,
  operands: DenseOperands &
    Partial<InputOperands> & { readonly bias?: Piece | undefined; readonly onto?: boolean | undefined },
  buffers: Record<string, BufferRange | undefined>,
): Op<K, DenseShape> {
  const { label, rows, inputs, outputs, replicas = 1, weight, bias, batch, onto } = operands;
  const parts = Object.fromEntries((weight ?? [undefined]).map((piece, i) => [`weight[${i}]`, piece?.range]));
  checkOperands(label, { rows, inputs, outputs, replicas }, { ...parts, ...buffers });
  let next = 0;
  const pieces = weight.map(({ start, elements, stride }) => {
    if (start !== next || start % (4 * outputs) !== 0 || elements % outputs !== 0) throw noPieces(label);
    next += elements;
    return { begin: start / outputs, inputs: elements / outputs, stride };
  });
  if (next !== inputs * outputs || (bias && bias.elements !== outputs)) throw noPieces(label);
  return {
    kind,
    label,
    shape: {
      rows,
      inputs,
      outputs,
      pieces,
      biasStride: bias?.stride,
      ...(onto && { onto }),
      ...(batch && inputShape({ x: batch.indices, batch })),
    },
    buffers: {
      ...buffers,
      ...Object.fromEntries(weight.map(({ range }, i) => [`weight-${i}`, range])),
      bias: bias?.range,
    },
    replicas,
  };
}

const noPieces = (label: string) =>
  new DownhillError(
    'SHAPE-INVALID',
    `${label}: the pieces of a weight matrix must follow one another, split at multiples of 4 inputs, the bias be whole.`,
    'Pass pieces that cover inputs × outputs elements.',
  );

const WORKGROUP = 32;

/** Workgroups for tiles of `height` × 4, a workgroup's lanes side by side. */
const tiles = (along: number, height: number, lanes: number) =>
  Math.ceil(along / height) * Math.ceil(lanes / (4 * WORKGROUP));

/** What every form's kernel of a product is given, whatever its tiles. */
export type ProductPass = Pick<PassSpec, 'buffers'> & {
  readonly constants: Readonly<Record<string, number | boolean>>;
  readonly shape: Readonly<Record<string, number>>;
};

type Pieced = Omit<PassSpec, 'label' | 'replicas'>;

/** A pass for each piece of W. */
export const perPiece = <S extends DenseShape>(
  { label, shape, replicas }: Op<string, S>,
  pass: (i: number) => Pieced | readonly Pieced[],
): PassSpec[] =>
  shape.pieces.flatMap((_, i) =>
    [pass(i)].flat().map((each) => ({
      label: shape.pieces.length > 1 ? `${label}.${i}` : label,
      replicas,
      ...each,
    })),
  );

const IDENTITY = { activation: 'identity' } as const;

/**
 * @param i which piece of W
 * @param next takes the product's output in the same pass
 */
export function forwardPass({ shape, buffers }: DenseOp, i: number, next?: ActivationOp): ProductPass {
  const { rows, inputs, outputs, pieces, biasStride, onto = false } = shape;
  const piece = pieces[i]!;
  const last = i === pieces.length - 1;
  const bias = last && biasStride !== undefined;
  const save = last && next?.shape.keep === true;
  return {
    constants: {
      ...activationConstants(next?.shape ?? IDENTITY),
      FIRST: i === 0 && !onto,
      LAST: last,
      BIAS: bias,
      SAVE: save,
      ...inputConstants(shape),
    },
    shape: {
      rows,
      k: piece.inputs,
      n: outputs,
      k_begin: piece.begin,
      x_stride: rowStride(inputs),
      y_stride: rowStride(outputs),
      weight_stride: piece.stride,
      bias_stride: biasStride ?? 0,
    },
    buffers: {
      ...inputBindings(shape, buffers),
      weight: buffers[`weight-${i}`],
      bias: bias ? buffers.bias : undefined,
      y: next ? next.buffers.y : buffers.y,
      saved: save ? buffers.y : undefined,
    },
  };
}

/** @param next takes the product's result in the same pass */
export function inputGradientPass(
  { shape, buffers }: DenseInputGradientOp,
  i: number,
  next?: ActivationGradientOp,
): ProductPass {
  const { rows, inputs, outputs, pieces } = shape;
  const piece = pieces[i]!;
  return {
    constants: activationConstants(next?.shape ?? IDENTITY),
    shape: {
      rows,
      k: piece.inputs,
      n: outputs,
      k_begin: piece.begin,
      dx_stride: rowStride(inputs),
      dy_stride: rowStride(outputs),
      weight_stride: piece.stride,
    },
    buffers: {
      dy: buffers.dy,
      weight: buffers[`weight-${i}`],
      saved: next?.buffers.saved,
      dx: next ? next.buffers.dx : buffers.dx,
    },
  };
}

export function weightGradientPass({ shape, buffers }: DenseWeightGradientOp, i: number): ProductPass {
  const { rows, inputs, outputs, pieces, biasStride } = shape;
  const piece = pieces[i]!;
  const bias = i === pieces.length - 1 && biasStride !== undefined;
  const place = gradientPlace(buffers[`weight-${i}`]!, bias ? buffers.bias : undefined);
  return {
    constants: { BIAS: bias, SHARED: place.shared, ...inputConstants(shape) },
    shape: {
      rows,
      k: piece.inputs,
      n: outputs,
      k_begin: piece.begin,
      x_stride: rowStride(inputs),
      dy_stride: rowStride(outputs),
      weight_at: place.weightAt,
      weight_stride: piece.stride,
      bias_at: place.biasAt,
      bias_stride: biasStride ?? 0,
    },
    buffers: { ...inputBindings(shape, buffers), dy: buffers.dy, grads: place.grads, bias: place.bias },
  };
}

/** Passes of the kernels that run everywhere: `height` rows of the result an invocation. */
const inTiles = <S extends DenseShape>(
  op: Op<string, S>,
  shader: Shader,
  pass: (i: number) => ProductPass,
  groups: (inputs: number) => number,
) =>
  perPiece(op, (i) => {
    const { constants, ...rest } = pass(i);
    return { shader, constants: { ...constants, WORKGROUP }, ...rest, groups: groups(op.shape.pieces[i]!.inputs) };
  });

export const forwardTiles = (op: DenseOp, next?: ActivationOp) =>
  inTiles(
    op,
    denseForwardShader,
    (i) => forwardPass(op, i, next),
    () => tiles(op.shape.rows, 4, op.shape.outputs),
  );

export const inputGradientTiles = (op: DenseInputGradientOp, next?: ActivationGradientOp) =>
  inTiles(
    op,
    denseInputGradientShader,
    (i) => inputGradientPass(op, i, next),
    (inputs) => tiles(op.shape.rows, 4, inputs),
  );

const weightGradientTiles = (op: DenseWeightGradientOp) =>
  inTiles(
    op,
    denseWeightGradientShader,
    (i) => weightGradientPass(op, i),
    (inputs) => tiles(inputs, 8, op.shape.outputs),
  );

/** Two writable bindings must not overlap, as those of several replicas in one buffer do: they become one. */
export function gradientPlace(weight: BufferRange, bias: BufferRange | undefined) {
  if (!bias || bias.buffer !== weight.buffer) {
    return { grads: weight, bias, weightAt: 0, biasAt: 0, shared: false };
  }
  const offset = Math.min(weight.offset, bias.offset);
  const end = Math.max(weight.offset + weight.size, bias.offset + bias.size);
  return {
    grads: { buffer: weight.buffer, offset, size: end - offset },
    bias: undefined,
    weightAt: (weight.offset - offset) / 4,
    biasAt: (bias.offset - offset) / 4,
    shared: true,
  };
}

/** A form of two neighbours, the second of which reads nothing but what the first writes. */
export function pairOf<A extends Op, B extends Op>(
  name: string,
  [first, from]: readonly [A['kind'], string],
  [second, to]: readonly [B['kind'], string],
  lowerBoth: (a: A, b: B, device: GPUDevice) => PassSpec[],
): Form {
  return {
    name,
    match(ops, at) {
      const [a, b] = [ops[at]!, ops[at + 1]];
      return a.kind === first && b?.kind === second && a.buffers[from] === b.buffers[to] ? 2 : 0;
    },
    lower: ([a, b], device) => lowerBoth(a as A, b as B, device),
  };
}

export const denseForms: readonly Form[] = [
  pairOf<DenseOp, ActivationOp>('dense+activation/tile', ['dense', 'y'], ['activation', 'x'], (a, b) =>
    forwardTiles(a, b),
  ),
  pairOf<DenseInputGradientOp, ActivationGradientOp>(
    'dense-input-gradient+activation-gradient/tile',
    ['dense-input-gradient', 'dx'],
    ['activation-gradient', 'dy'],
    (a, b) => inputGradientTiles(a, b),
  ),
  formOf<DenseOp>('dense/tile', 'dense', (op) => forwardTiles(op)),
  formOf<DenseInputGradientOp>('dense-input-gradient/tile', 'dense-input-gradient', (op) => inputGradientTiles(op)),
  formOf<DenseWeightGradientOp>('dense-weight-gradient/tile', 'dense-weight-gradient', weightGradientTiles),
];
