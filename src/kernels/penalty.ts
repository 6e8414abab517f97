import { penaltyShader } from '../shaders/train/penalty.gen.js';
import { penaltyTotalShader } from '../shaders/train/penalty_total.gen.js';
import { formOf } from './lower.js';
import type { Form, Op } from './op.js';

/** Longest segment of a penalty: one workgroup sums it. */
export const PENALTY_SEGMENT = 16_384;

export type PenaltyOp = Op<
  'penalty',
  {
    /** In this span, and of all of them. */
    readonly segments: number;
    readonly all: number;
    /** Elements from one replica to the next. */
    readonly stride: number;
    readonly l1: number;
    readonly l2: number;
  }
>;

/**
 * The gradient of l1·Σ|w| + l2·Σw² over the segments of a span, added to that of the parameters; and the sums.
 *
 * @param buffers param; grad; segments: (first element, elements, place in partial, 0) each; partial, 4 bytes a segment
 */
export const penalty = (label: string, shape: PenaltyOp['shape'], buffers: PenaltyOp['buffers'], replicas = 1) =>
  ({ kind: 'penalty', label, shape, buffers, replicas }) satisfies PenaltyOp;

export type PenaltyTotalOp = Op<'penalty-total', { readonly rows: number; readonly all: number }>;

/** Adds the penalty to the loss of every valid row. @param buffers partial, stream, result */
export const penaltyTotal = (
  label: string,
  shape: PenaltyTotalOp['shape'],
  buffers: PenaltyTotalOp['buffers'],
  replicas = 1,
) => ({ kind: 'penalty-total', label, shape, buffers, replicas }) satisfies PenaltyTotalOp;

export const penaltyForms: readonly Form[] = [
  formOf<PenaltyOp>('penalty', 'penalty', ({ label, shape, buffers, replicas }) => [
    {
      label,
      shader: penaltyShader,
      constants: {},
      shape: { ...shape, slope: 2 * shape.l2 },
      buffers,
      groups: shape.segments,
      replicas,
    },
  ]),
  formOf<PenaltyTotalOp>('penalty-total', 'penalty-total', ({ label, shape, buffers, replicas }) => [
    { label, shader: penaltyTotalShader, constants: {}, shape, buffers, groups: 1, replicas },
  ]),
];
