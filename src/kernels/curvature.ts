import { curvatureShader } from '../shaders/optim/curvature.gen.js';
import { formOf } from './lower.js';
import type { Form, Op } from './op.js';

export type CurvatureOp = Op<
  'curvature',
  {
    readonly segments: number;
    /** Elements from one replica to the next. */
    readonly stride: number;
    /** First element of each in its binding; the gradient's may be below 0. */
    readonly grad_first: number;
    readonly hessian_first: number;
    /** What an integer of the gradient is worth; undefined for f32. */
    readonly unit: number | undefined;
    /** Clear the gradient in passing. */
    readonly zero: boolean;
  }
>;

/** h += w·(g² - h) over segments of tensors. @param buffers segments, weights, grad, hessian, clock */
export const curvature = (
  label: string,
  shape: CurvatureOp['shape'],
  buffers: CurvatureOp['buffers'],
  replicas: number,
): CurvatureOp => ({ kind: 'curvature', label, shape, buffers, replicas });

export const curvatureForms: readonly Form[] = [
  formOf<CurvatureOp>('curvature', 'curvature', ({ label, shape, buffers, replicas }) => {
    const { unit, zero, grad_first, ...sizes } = shape;
    return [
      {
        label,
        shader: curvatureShader,
        constants: { FIXED: unit !== undefined, ZERO: zero },
        shape: { ...sizes, grad_first: grad_first >>> 0, unit: unit ?? 1 },
        buffers,
        groups: shape.segments,
        replicas,
      },
    ];
  }),
];
