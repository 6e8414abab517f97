import type { BufferRange } from '../gpu/buffers.js';
import { basisDotsShader } from '../shaders/space/basis_dots.gen.js';
import { basisSubtractShader } from '../shaders/space/basis_subtract.gen.js';
import { basisSumsShader } from '../shaders/space/basis_sums.gen.js';
import { unitShader } from '../shaders/space/unit.gen.js';
import { formOf } from './lower.js';
import type { Form, Op } from './op.js';

/*
 * A basis of vectors, one behind another in each span as replicas are, and what makes another vector orthogonal to it: products
 * with all of its vectors at once, their sums, and what they take away. By fixed trees: the same bits every time.
 */

/** Elements that one workgroup takes of a product. */
const SEGMENT = 4096;
/** Lanes of kernels that take four elements each. */
const LANES = 64;

/** Of a span of `elements`, a multiple of 4. */
export const basisSegments = (elements: number) => Math.ceil(elements / SEGMENT);

export type BasisDotsOp = Op<
  'basis-dots',
  {
    readonly elements: number;
    /** Segments of all spans, and this one's first. */
    readonly all: number;
    readonly place: number;
  }
>;
export type BasisSumsOp = Op<'basis-sums', { readonly all: number }>;
export type BasisSubtractOp = Op<'basis-subtract', { readonly elements: number; readonly vectors: number }>;
export type UnitOp = Op<'unit', { readonly elements: number }>;

/** Products of `vector` with each vector of a basis, by segments of a span. @param buffers basis, vector, partial */
export const basisDots = (
  label: string,
  shape: BasisDotsOp['shape'],
  buffers: { readonly basis: BufferRange; readonly vector: BufferRange; readonly partial: BufferRange },
  vectors: number,
): BasisDotsOp => ({ kind: 'basis-dots', label, shape, buffers, replicas: vectors });

/** Their sums over all spans, one number a vector. */
export const basisSums = (
  label: string,
  shape: BasisSumsOp['shape'],
  buffers: { readonly partial: BufferRange; readonly sums: BufferRange },
  vectors: number,
): BasisSumsOp => ({ kind: 'basis-sums', label, shape, buffers, replicas: vectors });

/** vector -= Σ sums · basis, over a span. */
export const basisSubtract = (
  label: string,
  shape: BasisSubtractOp['shape'],
  buffers: { readonly basis: BufferRange; readonly sums: BufferRange; readonly vector: BufferRange },
): BasisSubtractOp => ({ kind: 'basis-subtract', label, shape, buffers, replicas: 1 });

/** result = vector / √square, over a span. */
export const unit = (
  label: string,
  shape: UnitOp['shape'],
  buffers: { readonly vector: BufferRange; readonly square: BufferRange; readonly result: BufferRange },
): UnitOp => ({ kind: 'unit', label, shape, buffers, replicas: 1 });

export const basisForms: readonly Form[] = [
  formOf<BasisDotsOp>('basis-dots', 'basis-dots', ({ label, shape: { elements, ...places }, buffers, replicas }) => {
    const segments = basisSegments(elements);
    const shape = { quads: elements / 4, stride: elements / 4, segments, ...places };
    return [
      {
        label,
        shader: basisDotsShader,
        constants: { SEGMENT: SEGMENT / 4 },
        shape,
        buffers,
        groups: segments,
        replicas,
      },
    ];
  }),
  formOf<BasisSumsOp>('basis-sums', 'basis-sums', ({ label, shape, buffers, replicas }) => [
    { label, shader: basisSumsShader, constants: {}, shape, buffers, groups: 1, replicas },
  ]),
  formOf<BasisSubtractOp>('basis-subtract', 'basis-subtract', ({ label, shape: { elements, vectors }, buffers }) => [
    {
      label,
      shader: basisSubtractShader,
      constants: {},
      shape: { quads: elements / 4, stride: elements / 4, vectors },
      buffers,
      groups: Math.ceil(elements / 4 / LANES),
      replicas: 1,
    },
  ]),
  formOf<UnitOp>('unit', 'unit', ({ label, shape: { elements }, buffers }) => [
    {
      label,
      shader: unitShader,
      constants: {},
      shape: { quads: elements / 4 },
      buffers,
      groups: Math.ceil(elements / 4 / LANES),
      replicas: 1,
    },
  ]),
];
