import type { BufferRange } from '../gpu/buffers.js';
import { newtonBeginShader } from '../shaders/optim/newton/begin.gen.js';
import { newtonControlShader } from '../shaders/optim/newton/control.gen.js';
import { newtonDotsShader } from '../shaders/optim/newton/dots.gen.js';
import { newtonMoveShader } from '../shaders/optim/newton/move.gen.js';
import { newtonPointShader } from '../shaders/optim/newton/point.gen.js';
import type { Shader } from '../shaders/shader.js';
import { formOf } from './lower.js';
import type { Form, Op } from './op.js';

/* The kernels of Newton's method in a trust region. Only `control` writes its state and its clock. */

const KERNELS = {
  point: newtonPointShader,
  dots: newtonDotsShader,
  control: newtonControlShader,
  begin: newtonBeginShader,
  move: newtonMoveShader,
} as const satisfies Record<string, Shader>;

const stateLayout = newtonControlShader.structs.State!;
export const NEWTON_STATE_BYTES = stateLayout.size;
const settingsLayout = newtonControlShader.structs.Settings!;
export const NEWTON_SETTINGS_BYTES = settingsLayout.size;
/** Workgroups of what goes over whole spans: the kernel strides over the rest. */
export const NEWTON_GROUPS = 4096;

/** What the state says, where the host asks. */
export interface NewtonState {
  readonly phase: number;
  readonly stop: number;
  readonly failures: number;
  readonly products: number;
  readonly value: number;
  readonly grad_max: number;
  readonly radius: number;
}

/** Where a field of the state lies, in bytes. */
export const newtonOffset = (field: keyof NewtonState) => stateLayout.fields[field]!.offset;

export function readNewton(bytes: ArrayBuffer): NewtonState {
  const [u32, f32] = [new Uint32Array(bytes), new Float32Array(bytes)];
  const entries = Object.entries(stateLayout.fields).map(([name, { offset, type }]) => [
    name,
    (type === 'f32' ? f32 : u32)[offset / 4],
  ]);
  return Object.fromEntries(entries) as NewtonState;
}

/** What may change from step to step, as the kernels take it. */
export function newtonSettings(
  values: Readonly<Record<'radius' | 'tolerance_grad', number>>,
): Float32Array<ArrayBuffer> {
  const words = new Float32Array(settingsLayout.size / 4);
  for (const [name, value] of Object.entries(values)) words[settingsLayout.fields[name]!.offset / 4] = value;
  return words;
}

/** One pass: a kernel with its sizes. */
export type NewtonOp = Op<
  'newton',
  {
    readonly kernel: keyof typeof KERNELS;
    readonly sizes: Readonly<Record<string, number>>;
    readonly constants?: Readonly<Record<string, number | boolean>>;
    readonly groups: number;
  }
>;

export const newtonOp = (
  label: string,
  kernel: NewtonOp['shape']['kernel'],
  shape: Omit<NewtonOp['shape'], 'kernel'>,
  buffers: Readonly<Record<string, BufferRange>>,
): NewtonOp => ({ kind: 'newton', label, shape: { kernel, ...shape }, buffers, replicas: 1 });

export const newtonForms: readonly Form[] = [
  formOf<NewtonOp>('newton', 'newton', ({ label, shape, buffers, replicas }) => [
    {
      ...{ label, shader: KERNELS[shape.kernel], constants: shape.constants ?? {}, shape: shape.sizes, buffers },
      ...{ groups: shape.groups, replicas },
    },
  ]),
];
