import { logistic } from '../layer.js';
import { meanOverOutputs, type ReferenceLossOf } from '../loss.js';

/** log(1 + exp(z)). */
const softplus = (z: number) => Math.max(z, 0) + Math.log1p(Math.exp(-Math.abs(z)));

/**
 * Mean over rows and outputs of (1 - t) softplus(z) + w t softplus(-z), as torch.nn.BCEWithLogitsLoss with pos_weight w.
 * Slope: (1 - t) σ(z) - w t σ(-z).
 */
export const binaryCrossEntropy: ReferenceLossOf = ({ posWeight = [] } = {}) => {
  const weights = posWeight as readonly number[];
  return meanOverOutputs((z, t, column) => {
    const yes = (weights[column] ?? 1) * t;
    const no = 1 - t;
    return [
      no * softplus(z) + yes * softplus(-z),
      no * logistic(z) - yes * logistic(-z),
      (no + yes) * logistic(z) * logistic(-z),
    ];
  });
};
