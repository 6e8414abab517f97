import type { BufferRange } from '../gpu/buffers.js';
import { mseShader } from '../shaders/nn/mse.gen.js';
import { softmaxCrossEntropyShader } from '../shaders/nn/softmax_cross_entropy.gen.js';
import { formOf } from './lower.js';
import { rowStride } from './matrix.js';
import type { Op } from './op.js';

export interface LossOperands {
  readonly label: string;
  readonly rows: number;
  readonly outputs: number;
  readonly replicas?: number;
  /** [rows, rowStride(outputs)], the network's outputs. */
  readonly z: BufferRange;
  /** For the whole data set: one u32 per sample (classes), or [samples, outputs] float32 (mean squared error). */
  readonly targets: BufferRange;
  /** Sample of each row: one u32 per row and replica. */
  readonly batch: BufferRange;
  /** Per replica where the data is; `valid` is the number of valid rows. */
  readonly stream: BufferRange;
  /** As z, written: the gradient of the mean loss over the valid rows. */
  readonly dz: BufferRange;
  /** Two float32 per row and replica, written: the row's loss, and 1 where its largest output is the right class. */
  readonly result: BufferRange;
}

/** The kernels of losses, and what each calls its targets. */
const LOSSES = {
  'softmax-cross-entropy': { shader: softmaxCrossEntropyShader, targets: 'labels' },
  mse: { shader: mseShader, targets: 'targets' },
} as const;

export type LossOp = Op<
  'loss',
  { readonly loss: keyof typeof LOSSES; readonly rows: number; readonly outputs: number }
>;

function lossOp(loss: keyof typeof LOSSES, operands: LossOperands): LossOp {
  const { label, rows, outputs, replicas = 1, ...buffers } = operands;
  return { kind: 'loss', label, shape: { loss, rows, outputs }, buffers, replicas };
}

/** Softmax cross-entropy and its gradient at the logits in one pass: loss = log Σ exp(z) - z_label, log-sum-exp stable. */
export const softmaxCrossEntropy = (operands: LossOperands) => lossOp('softmax-cross-entropy', operands);

/** Mean squared error over all outputs and its gradient in one pass: loss = Σ_j (z_j - t_j)² / outputs. */
export const meanSquaredError = (operands: LossOperands) => lossOp('mse', operands);

const WORKGROUP = 32;

export const lossForms = [
  formOf<LossOp>('loss/rows', 'loss', ({ label, shape, buffers, replicas }) => {
    const { shader, targets } = LOSSES[shape.loss];
    const { targets: wanted, stream, ...rest } = buffers;
    return [
      {
        label,
        shader,
        constants: { WORKGROUP, ...('N' in shader.overrides && { N: shape.outputs }) },
        shape: { rows: shape.rows, n: shape.outputs, z_stride: rowStride(shape.outputs) },
        buffers: { ...rest, stream, [targets]: wanted },
        groups: Math.ceil(shape.rows / WORKGROUP),
        replicas,
      },
    ];
  }),
];
