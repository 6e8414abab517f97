import type { BufferRange } from '../gpu/buffers.js';
import type { PassSpec } from '../gpu/passes.js';
import { classWeightShader } from '../shaders/nn/class_weight.gen.js';
import type { Shader } from '../shaders/shader.js';
import { formOf } from './lower.js';
import { rowStride } from './matrix.js';
import { checkOperands, type Op } from './op.js';

export interface LossOperands {
  readonly label: string;
  readonly rows: number;
  readonly outputs: number;
  readonly replicas?: number;
  /** [rows, rowStride(outputs)], the network's outputs. */
  readonly z: BufferRange;
  /** For the whole data set: one u32 per sample (classes), or [samples, outputs] float32 (values, probabilities). */
  readonly targets: BufferRange;
  /** Sample of each row: one u32 per row and replica. */
  readonly batch: BufferRange;
  /** Per replica where the data is; `valid` is the number of valid rows. */
  readonly stream: BufferRange;
  /** As z, written: the gradient of the mean loss over the valid rows. */
  readonly dz: BufferRange;
  /** Two float32 per row and replica, written: the row's loss, and what the loss counts. */
  readonly result: BufferRange;
}

/**
 * What computes a loss: a shader with the bindings `z, targets, batch, stream, dz, result` of {@link LossOperands}, one row
 * to an invocation, and a shape that begins with `rows, n, z_stride`.
 */
export interface LossKernel {
  readonly shader: Shader;
  readonly constants?: Readonly<Record<string, number | boolean>>;
  /** Fields of its shape beyond those. */
  readonly shape?: Readonly<Record<string, number>>;
  /** Bindings beyond those. */
  readonly buffers?: Readonly<Record<string, BufferRange | undefined>>;
}

export type LossOp = Op<
  'loss',
  { readonly rows: number; readonly outputs: number } & Required<Omit<LossKernel, 'buffers'>>
>;

/** The loss of every row of a batch and its gradient at the outputs, in one pass. */
export function loss(operands: LossOperands, kernel: LossKernel): LossOp {
  const { label, rows, outputs, replicas = 1, ...buffers } = operands;
  const { z, targets, batch, stream, dz, result } = buffers;
  checkOperands(label, { rows, outputs, replicas }, { z, targets, batch, stream, dz, result });
  const { shader, constants = {}, shape = {}, buffers: own } = kernel;
  return {
    kind: 'loss',
    label,
    shape: { rows, outputs, shader, constants, shape },
    buffers: { ...buffers, ...own },
    replicas,
  };
}

/** What the product of a loss's second derivatives with a tangent takes. */
export interface LossProductOperands extends Omit<LossOperands, 'dz' | 'result'> {
  /** As z: R z, its derivative along a direction of the parameters. */
  readonly rz: BufferRange;
  /** As z, written: R dz. */
  readonly rdz: BufferRange;
}

export type LossProductOp = Op<'loss-product', LossOp['shape']>;

/** R dz of R z. @param kernel with the bindings `z, targets, batch, stream, rz, rdz`; else as {@link loss} has it */
export function lossProduct(operands: LossProductOperands, kernel: LossKernel): LossProductOp {
  const { label, rows, outputs, replicas = 1, ...buffers } = operands;
  const { shader, constants = {}, shape = {}, buffers: own } = kernel;
  return {
    kind: 'loss-product',
    label,
    shape: { rows, outputs, shader, constants, shape },
    buffers: { ...buffers, ...own },
    replicas,
  };
}

type ClassWeightOp = Op<'class-weight', { readonly rows: number }>;

/** The mean weight of the labels of a batch's valid rows, one float32 per replica. */
export const classWeight = (
  { label, rows, replicas = 1, targets, batch, stream }: Omit<LossOperands, 'z' | 'dz' | 'result'>,
  { weights, mean }: { readonly weights: BufferRange; readonly mean: BufferRange },
): ClassWeightOp => ({
  kind: 'class-weight',
  label,
  shape: { rows },
  buffers: { labels: targets, batch, stream, weights, mean },
  replicas,
});

const WORKGROUP = 32;

/** One row to an invocation. */
const inRows = ({ label, shape, buffers, replicas }: LossOp | LossProductOp): PassSpec[] => [
  {
    label,
    shader: shape.shader,
    constants: { WORKGROUP, ...shape.constants },
    shape: { rows: shape.rows, n: shape.outputs, z_stride: rowStride(shape.outputs), ...shape.shape },
    buffers,
    groups: Math.ceil(shape.rows / WORKGROUP),
    replicas,
  },
];

export const lossForms = [
  formOf<LossOp>('loss/rows', 'loss', inRows),
  formOf<LossProductOp>('loss-product/rows', 'loss-product', inRows),
  formOf<ClassWeightOp>('class-weight/workgroup', 'class-weight', ({ label, shape, buffers, replicas }) => [
    { label, shader: classWeightShader, constants: {}, shape, buffers, groups: 1, replicas },
  ]),
];
