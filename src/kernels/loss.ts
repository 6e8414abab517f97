import type { BufferRange } from '../gpu/buffers.js';
import type { PassSpec } from '../gpu/pipelines.js';
import { mseShader } from '../shaders/nn/mse.gen.js';
import { softmaxCrossEntropyShader } from '../shaders/nn/softmax_cross_entropy.gen.js';
import { rowStride } from './dense.js';

const WORKGROUP = 32;

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
  /** One clock per replica (32 bytes); its third word is the number of valid rows. */
  readonly clock: BufferRange;
  /** As z, written: the gradient of the mean loss over the valid rows. */
  readonly dz: BufferRange;
  /** Two float32 per row and replica, written: the row's loss, and 1 where its largest output is the right class. */
  readonly result: BufferRange;
}

function lossPass(operands: LossOperands, shader: PassSpec['shader'], targets: string): PassSpec {
  const { label, rows, outputs, replicas = 1, z, batch, clock, dz, result } = operands;
  return {
    label,
    shader,
    constants: { ROWS: rows, N: outputs, Z_STRIDE: rowStride(outputs), WORKGROUP },
    buffers: { z, [targets]: operands.targets, batch, clock, dz, result },
    groups: Math.ceil(rows / WORKGROUP),
    replicas,
  };
}

/** Softmax cross-entropy and its gradient at the logits in one pass: loss = log Σ exp(z) - z_label, log-sum-exp stable. */
export const softmaxCrossEntropy = (operands: LossOperands) => lossPass(operands, softmaxCrossEntropyShader, 'labels');

/** Mean squared error over all outputs and its gradient in one pass: loss = Σ_j (z_j - t_j)² / outputs. */
export const meanSquaredError = (operands: LossOperands) => lossPass(operands, mseShader, 'targets');
