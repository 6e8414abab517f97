import { DownhillError } from '../gpu/errors.js';
import { checkInteger } from '../gpu/fields.js';
import type { TargetKind } from '../nn/loss.js';
import { buffersOf, type Model, tensorsOf } from '../nn/model.js';
import type { ReferenceLayer, ReferencePass } from './layer.js';
import { referenceLayers } from './layers.js';
import { checkLabel, drawnNumbers, type ReferenceLoss, type ReferenceLossOf } from './loss.js';
import { referenceLosses } from './losses.js';

/** What one pass through the network yields. */
export interface ReferenceForward {
  /** [rows, model.output], the logits for softmax cross-entropy; the same array as values.at(-1). */
  readonly outputs: Float64Array;
  /** Output of each layer, [rows, its width], in the order of `model.layers`. The input is not among them. */
  readonly values: readonly Float64Array[];
}

export interface ReferenceGradients extends ReferenceForward {
  /** Mean of `rowLosses`. */
  readonly loss: number;
  /** [rows], the loss of each row alone. */
  readonly rowLosses: Float64Array;
  /** Of `loss`, by each parameter: in the order and shapes of `shapes`. */
  readonly gradients: Float64Array[];
}

/** What a pass depends on beside parameters and samples, in models with batch norm or dropout. */
export interface ReferenceOptions {
  /** Default 'evaluate' for `forward`, 'train' for `lossAndGradients`. */
  readonly mode?: 'train' | 'evaluate';
  /** Of the trainer. Default 0. */
  readonly seed?: number;
  /** Which step of the trainer, from 0. Default 0. */
  readonly step?: number;
  /**
   * What the layers keep, such as running means, in the order of `buffersOf`; changed by a pass in training. By default what
   * they start at, changed by nothing.
   */
  readonly buffers?: readonly Float64Array[];
}

/** A network in float64; made by {@link referenceNetwork}. */
export interface ReferenceNetwork {
  readonly model: Model;
  /** Shapes of the parameters, in the order of `tensorsOf`: of a linear layer weight [in, out] (row-major) and bias [out]. */
  readonly shapes: readonly (readonly number[])[];
  /** What its layers keep, as it starts: in the order of `buffersOf`. */
  buffers(): Float64Array[];
  /**
   * @param parameters one array per entry of `shapes`.
   * @param x [rows, model.input], row-major.
   */
  forward(parameters: readonly Numbers[], x: Numbers, rows: number, options?: ReferenceOptions): ReferenceForward;
  /**
   * @param targets [rows] class indices, or [rows, model.output] values or probabilities: of the network's kind of targets.
   */
  lossAndGradients(
    parameters: readonly Numbers[],
    x: Numbers,
    targets: Numbers,
    rows: number,
    options?: ReferenceOptions,
  ): ReferenceGradients;
  /**
   * The Hessian of the loss times a vector, by the R-operator: exact, in about twice the time of a gradient.
   *
   * @param v as `parameters`: the vector
   * @param gaussNewton the Gauss-Newton matrix Jᵀ·L''·J instead, which leaves out the network's own curvature. Default false.
   * @throws DownhillError SHAPE-MISMATCH; OPTION-RANGE for layers that have no product
   */
  hessianProduct(
    parameters: readonly Numbers[],
    x: Numbers,
    targets: Numbers,
    rows: number,
    v: readonly Numbers[],
    options?: { readonly gaussNewton?: boolean },
  ): Float64Array[];
  /**
   * Of a loss that is a likelihood: the gradients for targets drawn from the network, as a trainer draws them by seed and step for a
   * rule that divides by a curvature (Gauss-Newton-Bartlett).
   *
   * @param targets those of the data, as for `lossAndGradients`: they say what a row counts
   * @param options with `batch`, the rows of a whole batch, where these are fewer
   */
  drawnGradients(
    parameters: readonly Numbers[],
    x: Numbers,
    targets: Numbers,
    rows: number,
    options?: ReferenceOptions & { readonly batch?: number },
  ): Float64Array[];
  /** Share of rows whose largest output is the one of their label, the first of equal ones; a row with a NaN is wrong. */
  accuracy(outputs: Numbers, labels: Numbers, rows: number): number;
}

/** Any array of numbers; one that is not a Float64Array is copied. */
export type Numbers = ArrayLike<number>;

