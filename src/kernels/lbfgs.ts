import type { BufferRange } from '../gpu/buffers.js';
import type { PassSpec } from '../gpu/passes.js';
import { lbfgsCoefficientsShader } from '../shaders/optim/lbfgs/coefficients.gen.js';
import { lbfgsCommitShader } from '../shaders/optim/lbfgs/commit.gen.js';
import { lbfgsControlShader } from '../shaders/optim/lbfgs/control.gen.js';
import { lbfgsDirectionShader } from '../shaders/optim/lbfgs/direction.gen.js';
import { lbfgsDotsShader } from '../shaders/optim/lbfgs/dots.gen.js';
import { lbfgsGramShader } from '../shaders/optim/lbfgs/gram.gen.js';
import { lbfgsTrialShader } from '../shaders/optim/lbfgs/trial.gen.js';
import type { Shader } from '../shaders/shader.js';
import { formOf } from './lower.js';
import type { Form, Op } from './op.js';

/*
 * The kernels of a round of L-BFGS. Only `control` and `coefficients` write its state and its clock; the others read them, and do
 * nothing in a round that changes nothing.
 */

const KERNELS = {
  trial: lbfgsTrialShader,
  dots: lbfgsDotsShader,
  control: lbfgsControlShader,
  commit: lbfgsCommitShader,
  gram: lbfgsGramShader,
  coefficients: lbfgsCoefficientsShader,
  direction: lbfgsDirectionShader,
} as const satisfies Record<string, Shader>;

const stateLayout = lbfgsControlShader.structs.State!;
export const LBFGS_STATE_BYTES = stateLayout.size;
const settingsLayout = lbfgsCoefficientsShader.structs.Settings!;
export const LBFGS_SETTINGS_BYTES = settingsLayout.size;
/** Workgroups of what goes over whole spans: the kernels stride over the rest. */
export const LBFGS_GROUPS = 4096;
/** Most points of a round. */
export const LBFGS_POINTS = 16;

/** What the state says, where the host asks. */
export interface LbfgsState {
  /** 0 before anything is known at x. */
  readonly phase: number;
  readonly value: number;
  readonly grad_max: number;
  readonly pairs: number;
  readonly stop: number;
  readonly failures: number;
  readonly cleared: number;
  readonly flats: number;
  /** Length of the last step taken. */
  readonly step: number;
}

/** Where a field of the state lies, in bytes. */
export const lbfgsOffset = (field: keyof LbfgsState) => stateLayout.fields[field]!.offset;

export function readLbfgs(bytes: ArrayBuffer): LbfgsState {
  const [u32, f32] = [new Uint32Array(bytes), new Float32Array(bytes)];
  const entries = Object.entries(stateLayout.fields).map(([name, { offset, type }]) => [
    name,
    (type === 'f32' ? f32 : u32)[offset / 4],
  ]);
  return Object.fromEntries(entries) as LbfgsState;
}

/** What may change from round to round, as the kernels take it. */
export function lbfgsSettings(
  values: Readonly<Record<'lr' | 'tolerance_grad' | 'tolerance_change', number>>,
): Float32Array<ArrayBuffer> {
  const words = new Float32Array(settingsLayout.size / 4);
  for (const [name, value] of Object.entries(values)) words[settingsLayout.fields[name]!.offset / 4] = value;
  return words;
}

/** One pass of a round: a kernel with its sizes. */
export type LbfgsOp = Op<
  'lbfgs',
  {
    readonly kernel: keyof typeof KERNELS;
    readonly sizes: Readonly<Record<string, number>>;
    readonly constants?: Readonly<Record<string, number | boolean>>;
    readonly groups: number;
  }
>;

/** A pass of a round, of so many workgroups for each replica: the points of `trial` and `dots`. */
export const lbfgsOp = (
  label: string,
  kernel: LbfgsOp['shape']['kernel'],
  shape: Omit<LbfgsOp['shape'], 'kernel'>,
  buffers: Readonly<Record<string, BufferRange>>,
  replicas = 1,
): LbfgsOp => ({ kind: 'lbfgs', label, shape: { kernel, ...shape }, buffers, replicas });

const lower = ({ label, shape, buffers, replicas }: LbfgsOp): PassSpec[] => [
  {
    ...{ label, shader: KERNELS[shape.kernel], constants: shape.constants ?? {}, shape: shape.sizes, buffers },
    ...{ groups: shape.groups, replicas },
  },
];

export const lbfgsForms: readonly Form[] = [formOf<LbfgsOp>('lbfgs', 'lbfgs', lower)];
