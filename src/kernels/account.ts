import type { BufferRange } from '../gpu/buffers.js';
import type { PassSpec } from '../gpu/passes.js';
import { accountShader } from '../shaders/data/account.gen.js';
import { formOf } from './lower.js';
import { checkOperands, type Form, type Op } from './op.js';

/** Words of one replica's stream, by the layout of the WGSL. */
export const STREAM_BYTES = accountShader.structs.Stream!.size;
export const streamWord = (field: 'step' | 'valid' | 'epoch' | 'seed') =>
  accountShader.structs.Stream!.fields[field]!.offset / 4;

/** In the note beside a loss: the step's update was left out. The rest is the count. */
export const LEFT_OUT = 0x8000_0000;
/** So steps are counted up to here. */
export const MAX_STEP = LEFT_OUT - 1;

/** How the rows of a batch are chosen, and the number of the way in the WGSL. */
const SAMPLING_NUMBERS = { shuffle: 1, sequential: 0, replacement: 2, full: 0 } as const;
/**
 * 'shuffle': every sample once per epoch, in an order keyed by seed and epoch. 'sequential': every sample once per epoch, in
 * the data's own order (PyTorch's `shuffle=False`). 'replacement': independent uniform draws, the lecture's mini-batch SGD.
 * 'full': all samples in every step (gradient descent).
 */
export type Sampling = keyof typeof SAMPLING_NUMBERS;
export const SAMPLINGS = Object.keys(SAMPLING_NUMBERS) as readonly Sampling[];

interface AccountShape {
  readonly rows: number;
  readonly samples: number;
  readonly stepsPerEpoch: number;
  readonly sampling: Sampling;
  /** Losses the ring holds, for each replica. */
  readonly lossRing: number;
  /** Batches of a replica that the data's ring holds, where the host sends it. */
  readonly ring?: number | undefined;
}
export type AccountOp = Op<'account', AccountShape>;

/** Takes a step's loss into the ring, and picks the batch of the next one. */
export const account = (
  operands: AccountShape & {
    readonly label: string;
    readonly replicas?: number;
    /** The optimizer's clock, after `advance`. */
    readonly clock: BufferRange;
    readonly stream: BufferRange;
    readonly batch: BufferRange;
    readonly result: BufferRange;
    readonly losses: BufferRange;
  },
): AccountOp => {
  const { label, replicas = 1, clock, stream, batch, result, losses, ...shape } = operands;
  const { rows, samples, stepsPerEpoch, lossRing } = shape;
  const sizes = { rows, samples, stepsPerEpoch, lossRing, replicas };
  checkOperands(label, sizes, { clock, stream, batch, result, losses });
  return { kind: 'account', label, shape, buffers: { clock, stream, batch, result, losses }, replicas };
};

/** Lanes of an account: with no more rows than lanes each has one, and the sum is the same whatever their number. */
const lanesFor = (rows: number) => [8, 16, 32].find((lanes) => rows <= lanes) ?? 64;

/** The pass of an account by itself. */
export const accountPass = ({ label, shape, buffers, replicas }: AccountOp): PassSpec => ({
  label,
  shader: accountShader,
  constants: {
    SAMPLING: SAMPLING_NUMBERS[shape.sampling],
    STREAMED: shape.ring !== undefined,
    WORKGROUP: lanesFor(shape.rows),
  },
  shape: {
    rows: shape.rows,
    samples: shape.samples,
    epoch_steps: shape.stepsPerEpoch,
    loss_ring: shape.lossRing,
    ring: shape.ring ?? 0,
  },
  buffers,
  groups: 1,
  replicas,
});

export const accountForms: readonly Form[] = [
  formOf<AccountOp>('account/workgroup', 'account', (op) => [accountPass(op)]),
];
