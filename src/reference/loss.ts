import { DownhillError } from '../gpu/errors.js';
import type { TargetKind } from '../nn/loss.js';
import { hash } from './hash.js';

/** A loss: the mean over rows of one number per row. */
export interface ReferenceLoss {
  /** Targets of one row of outputs: 1 where they are class indices. */
  targetsPerRow(width: number): number;
  /**
   * Writes the loss of each row into `rowLosses`, and the gradient of their **mean** by the outputs into `gradient`.
   *
   * @param outputs [rows, width]; for softmax cross-entropy the logits.
   * @param targets [rows] class indices, or [rows, width] values or probabilities.
   */
  rows(
    outputs: Float64Array,
    targets: Float64Array,
    width: number,
    rowLosses: Float64Array,
    gradient: Float64Array,
  ): void;
  /** R of that gradient, for R of the outputs: the second derivatives by the outputs, applied to `tangents`. */
  product(outputs: Float64Array, targets: Float64Array, width: number, tangents: Float64Array): Float64Array;
  /**
   * Of a likelihood: writes into `gradient` that for targets drawn from what the outputs say, as a trainer draws them for a rule
   * that divides by a curvature. `batch` times its products are on average the Hessian of the mean loss at the outputs.
   *
   * @param targets those of the data: they say what a row counts
   * @param batch rows of a whole batch
   */
  drawn?(
    outputs: Float64Array,
    targets: Float64Array,
    width: number,
    gradient: Float64Array,
    numbers: DrawnNumbers,
    batch: number,
  ): void;
}

/** The random numbers of one step: 32 bits, by their number. */
export type DrawnNumbers = (index: number) => number;

/** Keeps these numbers apart from others of the same seed: 'LB'. */
const STREAM = 0x4c42_0000;

/** Those of a trainer's step (from 0). */
export function drawnNumbers(seed: number, step: number): DrawnNumbers {
  const key = hash(seed, STREAM, 0);
  return (index) => hash(key, step, index);
}

/** In (0, 1), from 23 of the bits. */
export const uniformOf = (bits: number): number => ((bits >>> 9) + 0.5) / 2 ** 23;

/** Makes the oracle of a loss with these settings, for targets of a kind; by default the one the loss takes first of all. */
export type ReferenceLossOf = (settings?: Readonly<Record<string, unknown>>, kind?: TargetKind) => ReferenceLoss;

/** A loss that is a mean over rows and outputs of a function of output and target. */
export const meanOverOutputs = (
  /** Value, slope and bend by the output. */
  each: (output: number, target: number, column: number) => readonly [number, number, number],
): ReferenceLoss => ({
  targetsPerRow: (width) => width,
  rows(outputs, targets, width, rowLosses, gradient) {
    const rows = rowLosses.length;
    for (let row = 0; row < rows; row++) {
      let sum = 0;
      for (let j = 0; j < width; j++) {
        const k = row * width + j;
        const [value, slope] = each(outputs[k]!, targets[k]!, j);
        sum += value;
        gradient[k] = slope / (rows * width);
      }
      rowLosses[row] = sum / width;
    }
  },
  product: (outputs, targets, width, tangents) =>
    tangents.map((tangent, k) => (each(outputs[k]!, targets[k]!, k % width)[2] * tangent) / tangents.length),
});

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
