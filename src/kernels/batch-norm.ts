import type { BufferRange } from '../gpu/buffers.js';
import { describeAdapter } from '../gpu/device.js';
import type { PassSpec } from '../gpu/passes.js';
import { batchNormShader } from '../shaders/nn/batch_norm.gen.js';
import { batchNormGradientShader } from '../shaders/nn/batch_norm_gradient.gen.js';
import { batchNormStatisticsShader } from '../shaders/nn/batch_norm_statistics.gen.js';
import { gradientPlace, type Piece } from './dense.js';
import { formOf } from './lower.js';
import { rowStride } from './matrix.js';
import { checkOperands, type Form, type Op } from './op.js';

/*
 * Batch normalisation of a matrix: forward in training and evaluation, the gradient through the batch's statistics, and the
 * running ones, which change only once a step is decided.
 */

export interface NormOperands {
  readonly label: string;
  readonly rows: number;
  readonly width: number;
  readonly replicas?: number;
  /** Added to the variance. */
  readonly eps: number;
  /** γ and β, or their gradients: both or none. */
  readonly affine?: { readonly weight: Piece; readonly bias: Piece } | undefined;
}

/** A vector for each column that is kept from step to step. */
export interface RunningMoments {
  readonly mean: Piece;
  readonly variance: Piece;
}

interface NormShape {
  readonly rows: number;
  readonly width: number;
  readonly eps: number;
  /** Elements from one replica's to the next's. */
  readonly affine?: { readonly weight: number; readonly bias: number } | undefined;
  readonly running?: { readonly mean: number; readonly variance: number } | undefined;
}

type BatchNormOp = Op<'batch-norm', NormShape>;
type BatchNormGradientOp = Op<'batch-norm-gradient', NormShape & { readonly gradient: NormShape['affine'] }>;
type BatchNormStatisticsOp = Op<
  'batch-norm-statistics',
  {
    readonly width: number;
    readonly momentum: number;
    /** Of the buffers of these names. */
    readonly strides: Readonly<Record<(typeof KEPT)[number], number>>;
  }
>;

/** Bytes of what {@link batchNorm} leaves for its gradient and the running statistics. */
export const momentsBytes = (width: number, replicas = 1) => 16 * rowStride(width) * replicas;

export const affineStrides = (affine: NormOperands['affine']) =>
  affine && { weight: affine.weight.stride, bias: affine.bias.stride };

/**
 * y = (x - mean)/√(variance + eps)·weight + bias, by column.
 *
 * @param x [rows, rowStride(width)]
 * @param y as x, written
 * @param moments {@link momentsBytes}, written; needed with the batch's own statistics, those of its valid rows
 * @param running the statistics to take instead
 * @param stream says per replica how many rows are valid
 */
export function batchNorm(
  operands: NormOperands & {
    readonly x: BufferRange;
    readonly y: BufferRange;
    readonly moments?: BufferRange;
    readonly running?: RunningMoments;
    readonly stream: BufferRange;
  },
): BatchNormOp {
  const { label, rows, width, replicas = 1, eps, affine, running, x, y, moments, stream } = operands;
  checkOperands(label, { rows, width, replicas }, { x, y, stream, ...(!running && { moments }) });
  return {
    kind: 'batch-norm',
    label,
    shape: {
      rows,
      width,
      eps,
      affine: affineStrides(affine),
      running: running && { mean: running.mean.stride, variance: running.variance.stride },
    },
    buffers: {
      x,
      y,
      moments,
      weight: affine?.weight.range,
      bias: affine?.bias.range,
      mean: running?.mean.range,
      variance: running?.variance.range,
      stream,
    },
    replicas,
  };
}

/**
 * The gradients of {@link batchNorm} with the batch's own statistics, at x and by its parameters.
 *
 * @param moments as it wrote them
 * @param gradient where those by weight and bias go, written; with `affine`
 * @param dx as x, written: 0 in rows that are not valid; left out where nobody asks for it
 */
export function batchNormGradient(
  operands: Omit<NormOperands, 'eps'> & {
    readonly x: BufferRange;
    readonly dy: BufferRange;
    readonly moments: BufferRange;
    readonly gradient?: NormOperands['affine'];
    readonly dx?: BufferRange | undefined;
    readonly stream: BufferRange;
  },
): BatchNormGradientOp {
  const { label, rows, width, replicas = 1, affine, gradient, x, dy, moments, dx, stream } = operands;
  checkOperands(label, { rows, width, replicas }, { x, dy, moments, stream });
  return {
    kind: 'batch-norm-gradient',
    label,
    shape: { rows, width, eps: 0, affine: affineStrides(affine), gradient: affineStrides(gradient) },
    buffers: {
      x,
      dy,
      moments,
      dx,
      stream,
      weight: affine?.weight.range,
      'weight-gradient': gradient?.weight.range,
      'bias-gradient': gradient?.bias.range,
    },
    replicas,
  };
}

const KEPT = ['mean', 'variance', 'tracked'] as const;

/**
 * Takes the moments of a step into the running ones, unless the step was left out: mean += momentum·(new - mean), the variance
 * unbiased, and one more counted.
 *
 * @param tracked one u32: how many batches were taken in
 * @param clock of the optimizer, after `advance`
 */
