import type { BufferRange } from '../gpu/buffers.js';
import { describeAdapter } from '../gpu/device.js';
import type { PassSpec } from '../gpu/passes.js';
import type { PackedShaders } from '../shaders/packed.gen.js';
import { formOf } from './lower.js';
import type { Form, Op } from './op.js';

/*
 * Updates whose state lies in fewer bytes: the kernels of harness/generate/emit-packed.ts. State has a layout of its own, in blocks
 * that belong to one tensor each; a table says where a block's parameters and gradients are.
 */

/** Most elements of a block. Each takes as much room in the state. */
export const PACKED_BLOCK = 256;

/** Where a block lies, in elements of its bindings. */
export interface PackedBlock {
  readonly param: number;
  readonly grad: number;
  /** 0 for one that another pass updates. */
  readonly elements: number;
  /** Row of `hyper`, before replicas. */
  readonly row: number;
  /** Among all blocks of all tensors, wherever they lie: its random bits. */
  readonly number: number;
}

/**
 * The words of a pass's table, for vec4s or for floats.
 *
 * @param unit what an integer of a fixed-point gradient is worth
 * @param keys of the random numbers, one per replica
 */
export function packedTable(
  blocks: readonly PackedBlock[],
  keys: readonly number[],
  unit: number,
  vectors: boolean,
): Uint32Array<ArrayBuffer> {
  const words = new Uint32Array(4 * (1 + blocks.length + keys.length));
  words[0] = blocks.length;
  new Float32Array(words.buffer)[1] = unit;
  const by = vectors ? 4 : 1;
  for (const [i, { param, grad, elements, row, number }] of blocks.entries())
    words.set([param / by, grad / by, Math.ceil(elements / by) | (row << 16), number], 4 * (1 + i));
  for (const [i, key] of keys.entries()) words[4 * (1 + blocks.length + i)] = key;
  return words;
}

export type PackedOp = Op<
  'update-packed' | 'update-packed-range',
  {
    readonly shaders: PackedShaders;
    readonly constants: Readonly<Record<string, number | boolean>>;
    readonly blocks: number;
  }
>;

/** One rule's update of some blocks of a span. @param operands.buffers by the names of the kernel's bindings */
export const updatePacked = (operands: {
  readonly label: string;
  readonly kind: PackedOp['kind'];
  readonly shape: PackedOp['shape'];
  readonly buffers: Readonly<Record<string, BufferRange | undefined>>;
  readonly replicas: number;
}): PackedOp => operands;

/** What every device can dispatch along one dimension; the kernels go over the rest. */
const MAX_GROUPS = 65_535;
const WORKGROUP = 16;
/** Blocks to a lane, where there are many (each lane clears what it keeps a block in); of a few, so that all cores have some. */
const STRETCH = 16;
const LEAST_GROUPS = 16;

const passOf = (
  { label, shape, buffers, replicas }: PackedOp,
  loop: keyof PackedShaders,
  groups: number,
  constants: Readonly<Record<string, number>> = {},
): PassSpec[] => [
  {
    label,
    shader: shape.shaders[loop],
    constants: { ...shape.constants, ...constants },
    buffers,
    groups: Math.min(Math.ceil(groups), MAX_GROUPS),
    replicas,
  },
];

const walkGroups = ({ shape: { blocks }, replicas }: PackedOp) =>
  Math.max(blocks / WORKGROUP / STRETCH, Math.min(blocks / WORKGROUP, LEAST_GROUPS / replicas));

const walk = formOf<PackedOp>('update-packed/walk', 'update-packed', (op) =>
  passOf(op, 'walk', walkGroups(op), { WORKGROUP }),
);

/** A lane to a block where a barrier is dear, a workgroup to a block on GPUs. */
export const packedForms: readonly Form[] = [
  { ...walk, suits: (_, __, device) => describeAdapter(device).cpu },
  formOf<PackedOp>('update-packed/team', 'update-packed', (op) => passOf(op, 'team', op.shape.blocks)),
  formOf<PackedOp>('update-packed/range', 'update-packed-range', (op) =>
    passOf(op, 'range', walkGroups(op), { WORKGROUP }),
  ),
];
