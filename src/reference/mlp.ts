import { DownhillError } from '../gpu/errors.js';
import { checkInteger } from '../gpu/fields.js';
import type { Mlp } from '../nn/mlp.js';
import { type ReferenceActivation, referenceActivations } from './activations.js';
import { checkLabel, referenceLosses } from './losses.js';

/** What one pass through the network yields; index l of the lists is layer l, the first layer being 0. */
export interface ReferenceForward {
  /** [rows, sizes.at(-1)], the logits for softmax cross-entropy; the same array as activations.at(-1). */
  readonly outputs: Float64Array;
  /** y_l of each layer, [rows, sizes[l + 1]]. The input is not among them. */
  readonly activations: readonly Float64Array[];
  /** z_l = y_{l-1} · W_l + b_l of each layer, [rows, sizes[l + 1]]. */
  readonly preActivations: readonly Float64Array[];
}

export interface ReferenceGradients extends ReferenceForward {
  /** Mean of `rowLosses`. */
  readonly loss: number;
  /** [rows], the loss of each row alone. */
  readonly rowLosses: Float64Array;
  /** Of `loss`, by each parameter: in the order and shapes of `shapes`. */
  readonly gradients: Float64Array[];
}

/** A network in float64; made by {@link referenceMlp}. */
export interface ReferenceMlp {
  readonly model: Mlp;
  /** Shapes of the parameters: weight [in, out] (row-major) and bias [out] of each layer, in turn. */
  readonly shapes: readonly (readonly number[])[];
  /**
   * @param parameters one array per entry of `shapes`.
   * @param x [rows, sizes[0]], row-major.
   */
  forward(parameters: readonly Numbers[], x: Numbers, rows: number): ReferenceForward;
  /**
   * @param targets [rows] class indices for softmax cross-entropy, [rows, sizes.at(-1)] values for mse.
   */
  lossAndGradients(parameters: readonly Numbers[], x: Numbers, targets: Numbers, rows: number): ReferenceGradients;
  /** Share of rows whose largest output is the one of their label, the first of equal ones; a row with a NaN is wrong. */
  accuracy(outputs: Numbers, labels: Numbers, rows: number): number;
}

/** Any array of numbers; one that is not a Float64Array is copied. */
export type Numbers = ArrayLike<number>;

/**
 * The float64 oracle of a multilayer perceptron: forward, loss and every gradient, by the chain rule.
 *
 *     z_l = y_{l-1} · W_l + b_l        y_l = act(z_l), the last layer linear        y_{-1} = x
 *     δ_last = ∂loss/∂outputs          δ_{l-1} = (δ_l · W_lᵀ) ⊙ act'(z_{l-1})
 *     ∂loss/∂W_l = y_{l-1}ᵀ · δ_l      ∂loss/∂b_l = column sums of δ_l
 *
 * The loss is the mean over the rows given. Holds no state.
 *
 * @example
 * const net = referenceMlp(mlp({ sizes: [2, 8, 3] }));
 * const parameters = net.shapes.map((shape) => new Float64Array(shape.reduce((a, b) => a * b)).fill(0.1));
 * const { loss, gradients } = net.lossAndGradients(parameters, [0, 1, 1, 0], [2, 0], 2);
 * @throws DownhillError SHAPE-MISMATCH, OPTION-*, DATA-LABEL, of its methods.
 */
export function referenceMlp(model: Mlp): ReferenceMlp {
  const layers = model.sizes.slice(1).map((out, l): Layer => {
    const last = l === model.sizes.length - 2;
    return { in: model.sizes[l]!, out, activation: referenceActivations[last ? 'linear' : model.activation] };
  });
  const shapes = layers.flatMap((layer) => [[layer.in, layer.out], [layer.out]]);
  const width = layers.at(-1)!.out;
  const loss = referenceLosses[model.loss];

  function inputs(parameters: readonly Numbers[], x: Numbers, rows: number) {
    checkInteger('rows', rows, 1);
    if (parameters.length !== shapes.length) {
      throw mismatch('parameters', shapes.length, parameters.length);
    }
    return {
      tensors: shapes.map((shape, i) =>
        float64(
          `parameters[${i}]`,
          parameters[i]!,
          shape.reduce((a, b) => a * b),
        ),
      ),
      first: float64('x', x, rows * layers[0]!.in),
    };
  }

  return {
    model,
    shapes,
    forward(parameters, x, rows) {
      const { tensors, first } = inputs(parameters, x, rows);
      return forward(layers, tensors, first, rows);
    },
    lossAndGradients(parameters, x, targets, rows) {
      const { tensors, first } = inputs(parameters, x, rows);
      const wanted = float64('targets', targets, rows * loss.targetsPerRow(width));
      const pass = forward(layers, tensors, first, rows);
      const rowLosses = new Float64Array(rows);
      const delta = new Float64Array(rows * width);
      loss.rows(pass.outputs, wanted, width, rowLosses, delta);
      const gradients = backward(layers, tensors, first, pass, delta, rows);
      return { ...pass, loss: rowLosses.reduce((a, b) => a + b) / rows, rowLosses, gradients };
    },
    accuracy(outputs, labels, rows) {
      checkInteger('rows', rows, 1);
      return accuracy(float64('outputs', outputs, rows * width), float64('labels', labels, rows), width);
    },
  };
}

