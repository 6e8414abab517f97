import type { BufferRange } from '../gpu/buffers.js';
import { traceShader } from '../shaders/train/trace.gen.js';
import { formOf } from './lower.js';
import type { Form, Op } from './op.js';

export type TraceOp = Op<'trace', { readonly n: number; readonly stride: number; readonly entries: number }>;

/**
 * Puts every replica's first n numbers into the entry of a record that its clock's step names.
 *
 * @param buffers clock; param, replicas `stride` apart; trace, [entries, replicas, n] float32
 */
export const trace = (
  label: string,
  shape: TraceOp['shape'],
  buffers: { readonly clock: BufferRange; readonly param: BufferRange; readonly trace: BufferRange },
  replicas = 1,
) => ({ kind: 'trace', label, shape, buffers, replicas }) satisfies TraceOp;

const WORKGROUP = 64;

export const traceForms: readonly Form[] = [
  formOf<TraceOp>('trace', 'trace', ({ label, shape, buffers, replicas }) => [
    {
      ...{ label, shader: traceShader, constants: { WORKGROUP }, shape: { ...shape }, buffers, replicas },
      groups: Math.ceil(shape.n / WORKGROUP),
    },
  ]),
];
