import type { BufferRange } from '../gpu/buffers.js';
import { sumRowsShader } from '../shaders/data/sum_rows.gen.js';
import { copyIfShader } from '../shaders/space/copy_if.gen.js';
import { judgeShader } from '../shaders/train/judge.gen.js';
import { formOf } from './lower.js';
import type { Form, Op } from './op.js';

/*
 * What a validation does once its losses are there: their sum, what that decides, and the copies made where it says so.
 */

/** Bytes of one replica's sums. */
export const SUMS_BYTES = 8;

export type SumRowsOp = Op<'sum-rows', { readonly samples: number; readonly rows: number }>;

/**
 * The sums over the rows of an evaluation, in a fixed order.
 *
 * @param shape samples in all, and rows of a chunk
 * @param buffers result: (loss, counted) [chunks, replicas, rows]; sums: the same [replicas], written
 */
export const sumRows = (
  label: string,
  shape: SumRowsOp['shape'],
  buffers: { readonly result: BufferRange; readonly sums: BufferRange },
  replicas = 1,
): SumRowsOp => ({ kind: 'sum-rows', label, shape, buffers, replicas });

const controlLayout = judgeShader.structs.Control!;
/** Bytes of one replica's control. */
export const CONTROL_BYTES = controlLayout.size;

/** What validations of one replica came to, on the host. */
export interface Control {
  /** Steps done at the last one, and the sums it gave. */
  readonly step: number;
  readonly loss: number;
  readonly counted: number;
  /** Whether it was the best one so far; how many since the best one were not; whether that stopped the training. */
  readonly improved: number;
  readonly bad: number;
  readonly stop: number;
  /** The best one; step 0 where there is none yet. */
  readonly best_step: number;
  readonly best_loss: number;
  readonly best_counted: number;
  /** Whether it stopped the training and there is a best one, whose weights can be put back. */
  readonly restore: number;
}

/** The control of every replica, from the bytes that were read back. */
export function readControls(bytes: ArrayBuffer): Control[] {
  const [u32, f32] = [new Uint32Array(bytes), new Float32Array(bytes)];
  return Array.from({ length: bytes.byteLength / CONTROL_BYTES }, (_, replica) => {
    const entries = Object.entries(controlLayout.fields).map(([name, { offset, type }]) => {
      const at = (replica * CONTROL_BYTES + offset) / 4;
      return [name, type === 'f32' ? f32[at] : u32[at]];
    });
    return Object.fromEntries(entries) as Control;
  });
}

/** Where a field of a control lies, in bytes. */
export const controlOffset = (field: keyof Control) => controlLayout.fields[field]!.offset;

export type JudgeOp = Op<
  'judge',
  {
    /** Decide by what the loss counts, not by the loss. */
    readonly counted: boolean;
    readonly mode: 'min' | 'max';
    /** A sum is better where it is better by more than this. */
    readonly minDelta: number;
    /** So many validations in a row without a better one halt the clock; undefined for never. */
    readonly patience: number | undefined;
  }
>;

/**
 * What a validation decides.
 *
 * @param buffers sums; clock: the optimizer's; control: {@link CONTROL_BYTES} per replica, zero to begin with
 */
export const judge = (
  label: string,
  shape: JudgeOp['shape'],
  buffers: { readonly sums: BufferRange; readonly clock: BufferRange; readonly control: BufferRange },
  replicas = 1,
): JudgeOp => ({ kind: 'judge', label, shape, buffers, replicas });

export type CopyIfOp = Op<'copy-if', { readonly elements: number; readonly flag: 'improved' | 'restore' }>;

/**
 * copy = source in the replicas whose control has the flag.
 *
 * @param shape elements per replica, a multiple of 4
 */
export const copyIf = (
  label: string,
  shape: CopyIfOp['shape'],
  buffers: { readonly control: BufferRange; readonly source: BufferRange; readonly copy: BufferRange },
  replicas = 1,
): CopyIfOp => ({ kind: 'copy-if', label, shape, buffers, replicas });

const WORKGROUP = 64;
/** Enough workgroups to fill a large GPU; the kernel strides over the rest. */
const MAX_GROUPS = 4096;

export const judgeForms: readonly Form[] = [
  formOf<SumRowsOp>('sum-rows', 'sum-rows', ({ label, shape, buffers, replicas }) => [
    { label, shader: sumRowsShader, constants: {}, shape: { ...shape }, buffers, groups: 1, replicas },
  ]),
  formOf<JudgeOp>('judge', 'judge', ({ label, shape, buffers, replicas }) => [
    {
      label,
      shader: judgeShader,
      constants: { COUNTED: shape.counted, LARGER: shape.mode === 'max', STOP: shape.patience !== undefined },
      shape: { patience: shape.patience ?? 0, min_delta: shape.minDelta },
      buffers,
      groups: 1,
      replicas,
    },
  ]),
  formOf<CopyIfOp>('copy-if', 'copy-if', ({ label, shape, buffers, replicas }) => {
    const quads = shape.elements / 4;
    return [
      {
        label,
        shader: copyIfShader,
        constants: { WORKGROUP },
        shape: { quads, flag: controlOffset(shape.flag) / 4, flag_stride: CONTROL_BYTES / 4 },
        buffers: { flags: buffers.control, source: buffers.source, copy: buffers.copy },
        groups: Math.min(Math.ceil(quads / WORKGROUP), MAX_GROUPS),
        replicas,
      },
    ];
  }),
];
