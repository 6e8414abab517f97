import type { BufferRange } from '../gpu/buffers.js';
import { describeAdapter } from '../gpu/device.js';
import type { PassSpec } from '../gpu/passes.js';
import type { Shader } from '../shaders/shader.js';
import { formOf } from './lower.js';
import type { Form, Op } from './op.js';
import { ARENA_BLOCK, lanesOf } from './update.js';

/*
 * Passes of a rule that needs several: a function once for every element of an arena, sums over tensors, and any other kernel.
 * Their loops are written by harness/generate/emit-passes.ts.
 */

type Flags = Readonly<Record<string, number | boolean>>;

export type ElementwiseOp = Op<
  'elementwise',
  { readonly shader: Shader; readonly constants: Flags; readonly chunks: number }
>;

/**
 * A rule's function over an arena, all replicas.
 *
 * @param elements per replica, a multiple of 64
 * @param buffers hyper, the arrays that it takes, group_of
 */
export const elementwise = (
  label: string,
  { elements, shader, constants }: { readonly elements: number; readonly shader: Shader; readonly constants: Flags },
  buffers: ElementwiseOp['buffers'],
  replicas: number,
): ElementwiseOp => ({
  kind: 'elementwise',
  label,
  shape: { shader, constants, chunks: elements / ARENA_BLOCK },
  buffers,
  replicas,
});

export type SumsOp = Op<
  'sums',
  { readonly shader: Shader; readonly constants: Flags; readonly table: Uint32Array<ArrayBuffer> }
>;

/** Words of a segment in a table of them: first element, elements, place in `partial`, group. */
export const SEGMENT_WORDS = 4;

/**
 * Sums of up to four quantities of every element, by segments of tensors.
 *
 * @param table of the segments in these arenas
 * @param buffers hyper, the arrays, partial: a vec4f per replica and segment
 */
export const sums = (
  label: string,
  shape: SumsOp['shape'],
  buffers: Readonly<Record<string, BufferRange>>,
  replicas: number,
): SumsOp => ({ kind: 'sums', label, shape, buffers, replicas });

export type KernelOp = Op<'kernel', Pick<PassSpec, 'shader' | 'constants' | 'shape' | 'tables' | 'scratch' | 'groups'>>;

/** A dispatch of a kernel that nothing else computes. */
export const kernel = ({ label, buffers, replicas, ...shape }: PassSpec): KernelOp => ({
  kind: 'kernel',
  label,
  shape,
  buffers,
  replicas,
});

const elementwiseForm = (name: string, LANES: 1 | 4): Form =>
  formOf<ElementwiseOp>(name, 'elementwise', ({ label, shape, buffers, replicas }) => {
    const { groups, constants } = lanesOf(shape.chunks, replicas, LANES);
    return [
      { label, shader: shape.shader, constants: { ...shape.constants, ...constants }, buffers, groups, replicas },
    ];
  });

/** As the update's own forms: one lane to a chunk on CPU adapters, four on GPUs. */
export const passForms: readonly Form[] = [
  {
    ...elementwiseForm('elementwise/lanes-1', 1),
    suits: (_ops, _at, device) => describeAdapter(device).cpu,
  },
  elementwiseForm('elementwise/lanes-4', 4),
  formOf<SumsOp>('sums', 'sums', ({ label, shape, buffers, replicas }) => [
    {
      label,
      shader: shape.shader,
      constants: { ...shape.constants, WORKGROUP: 64 },
      buffers,
      tables: { segments: shape.table },
      groups: shape.table.length / SEGMENT_WORDS,
      replicas,
    },
  ]),
  formOf<KernelOp>('kernel', 'kernel', ({ label, shape, buffers, replicas }) => [
    { label, ...shape, buffers, replicas },
  ]),
];
