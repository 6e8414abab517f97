import type { BufferRange } from '../gpu/buffers.js';
import { DownhillError } from '../gpu/errors.js';
import type { PassSpec } from '../gpu/pipelines.js';
import { advanceShader } from '../shaders/optim/advance.gen.js';
import type { Shader } from '../shaders/shader.js';

/*
 * The two dispatches of an optimizer step: `advance`, which puts the step's scalars into `hyper`, and `update`, one
 * rule's kernel over a whole arena. Bindings and layouts are the contract of DESIGN 3.4.
 */

/** Words of a row of per-step scalars: 64 bytes, of which `count`, `skip` and `grad_scale` come first. */
export const ROW_WORDS = 16;
/** Rows the uniform holds: tensor groups times replicas. */
export const MAX_ROWS = 1024;
export const HYPER_BYTES = MAX_ROWS * ROW_WORDS * 4;
/** Rows are written ahead in blocks; the ring holds two, one being read while the other is written. */
export const ROW_BLOCK = 256;
export const ROW_RING = 2 * ROW_BLOCK;
/** Bytes of one replica's clock: step, count, valid, epoch, seed, fault and two spare words. */
export const CLOCK_BYTES = advanceShader.structs.Clock!.size;
/** Tensors in an arena start at multiples of this many elements, and `group_of` has one entry per so many. */
export const ARENA_BLOCK = 64;

/** Word of a clock's field. */
export const clockWord = (field: 'step' | 'count' | 'valid' | 'epoch' | 'seed' | 'fault') =>
  advanceShader.structs.Clock!.fields[field]!.offset / 4;

const SAMPLING_NUMBERS = { full: 0, shuffle: 1, replacement: 2 } as const;

/** `advance` for an optimizer alone, or for a whole network's step. */
export function advance(operands: {
  readonly label: string;
  readonly groups: number;
  readonly replicas?: number;
  readonly clock: BufferRange;
  readonly ring: BufferRange;
  readonly hyper: BufferRange;
  readonly network?: {
    readonly rows: number;
    readonly samples: number;
    readonly stepsPerEpoch: number;
    readonly sampling: keyof typeof SAMPLING_NUMBERS;
    readonly lossRing: number;
    readonly batch: BufferRange;
    readonly result: BufferRange;
    readonly losses: BufferRange;
  };
}): PassSpec {
  const { label, clock, ring, hyper, network } = operands;
  return {
    label,
    shader: advanceShader,
    constants: {
      GROUPS: operands.groups,
      RING: ROW_RING,
      ...(network && {
        NETWORK: true,
        ROWS: network.rows,
        SAMPLES: network.samples,
        EPOCH_STEPS: network.stepsPerEpoch,
        SAMPLING: SAMPLING_NUMBERS[network.sampling],
        LOSS_RING: network.lossRing,
      }),
    },
    buffers: { clock, ring, hyper, batch: network?.batch, result: network?.result, losses: network?.losses },
    groups: 1,
    replicas: operands.replicas ?? 1,
  };
}

const WORKGROUP = 64;
/** What one invocation takes at a time: a quarter of a block. */
const ELEMENTS = ARENA_BLOCK / 4;
/** Enough workgroups to fill a large GPU; the kernel strides over the rest. */
const MAX_GROUPS = 16_384;

/**
 * One rule's update of an arena: every tensor in it, of whatever group, in one dispatch.
 *
 * @param shader of a rule: its bindings are `hyper`, `param`, `grad`, the state slots, `group_of`
 * @param elements per replica, a multiple of 64; every arena range holds `replicas` times as many float32
 * @param state by slot name; a slot left out is off
 * @param flags the overrides that turn slots on
 */
export function update(operands: {
  readonly label: string;
  readonly shader: Shader;
  readonly elements: number;
  readonly replicas?: number;
  readonly flags: Readonly<Record<string, boolean>>;
  readonly hyper: BufferRange;
  readonly param: BufferRange;
  readonly grad: BufferRange;
  readonly state: Readonly<Record<string, BufferRange>>;
  readonly groupOf: BufferRange;
}): PassSpec {
  const { label, shader, elements, hyper, param, grad, state, groupOf } = operands;
  if (elements % ARENA_BLOCK !== 0) {
    throw new DownhillError(
      'SHAPE-INVALID',
      `${label}: an arena of ${elements} elements.`,
      `Pad it to a multiple of ${ARENA_BLOCK}.`,
    );
  }
  return {
    label,
    shader,
    constants: { ...operands.flags, WORKGROUP },
    buffers: { hyper, param, grad, ...state, group_of: groupOf },
    groups: Math.min(Math.ceil(elements / ELEMENTS / WORKGROUP), MAX_GROUPS),
    replicas: operands.replicas ?? 1,
  };
}

/** Writes one row of per-step scalars into the views of a block, by the layout read from the rule's WGSL. */
export function packRow(
  shader: Shader,
  words: { readonly u32: Uint32Array; readonly f32: Float32Array },
  row: number,
  values: Readonly<Record<string, number>>,
): void {
  const { fields } = shader.structs.Hyper!;
  for (const [name, { offset, type }] of Object.entries(fields)) {
    const value = values[name];
    if (value === undefined)
      throw new DownhillError('INTERNAL', `${shader.name}: nobody computes ${name}.`, 'Report this.');
    const at = row * ROW_WORDS + offset / 4;
    if (type === 'f32') words.f32[at] = value;
    else words.u32[at] = value;
  }
}
