import type { BufferRange } from '../gpu/buffers.js';
import { describeAdapter } from '../gpu/device.js';
import { DownhillError, show } from '../gpu/errors.js';
import { checkInteger } from '../gpu/fields.js';
import type { Shader } from '../shaders/shader.js';
import { formOf } from './lower.js';
import type { Form, Op } from './op.js';

/*
 * A rule's kernel over a whole arena, and the records of scalars it reads. Bindings and layouts are the contract of DESIGN 3.4.
 */

/** Words of a row of per-step scalars: 64 bytes, of which the first six are the same for every rule. */
export const RECORD_WORDS = 16;
/** Rows the uniform holds: tensor groups times replicas. */
export const MAX_RECORDS = 1024;
export const HYPER_BYTES = MAX_RECORDS * RECORD_WORDS * 4;
/** Records are written ahead in blocks of so many updates. */
export const RECORD_BLOCK = 256;
/** Tensors in an arena start at multiples of this many elements, and `group_of` has one entry per so many. */
export const ARENA_BLOCK = 64;

/** What every device can dispatch along one dimension; the kernels stride or stretch over the rest. */
const MAX_GROUPS = 65_535;

/** An update and what its forms need to know of it: the kernel, its overrides, the 64-float chunks of one replica. */
export type UpdateOp = Op<
  'update' | 'update-range',
  {
    readonly shader: Shader;
    readonly constants: Readonly<Record<string, number | boolean>>;
    readonly chunks: number;
    /** Of an arena: `group_of` as the host has it. */
    readonly groups?: Uint32Array;
  }
>;

/**
 * One rule's update of an arena: every tensor in it, of whatever group, in one op.
 *
 * @param shader of a rule: its bindings are `hyper`, `param`, `grad`, the state slots, `group_of`
 * @param elements per replica, a multiple of 64; every arena range holds `replicas` times as many float32
 * @param state by slot name; a slot left out is off
 * @param flags the overrides that turn slots on
 * @throws DownhillError SHAPE-INVALID for `elements`; BUFFER-RANGE where a range is shorter. Of a longer one only so much is
 * bound: the kernel goes by the length of its bindings.
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
  /** Its words, for forms that know tensors and not blocks. */
  readonly groups?: Uint32Array;
}): UpdateOp {
  const { label, shader, elements, flags, hyper, param, grad, state, groupOf, groups } = operands;
  const replicas = checkInteger(`${label}: replicas`, operands.replicas ?? 1, 1);
  if (!(elements > 0 && elements % ARENA_BLOCK === 0)) {
    throw new DownhillError(
      'SHAPE-INVALID',
      `${label}: an arena of ${show(elements)} elements.`,
      `Pad it to a multiple of ${ARENA_BLOCK}.`,
    );
  }
  const exactly = (name: string, given: BufferRange | undefined, bytes: number): BufferRange => {
    if (given && given.size >= bytes) return { ...given, size: bytes };
    throw new DownhillError(
      'BUFFER-RANGE',
      `${label}: ${name} has ${given?.size ?? 0} bytes; ${elements} elements and ${replicas} replica(s) need ${bytes}.`,
      `Pass a range of at least ${bytes} bytes.`,
    );
  };
  const arenas = { param, grad, ...state };
  const used = shader.bindings.slice(1, -1).filter(({ name }) => {
    const off = shader.overrides[name.toUpperCase()];
    return name in arenas || (flags[name.toUpperCase()] ?? off) !== false;
  });
  return {
    kind: 'update',
    label,
    shape: { shader, constants: flags, chunks: elements / ARENA_BLOCK, ...(groups && { groups }) },
    buffers: {
      hyper,
      ...Object.fromEntries(
        used.map(({ name }) => [name, exactly(name, arenas[name as 'param'], 4 * elements * replicas)]),
      ),
      group_of: exactly('groupOf', groupOf, (4 * elements) / ARENA_BLOCK),
    },
    replicas,
  };
}

/** So many chunks to a lane: 4 and 8 took more time on SwiftShader, 32 and 64 as much. */
const STRETCH = 16;
/** Of a small arena fewer, so that there are so many workgroups to spread over the cores. */
const LEAST_GROUPS = 16;

/** Workgroups and overrides of a loop over chunks that one lane, or four, share. */
export function lanesOf(chunks: number, replicas: number, LANES: 1 | 4) {
  const WORKGROUP = LANES === 1 ? 16 : 64;
  const teams = chunks / 16;
  const groups = LANES === 1 ? Math.max(teams / STRETCH, Math.min(teams, LEAST_GROUPS / replicas)) : teams;
  return { groups: Math.min(Math.ceil(groups), MAX_GROUPS), constants: { LANES, WORKGROUP } };
}

const lanesForm = (LANES: 1 | 4): Form =>
  formOf<UpdateOp>(`update/lanes-${LANES}`, 'update', ({ label, shape, buffers, replicas }) => {
    const { groups, constants } = lanesOf(shape.chunks, replicas, LANES);
    return [
      { label, shader: shape.shader, constants: { ...shape.constants, ...constants }, buffers, groups, replicas },
    ];
  });

const oneLane = lanesForm(1);

/**
 * How updates are computed: by how many lanes share a chunk of 64 floats. Lanes of a GPU should read neighbouring vec4s; a
 * CPU adapter runs them one after another, and one lane to a chunk took 0.53-0.67 of the time of four on SwiftShader,
 * 0.84-0.96 on lavapipe.
 */
export const updateForms: readonly Form[] = [
  {
    ...oneLane,
    match: (ops, at, device) => (describeAdapter(device).cpu ? oneLane.match(ops, at, device) : 0),
  },
  lanesForm(4),
  oneLane,
  formOf<UpdateOp>('update/scalar', 'update-range', ({ label, shape, buffers, replicas }) => [
    {
      label,
      shader: shape.shader,
      constants: { ...shape.constants, WORKGROUP: 64 },
      buffers,
      groups: Math.min(Math.ceil(shape.chunks / 16), MAX_GROUPS),
      replicas,
    },
  ]),
];

/** By shader: where the fields of its `Hyper` stand, in words. */
const layouts = new WeakMap<
  Shader,
  readonly { readonly name: string; readonly word: number; readonly float: boolean }[]
>();

function layoutOf(shader: Shader) {
  const known = layouts.get(shader);
  if (known) return known;
  const fields = Object.entries(shader.structs.Hyper!.fields);
  const layout = fields.map(([name, { offset, type }]) => ({ name, word: offset / 4, float: type === 'f32' }));
  layouts.set(shader, layout);
  return layout;
}

/** Writes one row of per-step scalars into the views of a block, by the layout read from the rule's WGSL. */
export function packRecord(
  shader: Shader,
  words: { readonly u32: Uint32Array; readonly f32: Float32Array },
  row: number,
  values: Readonly<Record<string, number>>,
): void {
  for (const { name, word, float } of layoutOf(shader)) {
    const value = values[name];
    if (value === undefined)
      throw new DownhillError('INTERNAL', `${shader.name}: nobody computes ${name}.`, 'Report this.');
    (float ? words.f32 : words.u32)[row * RECORD_WORDS + word] = value;
  }
}
