import { advanceShader } from '../shaders/optim/advance.gen.js';
import { accumulateShader } from '../shaders/space/accumulate.gen.js';
import { normShader } from '../shaders/space/norm.gen.js';
import { formOf } from './lower.js';
import type { Form, Op } from './op.js';

/*
 * What comes before an update: gradients of micro-steps added up (`accumulate`), their norm (`norm`), and the step's clock
 * (`advance`), which puts the update's records into `hyper` and decides whether it happens.
 */

const clockLayout = advanceShader.structs.Clock!;
const clockWords = Object.entries(clockLayout.fields).map(([name, { offset, type }]) => ({
  ...{ name, word: offset / 4, float: type === 'f32' },
}));
/** Bytes of one replica's clock. */
export const CLOCK_BYTES = clockLayout.size;
/**
 * Bits of a clock's `fault`: a record of another count stood in the ring; too many gradients in a row were unusable; a
 * validation ended the training.
 */
export const FAULT = { stale: 1, stopped: 2, halted: 4 } as const;
/** What a step did. */
export const FATE = { apply: 0, leave: 1, wait: 2 } as const;

/** One replica's clock on the host. */
export interface Clock {
  /** Attempts. */
  readonly step: number;
  /** Updates that were applied. */
  readonly count: number;
  /** Of {@link FAULT}. */
  readonly fault: number;
  /** Updates left out for their gradient, and so many of them in a row just now. */
  readonly skipped: number;
  readonly streak: number;
  /** Micro-steps since the last update. */
  readonly micro: number;
  /** Of the last whole gradient, before clipping. */
  readonly grad_norm: number;
  /** Of {@link FATE}. */
  readonly fate: number;
}

/** Where a field of a clock lies, in bytes. */
export const clockOffset = (field: keyof Clock) => clockLayout.fields[field]!.offset;

/** The clock of every replica, from the bytes that were read back. */
export function readClocks(bytes: ArrayBuffer): Clock[] {
  const [u32, f32] = [new Uint32Array(bytes), new Float32Array(bytes)];
  return Array.from({ length: bytes.byteLength / CLOCK_BYTES }, (_, replica) => {
    const clock: Record<string, number> = {};
    for (const { name, word, float } of clockWords)
      clock[name] = (float ? f32 : u32)[(replica * CLOCK_BYTES) / 4 + word]!;
    return clock as unknown as Clock;
  });
}

/** Clocks as bytes; what is left out is 0. */
export function clockBytes(clocks: readonly Partial<Clock>[]): ArrayBuffer {
  const bytes = new ArrayBuffer(CLOCK_BYTES * clocks.length);
  const [u32, f32] = [new Uint32Array(bytes), new Float32Array(bytes)];
  for (const [replica, clock] of clocks.entries()) {
    for (const [name, { offset, type }] of Object.entries(clockLayout.fields)) {
      const at = (replica * CLOCK_BYTES + offset) / 4;
      (type === 'f32' ? f32 : u32)[at] = clock[name as keyof Clock] ?? 0;
    }
  }
  return bytes;
}

/** How gradients are clipped by a norm. */
export interface NormClip {
  readonly by: 'global' | 'tensor';
  readonly norm: number;
  readonly optax: boolean;
}

export type AdvanceOp = Op<
  'advance',
  {
    /** Records are per group and replica. */
    readonly groups: number;
    /** Updates whose records the ring holds. */
    readonly ring: number;
    readonly micro: number;
    /** Per replica; 0 where nothing depends on the gradient's norm. */
    readonly segments: number;
    /** What an element of the gradient counts: the absolute value of its scale. */
    readonly unit: number;
    readonly clip?: NormClip;
    /** Leave out steps with unusable gradients; after so many in a row, all. */
    readonly skip?: { readonly atMost: number };
  }
>;

const CLIPS = { none: 0, global: 1, tensor: 2 } as const;

const RECORD_LANES = 16;

