import { logistic } from '../layer.js';
import { meanOverOutputs, type ReferenceLossOf, uniformOf } from '../loss.js';

/** log(1 + exp(z)). */
const softplus = (z: number) => Math.max(z, 0) + Math.log1p(Math.exp(-Math.abs(z)));

/**
 * Mean over rows and outputs of (1 - t) softplus(z) + w t softplus(-z), as torch.nn.BCEWithLogitsLoss with pos_weight w.
 * Slope: (1 - t) σ(z) - w t σ(-z).
 */
export const binaryCrossEntropy: ReferenceLossOf = ({ posWeight = [] } = {}) => {
  const weights = posWeight as readonly number[];
  return {
    ...meanOverOutputs((z, t, column) => {
      const yes = (weights[column] ?? 1) * t;
      const no = 1 - t;
      return [
        no * softplus(z) + yes * softplus(-z),
        no * logistic(z) - yes * logistic(-z),
        (no + yes) * logistic(z) * logistic(-z),
      ];
    }),
    drawn(outputs, targets, width, gradient, numbers, batch) {
      const rows = outputs.length / width;
      for (const [k, z] of outputs.entries()) {
        const t = targets[k]!;
        const counts = 1 - t + (weights[k % width] ?? 1) * t;
        const slope = uniformOf(numbers(k)) < logistic(z) ? -logistic(-z) : logistic(z);
        gradient[k] = slope * Math.sqrt(counts / (width * rows * batch));
      }
    },
  };
};