export function batchNormStatistics(operands: {
  readonly label: string;
  readonly width: number;
  readonly replicas?: number;
  readonly momentum: number;
  readonly running: RunningMoments & { readonly tracked: Piece };
  readonly moments: BufferRange;
  readonly stream: BufferRange;
  readonly clock: BufferRange;
}): BatchNormStatisticsOp {
  const { label, width, replicas = 1, momentum, running, moments, stream, clock } = operands;
  checkOperands(label, { width, replicas }, { moments, stream, clock });
  const { mean, variance, tracked } = running;
  return {
    kind: 'batch-norm-statistics',
    label,
    shape: { width, momentum, strides: { mean: mean.stride, variance: variance.stride, tracked: tracked.stride } },
    buffers: { mean: mean.range, variance: variance.range, tracked: tracked.range, moments, stream, clock },
    replicas,
  };
}

/** Quads of columns side by side in a workgroup: one cache line of a row on a GPU, the SIMD lanes of a CPU. */
const QUADS = 8;
const WORKGROUP = 32;
/** In the place of a range that another dispatch has. */
const NONE = 0xffff_ffff;

export const columnGroups = (width: number) => Math.ceil(rowStride(width) / (4 * QUADS));
export const columnConstants = (lanes: number) => ({ QUADS, LANES: lanes });

/**
 * How a column's rows are shared out: on a CPU adapter, which runs lanes one after another, by no one; on a GPU by eight lanes,
 * or a batch of some thousand rows would be one long loop.
 */
export function byLanes<O extends Op>(kind: O['kind'], lowerOne: (op: O, lanes: number) => PassSpec[]): Form[] {
  const alone = formOf<O>(`${kind}/lanes-1`, kind, (op) => lowerOne(op, 1));
  return [
    { ...alone, match: (ops, at, device) => (describeAdapter(device).cpu ? alone.match(ops, at, device) : 0) },
    formOf<O>(`${kind}/lanes-8`, kind, (op) => lowerOne(op, 8)),
    alone,
  ];
}

function forward({ label, shape, buffers, replicas }: BatchNormOp, lanes: number): PassSpec[] {
  const { rows, width, eps, affine, running } = shape;
  return [
    {
      label,
      shader: batchNormShader,
      constants: { TRAIN: !running, AFFINE: affine !== undefined, ...columnConstants(lanes) },
      shape: {
        rows,
        stride: rowStride(width),
        width,
        weight_stride: affine?.weight ?? 0,
        bias_stride: affine?.bias ?? 0,
        mean_stride: running?.mean ?? 0,
        variance_stride: running?.variance ?? 0,
        eps,
      },
      buffers,
      groups: columnGroups(width),
      replicas,
    },
  ];
}

function gradients({ label, shape, buffers, replicas }: BatchNormGradientOp, lanes: number): PassSpec[] {
  const { rows, width, affine, gradient } = shape;
  const { 'weight-gradient': dWeight, 'bias-gradient': dBias, ...rest } = buffers;
  const place = dWeight && gradientPlace(dWeight, dBias);
  return [
    {
      label,
      shader: batchNormGradientShader,
      constants: {
        AFFINE: affine !== undefined,
        SHARED: place?.shared ?? false,
        INPUT: buffers.dx !== undefined,
        ...columnConstants(lanes),
      },
      shape: {
        rows,
        stride: rowStride(width),
        width,
        param_stride: affine?.weight ?? 0,
        weight_at: place?.weightAt ?? 0,
        weight_stride: gradient?.weight ?? 0,
        bias_at: place?.biasAt ?? 0,
        bias_stride: gradient?.bias ?? 0,
      },
      buffers: { ...rest, grads: place?.grads, bias: place?.bias },
      groups: columnGroups(width),
      replicas,
    },
  ];
}

/** One dispatch for each buffer that some of what is kept lies in: writable bindings of one must not overlap. */
function statistics({ label, shape, buffers, replicas }: BatchNormStatisticsOp): PassSpec[] {
  const { width, momentum, strides } = shape;
  const { moments, stream, clock } = buffers;
  const homes = [...new Set(KEPT.map((name) => buffers[name]!.buffer))];
  return homes.map((home, i) => {
    const here = KEPT.filter((name) => buffers[name]!.buffer === home);
    const begin = Math.min(...here.map((name) => buffers[name]!.offset));
    const end = Math.max(...here.map((name) => buffers[name]!.offset + buffers[name]!.size));
    const at = (name: (typeof KEPT)[number]) => (here.includes(name) ? (buffers[name]!.offset - begin) / 4 : NONE);
    return {
      label: homes.length > 1 ? `${label}.${i}` : label,
      shader: batchNormStatisticsShader,
      constants: { WORKGROUP },
      shape: {
        stride: rowStride(width),
        width,
        kept_stride: strides[here[0]!],
        mean_at: at('mean'),
        variance_at: at('variance'),
        tracked_at: at('tracked'),
        momentum,
        rest: 1 - momentum,
      },
      buffers: { moments, stream, clock, kept: { buffer: home, offset: begin, size: end - begin } },
      groups: Math.ceil(width / WORKGROUP),
      replicas,
    };
  });
}

export const batchNormForms: readonly Form[] = [
  ...byLanes<BatchNormOp>('batch-norm', forward),
  ...byLanes<BatchNormGradientOp>('batch-norm-gradient', gradients),
  formOf<BatchNormStatisticsOp>('batch-norm-statistics/columns', 'batch-norm-statistics', statistics),
];
