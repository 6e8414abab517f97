import type { BufferRange } from '../gpu/buffers.js';
import { planeShader } from '../shaders/space/plane.gen.js';
import { formOf } from './lower.js';
import type { Form, Op } from './op.js';

/** Bytes of one replica's coefficients: (c, a, b, 0) as float32. */
export const POINT_BYTES = 16;

export type PlaneOp = Op<'plane', { readonly elements: number }>;

/**
 * result = c·base + a·x + b·y, with coefficients of its own in each replica; (1, 0, 0) gives base bit for bit.
 *
 * @param shape elements of base, x, y and of one replica's result: a multiple of 4
 * @param buffers points: {@link POINT_BYTES} per replica; base, x, y: for all replicas; result: per replica, written
 */
export const planePoints = (
  label: string,
  shape: PlaneOp['shape'],
  buffers: {
    readonly points: BufferRange;
    readonly base: BufferRange;
    readonly x: BufferRange;
    readonly y: BufferRange;
    readonly result: BufferRange;
  },
  replicas = 1,
): PlaneOp => ({ kind: 'plane', label, shape, buffers, replicas });

const WORKGROUP = 64;
/** Enough workgroups to fill a large GPU; the kernel strides over the rest. */
const MAX_GROUPS = 4096;

export const planeForms: readonly Form[] = [
  formOf<PlaneOp>('plane', 'plane', ({ label, shape, buffers, replicas }) => {
    const quads = shape.elements / 4;
    return [
      {
        label,
        shader: planeShader,
        constants: { WORKGROUP },
        shape: { quads },
        buffers,
        groups: Math.min(Math.ceil(quads / WORKGROUP), MAX_GROUPS),
        replicas,
      },
    ];
  }),
];
