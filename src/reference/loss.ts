import { DownhillError } from '../gpu/errors.js';

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
