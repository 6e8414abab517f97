import type { BufferRange } from '../gpu/buffers.js';
import { takeValuesShader } from '../shaders/optim/take_values.gen.js';
import { formOf } from './lower.js';
import type { Form, Op } from './op.js';

/** Bytes from one point's value to the next: each may be bound by itself. */
export const VALUE_STRIDE = 256;

type TakeValuesOp = Op<'take-values', { readonly points: number; readonly ring: number }>;

/**
 * Values of points, recorded by somebody else, into a ring at their clocks' step.
 *
 * @param buffers given: a float32 each {@link VALUE_STRIDE} bytes; clock: of the points; values: [ring, points] of 8 bytes, written
 */
export const takeValues = (
  label: string,
  shape: TakeValuesOp['shape'],
  buffers: Readonly<Record<'given' | 'clock' | 'values', BufferRange>>,
): TakeValuesOp => ({ kind: 'take-values', label, shape, buffers, replicas: 1 });

export const takeValuesForms: readonly Form[] = [
  formOf<TakeValuesOp>('take-values', 'take-values', ({ label, shape, buffers }) => [
    { label, shader: takeValuesShader, constants: {}, shape: { ...shape }, buffers, groups: 1, replicas: 1 },
  ]),
];
