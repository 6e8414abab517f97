import { DownhillError } from '../gpu/errors.js';
import type { Loss } from '../nn/mlp.js';

/** A loss: the mean over rows of one number per row. */
export interface ReferenceLoss {
  /** Targets of one row of outputs: 1 where they are class indices. */
  targetsPerRow(width: number): number;
  /**
   * Writes the loss of each row into `rowLosses`, and the gradient of their **mean** by the outputs into `gradient`.
   *
   * @param outputs [rows, width]; for softmax cross-entropy the logits.
   * @param targets [rows] class indices for softmax cross-entropy, [rows, width] values for mse.
   */
  rows(
    outputs: Float64Array,
    targets: Float64Array,
    width: number,
    rowLosses: Float64Array,
    gradient: Float64Array,
  ): void;
}

/** Refuses a class index that names no output. */
export function checkLabel(label: number, row: number, width: number): void {
  if (!Number.isInteger(label) || label < 0 || label >= width) {
    throw new DownhillError(
      'DATA-LABEL',
      `The label of row ${row} must be an integer from 0 to ${width - 1}, got ${label}.`,
      'Give every row the index of its class, counted from 0.',
    );
  }
}

/** Every loss of the house. */
export const referenceLosses: Readonly<Record<Loss, ReferenceLoss>> = {
  /**
   * log Σ exp(z_j) - z_label, by log-sum-exp: with the largest logit M at index k, (M - z_label) + log1p(Σ_{j≠k}
   * exp(z_j - M)) stays finite for every finite logit and keeps the digits of a loss near 0.
   * Gradient: (softmax(z) - onehot(label)) / rows.
   */
  'softmax-cross-entropy': {
    targetsPerRow: () => 1,
    rows(outputs, targets, width, rowLosses, gradient) {
      const rows = rowLosses.length;
      for (let row = 0; row < rows; row++) {
        const label = targets[row]!;
        checkLabel(label, row, width);
        const start = row * width;
        let top = start;
        for (let k = start; k < start + width; k++) if (outputs[k]! > outputs[top]!) top = k;
        const max = outputs[top]!;
        let others = 0;
        for (let k = start; k < start + width; k++) if (k !== top) others += Math.exp(outputs[k]! - max);
        rowLosses[row] = max - outputs[start + label]! + Math.log1p(others);
        for (let k = start; k < start + width; k++) {
          const probability = Math.exp(outputs[k]! - max) / (1 + others);
          gradient[k] = (probability - (k === start + label ? 1 : 0)) / rows;
        }
      }
    },
  },

  /**
   * Mean over rows and outputs of (y - t)², as torch.nn.MSELoss with reduction 'mean': a row's loss is its mean over
   * outputs. Gradient: 2 (y - t) / (rows · width).
   */
  mse: {
    targetsPerRow: (width) => width,
    rows(outputs, targets, width, rowLosses, gradient) {
      const rows = rowLosses.length;
      for (let row = 0; row < rows; row++) {
        let sum = 0;
        for (let k = row * width; k < (row + 1) * width; k++) {
          const error = outputs[k]! - targets[k]!;
          sum += error * error;
          gradient[k] = (2 * error) / (rows * width);
        }
        rowLosses[row] = sum / width;
      }
    },
  },
};
