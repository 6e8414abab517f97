import type { BufferRange } from '../gpu/buffers.js';
import type { PassSpec } from '../gpu/passes.js';
import { layerNormShader } from '../shaders/nn/layer_norm.gen.js';
import { layerNormGradientShader } from '../shaders/nn/layer_norm_gradient.gen.js';
import { layerNormWeightGradientShader } from '../shaders/nn/layer_norm_weight_gradient.gen.js';
import { affineStrides, byLanes, columnConstants, columnGroups, type NormOperands } from './batch-norm.js';
import { gradientPlace } from './dense.js';
import { rowStride } from './matrix.js';
import { checkOperands, type Form, type Op } from './op.js';

/* Layer normalisation of a matrix, row by row, and its gradients: at the input by rows, by its parameters by columns. */

interface LayerNormShape {
  readonly rows: number;
  readonly width: number;
  readonly eps: number;
  /** Elements from one replica's to the next's. */
  readonly affine?: { readonly weight: number; readonly bias: number } | undefined;
}

type LayerNormOp = Op<'layer-norm', LayerNormShape>;
type LayerNormGradientOp = Op<'layer-norm-gradient', LayerNormShape>;
type LayerNormWeightGradientOp = Op<'layer-norm-weight-gradient', LayerNormShape>;

/** Bytes of what {@link layerNorm} leaves for its gradients. */
export const rowMomentsBytes = (rows: number, replicas = 1) => 8 * rows * replicas;

/**
 * y = (x - mean)/√(variance + eps)·weight + bias, mean and variance those of the row.
 *
 * @param x [rows, rowStride(width)]
 * @param y as x, written
 * @param moments {@link rowMomentsBytes}, written
 */
export function layerNorm(
  operands: NormOperands & { readonly x: BufferRange; readonly y: BufferRange; readonly moments: BufferRange },
): LayerNormOp {
  const { label, rows, width, replicas = 1, eps, affine, x, y, moments } = operands;
  checkOperands(label, { rows, width, replicas }, { x, y, moments });
  return {
    kind: 'layer-norm',
    label,
    shape: { rows, width, eps, affine: affineStrides(affine) },
    buffers: { x, y, moments, weight: affine?.weight.range, bias: affine?.bias.range },
    replicas,
  };
}

interface GradientOperands extends Omit<NormOperands, 'eps'> {
  readonly x: BufferRange;
  /** As {@link layerNorm} wrote them. */
  readonly moments: BufferRange;
  /** As x: the gradient at y, 0 in rows that are not valid. */
  readonly dy: BufferRange;
}

/** The gradient at x. @param dx as x, written */
export function layerNormGradient(operands: GradientOperands & { readonly dx: BufferRange }): LayerNormGradientOp {
  const { label, rows, width, replicas = 1, affine, x, moments, dy, dx } = operands;
  checkOperands(label, { rows, width, replicas }, { x, moments, dy, dx });
  return {
    kind: 'layer-norm-gradient',
    label,
    shape: { rows, width, eps: 0, affine: affineStrides(affine) },
    buffers: { x, moments, dy, dx, weight: affine?.weight.range },
    replicas,
  };
}

/** The gradients by weight and bias. @param affine where they go, written */
export function layerNormWeightGradient(
  operands: GradientOperands & { readonly affine: NonNullable<NormOperands['affine']> },
): LayerNormWeightGradientOp {
  const { label, rows, width, replicas = 1, affine, x, moments, dy } = operands;
  checkOperands(label, { rows, width, replicas }, { x, moments, dy });
  return {
    kind: 'layer-norm-weight-gradient',
    label,
    shape: { rows, width, eps: 0, affine: affineStrides(affine) },
    buffers: { x, moments, dy, 'weight-gradient': affine.weight.range, 'bias-gradient': affine.bias.range },
    replicas,
  };
}

/** Rows in a workgroup. */
const ROWS = 8;

/** What both kernels that go by rows share. */
const byRows = ({ label, shape, buffers, replicas }: LayerNormOp | LayerNormGradientOp, lanes: number) => ({
  label,
  constants: { AFFINE: shape.affine !== undefined, LANES: lanes, ROWS },
  shape: {
    rows: shape.rows,
    stride: rowStride(shape.width),
    width: shape.width,
    weight_stride: shape.affine?.weight ?? 0,
  },
  buffers,
  groups: Math.ceil(shape.rows / ROWS),
  replicas,
});

function forward(op: LayerNormOp, lanes: number): PassSpec[] {
  const { shape, ...common } = byRows(op, lanes);
  const { eps, affine } = op.shape;
  return [{ ...common, shader: layerNormShader, shape: { ...shape, bias_stride: affine?.bias ?? 0, eps } }];
}

function weightGradient({ label, shape, buffers, replicas }: LayerNormWeightGradientOp, lanes: number): PassSpec[] {
  const { rows, width, affine } = shape;
  const { 'weight-gradient': dWeight, 'bias-gradient': dBias, ...rest } = buffers;
  const place = gradientPlace(dWeight!, dBias);
  return [
    {
      label,
      shader: layerNormWeightGradientShader,
      constants: { SHARED: place.shared, ...columnConstants(lanes) },
      shape: {
        rows,
        stride: rowStride(width),
        width,
        weight_at: place.weightAt,
        weight_stride: affine!.weight,
        bias_at: place.biasAt,
        bias_stride: affine!.bias,
      },
      buffers: { ...rest, grads: place.grads, bias: place.bias },
      groups: columnGroups(width),
      replicas,
    },
  ];
}

export const layerNormForms: readonly Form[] = [
  ...byLanes<LayerNormOp>('layer-norm', forward),
  ...byLanes<LayerNormGradientOp>('layer-norm-gradient', (op, lanes) => [
    { ...byRows(op, lanes), shader: layerNormGradientShader },
  ]),
  ...byLanes<LayerNormWeightGradientOp>('layer-norm-weight-gradient', weightGradient),
];