/**
 * The float64 oracle of a network: forward, loss and every gradient, by the chain rule, layer by layer.
 *
 * The loss is the mean over the rows given. Holds no state.
 *
 * @param kind of the targets; by default what the model's loss takes first of all
 * @example
 * const net = referenceNetwork(mlp({ sizes: [2, 8, 3] }));
 * const parameters = net.shapes.map((shape) => new Float64Array(shape.reduce((a, b) => a * b)).fill(0.1));
 * const { loss, gradients } = net.lossAndGradients(parameters, [0, 1, 1, 0], [2, 0], 2);
 * @throws DownhillError SHAPE-MISMATCH, OPTION-*, DATA-LABEL, of its methods.
 */
export function referenceNetwork(model: Model, kind: TargetKind = model.loss.row.targets): ReferenceNetwork {
  const shapes = tensorsOf(model).map(({ shape }) => shape);
  let next = 0;
  let kept = 0;
  const layers = model.layers.map(({ row, settings, input, output, tensors, buffers }, place): PlacedLayer => {
    const [first, firstBuffer] = [next, kept];
    next += tensors.length;
    kept += buffers.length;
    const layer = referenceLayers[row.name]!(input, output, settings);
    return { layer, place, first, tensors: tensors.length, firstBuffer, buffers: buffers.length };
  });
  const initialBuffers = () =>
    buffersOf(model).map(({ shape, initial }) => new Float64Array(shape.reduce((a, b) => a * b, 1)).fill(initial));
  const width = model.output;
  const lossOf: ReferenceLossOf = (referenceLosses as Readonly<Record<string, ReferenceLossOf>>)[model.loss.row.name]!;
  const loss = lossOf(model.loss.settings, kind);

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
      first: float64('x', x, rows * model.input),
    };
  }

  return {
    model,
    shapes,
    buffers: initialBuffers,
    forward(parameters, x, rows, options) {
      const { tensors, first } = inputs(parameters, x, rows);
      const pass = { rows, mode: 'evaluate', seed: 0, step: 0, buffers: initialBuffers(), ...options } as const;
      return forward(layers, tensors, first, pass);
    },
    lossAndGradients(parameters, x, targets, rows, options) {
      const { tensors, first } = inputs(parameters, x, rows);
      const wanted = float64('targets', targets, rows * loss.targetsPerRow(width));
      const made = { rows, mode: 'train', seed: 0, step: 0, buffers: initialBuffers(), ...options } as const;
      const pass = forward(layers, tensors, first, made);
      const rowLosses = new Float64Array(rows);
      const delta = new Float64Array(rows * width);
      loss.rows(pass.outputs, wanted, width, rowLosses, delta);
      const gradients = backward(layers, tensors, first, pass, delta, made);
      return { ...pass, loss: rowLosses.reduce((a, b) => a + b) / rows, rowLosses, gradients };
    },
    hessianProduct(parameters, x, targets, rows, v, { gaussNewton = false } = {}) {
      const { tensors, first } = inputs(parameters, x, rows);
      const { tensors: direction } = inputs(v, x, rows);
      const wanted = float64('targets', targets, rows * loss.targetsPerRow(width));
      return product(layers, loss, tensors, first, direction, wanted, { rows, width, gaussNewton });
    },
    drawnGradients(parameters, x, targets, rows, { batch = rows, ...options } = {}) {
      const { tensors, first } = inputs(parameters, x, rows);
      const wanted = float64('targets', targets, rows * loss.targetsPerRow(width));
      const made = { rows, mode: 'train', seed: 0, step: 0, buffers: initialBuffers(), ...options } as const;
      if (!loss.drawn) throw noLikelihood(model.loss.row.name);
      // What layers keep of a pass is kept of the step's own.
      const pass = forward(layers, tensors, first, { ...made, buffers: made.buffers.map((each) => each.slice()) });
      const delta = new Float64Array(rows * width);
      loss.drawn(pass.outputs, wanted, width, delta, drawnNumbers(made.seed, made.step), batch);
      return backward(layers, tensors, first, pass, delta, made);
    },
    accuracy(outputs, labels, rows) {
      checkInteger('rows', rows, 1);
      return accuracy(float64('outputs', outputs, rows * width), float64('labels', labels, rows), width);
    },
  };
}

const noLikelihood = (name: string) =>
  new DownhillError(
    'OPTION-RANGE',
    `${name} is no likelihood to draw targets from.`,
    'Take a model with softmax or binary cross-entropy, or mean squared error.',
  );

