import { DownhillError } from '../../gpu/errors.js';
import { list, number } from '../../gpu/fields.js';
import { classWeight, loss, lossProduct } from '../../kernels/loss.js';
import { softmaxCrossEntropyShader } from '../../shaders/nn/softmax_cross_entropy.gen.js';
import type { Shader } from '../../shaders/shader.js';
import { factoryOf } from '../layer.js';
import { type LossBinding, type LossRow, operandsOf, productOperandsOf } from '../loss.js';

type Settings = { readonly labelSmoothing: number; readonly classWeights: readonly number[] };

const row: LossRow<Settings> & { name: 'softmax-cross-entropy' } = {
  name: 'softmax-cross-entropy',
  title: 'Softmax cross-entropy',
  fields: {
    labelSmoothing: number('share of the target that all classes get alike', 0, { min: 0, max: 1 }),
    classWeights: list('what a class weighs, one number for each', { min: 0 }),
  },
  targets: 'classes',
  also: ['probabilities'],
  counts: 'accuracy',
  check(outputs, { classWeights }) {
    if (classWeights.length === 0 || classWeights.length === outputs) return;
    throw new DownhillError(
      'SHAPE-MISMATCH',
      `softmax-cross-entropy has ${classWeights.length} classWeights, but the model ${outputs} outputs.`,
      'Give one for each class.',
    );
  },
  ops(b) {
    const { kernel, ops } = kernelOf(b, softmaxCrossEntropyShader);
    return [...ops, loss(operandsOf(b), kernel)];
  },
  curvature: {
    shader: () =>
      import('../../shaders/nn/softmax_cross_entropy_product.gen.js').then(
        (module) => module.softmaxCrossEntropyProductShader,
      ),
    // The mean weight is there since `ops`.
    product: (b, shader) => [lossProduct(productOperandsOf(b), kernelOf(b, shader).kernel)],
  },
  meanWeight(targets, { classWeights }) {
    if (classWeights.length === 0 || targets.kind !== 'classes') return undefined;
    let sum = 0;
    for (const label of targets.labels) sum += classWeights[label]!;
    return sum / targets.labels.length;
  },
  drawn: async () => (await import('../../shaders/nn/softmax_drawn.gen.js')).softmaxDrawnShader,
  /** softmax of each row, in float64. */
  predict(outputs, width) {
    const probabilities = new Float32Array(outputs.length);
    for (let first = 0; first < outputs.length; first += width) {
      const row = Float64Array.from(outputs.subarray(first, first + width));
      const top = row.reduce((a, b) => Math.max(a, b));
      const powers = row.map((z) => Math.exp(z - top));
      const sum = powers.reduce((a, b) => a + b);
      for (let j = 0; j < width; j++) probabilities[first + j] = powers[j]! / sum;
    }
    return probabilities;
  },
};

type Binding = Omit<LossBinding<Settings>, 'z' | 'dz' | 'result'>;

/** What loss and product share, and the ops in front of the loss. */
function kernelOf(b: Binding, shader: Shader) {
  const { labelSmoothing, classWeights } = b.settings;
  const weights = classWeights.length > 0 ? b.constant('class-weights', classWeights) : undefined;
  const mean = weights && b.kind === 'classes' ? meanOf(b, weights) : undefined;
  const kernel = {
    shader,
    constants: {
      PROBABILITIES: b.kind === 'probabilities',
      WEIGHTED: weights !== undefined,
      SPREAD: b.kind === 'probabilities' || weights !== undefined || labelSmoothing > 0,
    },
    shape: { keep: 1 - labelSmoothing, spread: labelSmoothing / b.outputs },
    buffers: { weights, mean_weight: mean?.range },
  };
  return { kernel, ops: mean?.ops ?? [] };
}

/** What the loss of labels is divided by: known beforehand, or the mean of the batch. */
function meanOf(b: Binding, weights: ReturnType<typeof b.constant>) {
  const { replicas, meanWeight } = b;
  if (meanWeight !== undefined)
    return { ops: [], range: b.constant('mean-weight', new Array(replicas).fill(meanWeight)) };
  const mean = b.scratch('mean-weight', 4 * replicas);
  const { label, rows, outputs, targets, batch, stream } = b;
  const operands = { label: `${label}-weight`, rows, outputs, replicas, targets, batch, stream };
  return { ops: [classWeight(operands, { weights, mean })], range: mean };
}

/** Options of {@link softmaxCrossEntropy}. */
export interface SoftmaxCrossEntropyOptions {
  /** Share of the target that all classes get alike, from 0 to 1. Default 0. */
  readonly labelSmoothing?: number;
  /** What a class weighs, one number for each; at least 0. Default: all 1. */
  readonly classWeights?: readonly number[];
}

/**
 * Softmax cross-entropy of logits against labels or probabilities, as torch.nn.CrossEntropyLoss:
 *
 *   loss = - Σ_j q_j log softmax(z)_j
 *   q_j  = classWeights_j · ((1 - labelSmoothing) t_j + labelSmoothing / classes)
 *   dz_j = (softmax(z)_j · Σ_k q_k - q_j) / rows
 *
 * where t is 1 for the label and 0 else, or the row's probabilities. By log-sum-exp: finite for every logit.
 *
 * The loss of a batch is the mean over its rows. With class weights and labels it is Σ loss / Σ classWeights_label, PyTorch's
 * weighted mean, which an evaluation takes over the whole data set; with probabilities as targets PyTorch divides by the
 * number of rows, whatever they weigh, and so does this. A batch whose labels all weigh 0 has loss 0 (PyTorch: NaN).
 *
 * `predict` gives probabilities. Accuracy is the share of rows whose largest output is the label, or the largest target.
 *
 * @example softmaxCrossEntropy({ labelSmoothing: 0.1 })
 * @throws DownhillError OPTION-*; SHAPE-MISMATCH where the model has another number of outputs
 * Paper: Szegedy et al. 2016, Rethinking the inception architecture for computer vision, https://arxiv.org/abs/1512.00567.
 */
export const softmaxCrossEntropy = factoryOf<typeof row, SoftmaxCrossEntropyOptions>(row);
