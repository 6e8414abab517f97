import { DownhillError } from '../../gpu/errors.js';
import { list } from '../../gpu/fields.js';
import { loss, lossProduct } from '../../kernels/loss.js';
import { binaryCrossEntropyShader } from '../../shaders/nn/binary_cross_entropy.gen.js';
import { factoryOf } from '../layer.js';
import { type LossRow, operandsOf, productOperandsOf } from '../loss.js';

type Settings = { readonly posWeight: readonly number[] };

const row: LossRow<Settings> & { name: 'binary-cross-entropy' } = {
  name: 'binary-cross-entropy',
  title: 'Binary cross-entropy',
  fields: { posWeight: list('what a target of 1 weighs, one number for each output', { min: 0 }) },
  targets: 'values',
  within: [0, 1],
  counts: 'accuracy',
  check(outputs, { posWeight }) {
    if (posWeight.length === 0 || posWeight.length === outputs) return;
    throw new DownhillError(
      'SHAPE-MISMATCH',
      `binary-cross-entropy has ${posWeight.length} numbers in posWeight, but the model ${outputs} outputs.`,
      'Give one for each output.',
    );
  },
  ops(b) {
    const { posWeight } = b.settings;
    const weighted = posWeight.length > 0;
    return [
      loss(operandsOf(b), {
        shader: binaryCrossEntropyShader,
        constants: { N: b.outputs, WEIGHTED: weighted },
        buffers: { weights: weighted ? b.constant('pos-weight', posWeight) : undefined },
      }),
    ];
  },
  curvature: {
    shader: () =>
      import('../../shaders/nn/binary_cross_entropy_product.gen.js').then(
        (module) => module.binaryCrossEntropyProductShader,
      ),
    product(b, shader) {
      const { posWeight } = b.settings;
      const weighted = posWeight.length > 0;
      const weights = weighted ? b.constant('pos-weight', posWeight) : undefined;
      return [lossProduct(productOperandsOf(b), { shader, constants: { WEIGHTED: weighted }, buffers: { weights } })];
    },
  },
  drawn: async () => (await import('../../shaders/nn/binary_drawn.gen.js')).binaryDrawnShader,
  /** σ of each output, in float64. */
  predict: (outputs) => outputs.map((z) => 1 / (1 + Math.exp(-z))),
};

/** Options of {@link binaryCrossEntropy}. */
export interface BinaryCrossEntropyOptions {
  /** What a target of 1 weighs, one number for each output; at least 0. Default: all 1. */
  readonly posWeight?: readonly number[];
}

/**
 * Binary cross-entropy of logits, over all outputs of the rows of a batch, as torch.nn.BCEWithLogitsLoss. Every output is
 * a yes or no of its own; targets are values from 0 to 1:
 *
 *   loss = Σ_j ((1 - t_j) softplus(z_j) + posWeight_j · t_j · softplus(-z_j)) / outputs
 *   dz_j = ((1 - t_j) σ(z_j) - posWeight_j · t_j · σ(-z_j)) / (outputs · rows)
 *
 * softplus(z) = max(z, 0) + log1p(exp(-|z|)): finite and exact for every logit. `predict` gives probabilities, σ of the
 * outputs; accuracy is the share of outputs on the right side of 0 (a target of 0.5 and more is a yes).
 *
 * @example binaryCrossEntropy({ posWeight: [3] })
 * @throws DownhillError OPTION-*; SHAPE-MISMATCH where the model has another number of outputs
 */
export const binaryCrossEntropy = factoryOf<typeof row, BinaryCrossEntropyOptions>(row);