interface Layer {
  readonly in: number;
  readonly out: number;
  readonly activation: ReferenceActivation;
}

function mismatch(name: string, expected: number, got: number): DownhillError {
  return new DownhillError(
    'SHAPE-MISMATCH',
    `${name} must have ${expected} elements, got ${got}.`,
    'Pass arrays that fit the sizes of the model and the number of rows.',
  );
}

function float64(name: string, values: Numbers, length: number): Float64Array {
  if (values.length !== length) throw mismatch(name, length, values.length);
  return values instanceof Float64Array ? values : new Float64Array(values);
}

/*
 * In the three products the innermost loop walks along rows of both arrays it touches, so that a
 * 784-100-100-100-100-10 network takes about 20 ms per step of 64 rows.
 */

function forward(
  layers: readonly Layer[],
  tensors: readonly Float64Array[],
  x: Float64Array,
  rows: number,
): ReferenceForward {
  const activations: Float64Array[] = [];
  const preActivations: Float64Array[] = [];
  let input = x;
  for (const [l, { in: fanIn, out, activation }] of layers.entries()) {
    const z = product(input, tensors[2 * l]!, tensors[2 * l + 1]!, rows, fanIn, out);
    input = z.map(activation.value);
    preActivations.push(z);
    activations.push(input);
  }
  return { outputs: input, activations, preActivations };
}

/** y · W + b: [rows, fanIn] · [fanIn, out] + [out]. */
function product(y: Float64Array, w: Float64Array, b: Float64Array, rows: number, fanIn: number, out: number) {
  const z = new Float64Array(rows * out);
  for (let row = 0; row < rows; row++) {
    const to = row * out;
    z.set(b, to);
    for (let i = 0; i < fanIn; i++) {
      const value = y[row * fanIn + i]!;
      const from = i * out;
      for (let j = 0; j < out; j++) z[to + j] = z[to + j]! + value * w[from + j]!;
    }
  }
  return z;
}

/** The gradients of every tensor from `delta`, the gradient by the outputs. */
function backward(
  layers: readonly Layer[],
  tensors: readonly Float64Array[],
  x: Float64Array,
  { activations, preActivations }: ReferenceForward,
  outputDelta: Float64Array,
  rows: number,
): Float64Array[] {
  const gradients: Float64Array[] = [];
  let delta = outputDelta;
  for (let l = layers.length - 1; l >= 0; l--) {
    const { in: fanIn, out } = layers[l]!;
    const input = l === 0 ? x : activations[l - 1]!;
    gradients.unshift(transposedProduct(input, delta, rows, fanIn, out), columnSums(delta, rows, out));
    if (l === 0) break; // The data need no gradient.
    const { slope } = layers[l - 1]!.activation;
    const z = preActivations[l - 1]!;
    delta = productTransposed(delta, tensors[2 * l]!, rows, fanIn, out).map((d, i) => d * slope(z[i]!));
  }
  return gradients;
}

/** yᵀ · δ: [rows, fanIn]ᵀ · [rows, out] = [fanIn, out]. */
function transposedProduct(y: Float64Array, delta: Float64Array, rows: number, fanIn: number, out: number) {
  const gradient = new Float64Array(fanIn * out);
  for (let i = 0; i < fanIn; i++) {
    const to = i * out;
    for (let row = 0; row < rows; row++) {
      const value = y[row * fanIn + i]!;
      const from = row * out;
      for (let j = 0; j < out; j++) gradient[to + j] = gradient[to + j]! + value * delta[from + j]!;
    }
  }
  return gradient;
}

/** δ · Wᵀ: [rows, out] · [fanIn, out]ᵀ = [rows, fanIn]. */
function productTransposed(delta: Float64Array, w: Float64Array, rows: number, fanIn: number, out: number) {
  const result = new Float64Array(rows * fanIn);
  for (let row = 0; row < rows; row++) {
    for (let i = 0; i < fanIn; i++) {
      let sum = 0;
      for (let j = 0; j < out; j++) sum += delta[row * out + j]! * w[i * out + j]!;
      result[row * fanIn + i] = sum;
    }
  }
  return result;
}

function columnSums(delta: Float64Array, rows: number, out: number): Float64Array {
  const sums = new Float64Array(out);
  for (let row = 0; row < rows; row++) {
    for (let j = 0; j < out; j++) sums[j] = sums[j]! + delta[row * out + j]!;
  }
  return sums;
}

function accuracy(outputs: Float64Array, labels: Float64Array, width: number): number {
  let right = 0;
  for (const [row, label] of labels.entries()) {
    checkLabel(label, row, width);
    const start = row * width;
    let best = 0;
    let valid = true;
    for (let k = 0; k < width; k++) {
      const output = outputs[start + k]!;
      if (output > outputs[start + best]!) best = k;
      if (Number.isNaN(output)) valid = false;
    }
    if (valid && best === label) right++;
  }
  return right / labels.length;
}