const advanceForm = formOf<AdvanceOp>('advance', 'advance', ({ label, shape, buffers, replicas }) => {
  const { clip, skip, ...sizes } = shape;
  return [
    {
      label,
      shader: advanceShader,
      constants: {
        CLIP: CLIPS[clip?.by ?? 'none'],
        OPTAX: clip?.optax ?? false,
        SKIP: skip !== undefined,
        NORM: shape.segments > 0,
        // Without a norm to sum up there is a record to copy.
        ...(shape.segments === 0 && { WORKGROUP: RECORD_LANES }),
      },
      shape: { ...sizes, max_norm: clip?.norm ?? 1, max_streak: skip?.atMost ?? 1 },
      buffers,
      groups: 1,
      replicas,
    },
  ];
});

/**
 * The clock's op.
 *
 * @param buffers clock, ring, hyper; with a norm also partial and begins: the first segment of each group, and the end
 */
export const advance = (label: string, shape: AdvanceOp['shape'], buffers: AdvanceOp['buffers'], replicas = 1) =>
  ({ kind: 'advance', label, shape, buffers, replicas }) satisfies AdvanceOp;

/** A gradient in one span. */
interface SpanShape {
  /**
   * Where element 0 of replica 0 is in the binding, or would be, before its beginning, where it is not read; and elements
   * from one replica to the next.
   */
  readonly first: number;
  readonly stride: number;
  /** What an integer is worth; undefined for f32. */
  readonly unit: number | undefined;
}

/** Longest segment of a norm: one workgroup sums it. */
export const SEGMENT = 16_384;
const WORKGROUP = 64;
/** Enough workgroups to fill a large GPU; the kernel strides over the rest. */
const MAX_GROUPS = 4096;

export type NormOp = Op<'norm', SpanShape & { readonly segments: number; readonly all: number }>;

const normForm = formOf<NormOp>('norm', 'norm', ({ label, shape, buffers, replicas }) => [
  {
    label,
    shader: normShader,
    constants: { FIXED: shape.unit !== undefined, WORKGROUP },
    shape: { ...shape, unit: shape.unit ?? 1 },
    buffers,
    groups: shape.segments,
    replicas,
  },
]);

/**
 * Sums of squares of a gradient's segments in one span, and how many of its elements are unusable.
 *
 * @param shape `segments` here, of `all` of the gradient
 * @param buffers grad; segments: (first element, elements, place in partial, 0) each; partial, 16 bytes a segment
 */
export const norm = (label: string, shape: NormOp['shape'], buffers: NormOp['buffers'], replicas = 1) =>
  ({ kind: 'norm', label, shape, buffers, replicas }) satisfies NormOp;

export type AccumulateOp = Op<
  'accumulate',
  /** From the element `begin` on, up to `elements`. */
  SpanShape & { readonly begin: number; readonly elements: number; readonly zero: boolean }
>;

const accumulateForm = formOf<AccumulateOp>('accumulate', 'accumulate', ({ label, shape, buffers, replicas }) => {
  const { zero, ...sizes } = shape;
  return [
    {
      label,
      shader: accumulateShader,
      constants: { FIXED: shape.unit !== undefined, ZERO: zero, WORKGROUP },
      shape: { ...sizes, unit: shape.unit ?? 1 },
      buffers,
      groups: Math.min(Math.ceil((shape.elements - shape.begin) / WORKGROUP), MAX_GROUPS),
      replicas,
    },
  ];
});

/** total += gradient in one span; the first micro-step, as the clock has it, overwrites. */
export const accumulate = (
  label: string,
  shape: AccumulateOp['shape'],
  buffers: AccumulateOp['buffers'],
  replicas = 1,
) => ({ kind: 'accumulate', label, shape, buffers, replicas }) satisfies AccumulateOp;

export const ADVANCE_FORMS: readonly Form[] = [advanceForm, normForm, accumulateForm];
