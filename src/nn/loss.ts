import type { Fields } from '../gpu/fields.js';
import type { LossOp, LossOperands } from '../kernels/loss.js';
import type { Settings } from './layer.js';

/** What a network is to predict, by kind: as data sets have it. */
export interface TargetsOf {
  readonly classes: {
    readonly kind: 'classes';
    readonly classes: number;
    readonly labels: Uint8Array | Uint16Array | Uint32Array;
  };
  readonly values: { readonly kind: 'values'; readonly width: number; readonly values: Float32Array };
}

/** One loss (src/nn/losses). */
export interface LossRow<S = Settings> {
  readonly name: string;
  /** 'Mean squared error' */
  readonly title: string;
  readonly fields: Fields;
  /** Which targets it takes. */
  readonly targets: keyof TargetsOf;
  /** What the second number of a row's result counts. */
  readonly metrics: readonly 'accuracy'[];
  /** Of every row of a batch, and the gradient at the outputs. */
  op(operands: LossOperands, settings: S): LossOp;
  /** What outputs say where that is not the outputs themselves: [rows, width], of outputs [rows, width]. */
  predict?(outputs: Float32Array, width: number): Float32Array;
}

/** A loss as a model names it. Made by `softmaxCrossEntropy()`, `mse()`; plain data. */
export interface LossFunction {
  readonly row: LossRow;
  readonly settings: Settings;
}