interface PlacedLayer {
  readonly layer: ReferenceLayer;
  readonly place: number;
  /** Of its tensors, among all. */
  readonly first: number;
  readonly tensors: number;
  /** Of what it keeps, among all. */
  readonly firstBuffer: number;
  readonly buffers: number;
}

/** A pass of the whole network. */
type NetworkPass = Omit<ReferencePass, 'place'>;

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

const own = ({ first, tensors }: PlacedLayer, all: readonly Float64Array[]) => all.slice(first, first + tensors);

const ownPass = ({ place, firstBuffer, buffers }: PlacedLayer, pass: NetworkPass): ReferencePass => ({
  ...pass,
  place,
  buffers: pass.buffers.slice(firstBuffer, firstBuffer + buffers),
});

function forward(
  layers: readonly PlacedLayer[],
  tensors: readonly Float64Array[],
  x: Float64Array,
  pass: NetworkPass,
): ReferenceForward {
  const values: Float64Array[] = [];
  let input = x;
  for (const placed of layers) {
    const [before, layerPass] = [input, ownPass(placed, pass)];
    input = placed.layer.forward(before, own(placed, tensors), layerPass);
    values.push(input);
    if (pass.mode === 'train') placed.layer.commit?.({ ...layerPass, x: before });
  }
  return { outputs: input, values };
}

/** The gradients of every tensor from `delta`, the gradient by the outputs. */
function backward(
  layers: readonly PlacedLayer[],
  tensors: readonly Float64Array[],
  x: Float64Array,
  { values }: ReferenceForward,
  outputDelta: Float64Array,
  made: NetworkPass,
): Float64Array[] {
  const gradients: Float64Array[] = [];
  // Below the first layer with parameters nothing needs a gradient.
  const lowest = layers.findIndex((placed) => placed.tensors > 0);
  let delta = outputDelta;
  for (let l = layers.length - 1; l >= lowest; l--) {
    const pass = { ...ownPass(layers[l]!, made), x: values[l - 1] ?? x, y: values[l]! };
    const result = layers[l]!.layer.backward(delta, pass, own(layers[l]!, tensors), l > lowest);
    gradients.unshift(...result.gradients);
    delta = result.dx ?? delta;
  }
  return gradients;
}

/** R forward and R backward, beside the pass itself. */
function product(
  layers: readonly PlacedLayer[],
  loss: ReferenceLoss,
  tensors: readonly Float64Array[],
  x: Float64Array,
  v: readonly Float64Array[],
  targets: Float64Array,
  { rows, width, gaussNewton }: { readonly rows: number; readonly width: number; readonly gaussNewton: boolean },
): Float64Array[] {
  const made: NetworkPass = { rows, mode: 'train', seed: 0, step: 0, buffers: [] };
  const without = layers.findIndex(({ layer }) => !layer.curvature);
  if (without >= 0) throw noCurvature(without);
  const { outputs, values } = forward(layers, tensors, x, made);
  const passes = layers.map((placed, l) => ({ ...ownPass(placed, made), x: values[l - 1] ?? x, y: values[l]! }));
  const tangents: Float64Array[] = [new Float64Array(x.length)];
  for (const [l, placed] of layers.entries()) {
    tangents.push(placed.layer.curvature!.tangent(tangents[l]!, passes[l]!, own(placed, tensors), own(placed, v)));
  }
  let delta: Float64Array = new Float64Array(rows * width);
  loss.rows(outputs, targets, width, new Float64Array(rows), delta);
  // The terms with deltas are what the Gauss-Newton matrix leaves out.
  if (gaussNewton) delta.fill(0);
  let rdelta = loss.product(outputs, targets, width, tangents.at(-1)!);
  const products: Float64Array[] = [];
  for (const [l, placed] of [...layers.entries()].reverse()) {
    const [params, given] = [own(placed, tensors), { dy: delta, rdy: rdelta, rx: tangents[l]! }];
    const result = placed.layer.curvature!.product(given, passes[l]!, params, own(placed, v));
    products.unshift(...result.gradients);
    delta = placed.layer.backward(delta, passes[l]!, params, true).dx!;
    rdelta = result.dx;
  }
  return products;
}

const noCurvature = (l: number) =>
  new DownhillError(
    'OPTION-RANGE',
    `layers[${l}] has no product of its second derivatives with a vector.`,
    'Take a model of linear layers and activations.',
  );

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
