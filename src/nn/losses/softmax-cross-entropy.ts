import { softmaxCrossEntropy as op } from '../../kernels/loss.js';
import { factoryOf } from '../layer.js';
import type { LossRow } from '../loss.js';

const row: LossRow & { name: 'softmax-cross-entropy' } = {
  name: 'softmax-cross-entropy',
  title: 'Softmax cross-entropy',
  fields: {},
  targets: 'classes',
  metrics: ['accuracy'],
  op,
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

/**
 * Softmax cross-entropy of logits, the mean over the rows of a batch, as torch.nn.CrossEntropyLoss:
 *
 *   loss = log Σ_j exp(z_j) - z_label
 *   dz_j = (softmax(z)_j - [j = label]) / rows
 *
 * @example softmaxCrossEntropy()
 */
export const softmaxCrossEntropy = factoryOf(row);
