import { checkLabel, type ReferenceLossOf } from '../loss.js';

/**
 * Σ_j q_j (log Σ_k exp(z_k) - z_j), q_j = w_j ((1 - smoothing) t_j + smoothing / classes), by log-sum-exp: with the largest
 * logit M at index k, (M - z_j) + log1p(Σ_{i≠k} exp(z_i - M)) stays finite for every finite logit and keeps the digits of a
 * loss near 0. As torch.nn.CrossEntropyLoss: with labels the mean is weighted by w_label, with probabilities it is not.
 *
 * Gradient: (softmax(z) Σ_k q_k - q) / rows. Rows whose labels all weigh 0 count nothing.
 */
export const softmaxCrossEntropy: ReferenceLossOf = (
  { labelSmoothing = 0, classWeights = [] } = {},
  kind = 'classes',
) => {
  const smoothing = labelSmoothing as number;
  const weights = classWeights as readonly number[];
  const given = kind === 'probabilities';
  const weight = (j: number) => weights[j] ?? 1;
  return {
    targetsPerRow: (width) => (given ? width : 1),
    rows(outputs, targets, width, rowLosses, gradient) {
      const rows = rowLosses.length;
      let mean = 1;
      if (!given) {
        mean = 0;
        for (const [row, label] of targets.entries()) {
          checkLabel(label, row, width);
          mean += weight(label) / rows;
        }
        if (weights.length === 0) mean = 1;
      }
      const unit = mean === 0 ? 0 : 1 / mean;
      for (let row = 0; row < rows; row++) {
        const start = row * width;
        const share = (j: number) => {
          const target = given ? targets[start + j]! : j === targets[row] ? 1 : 0;
          return weight(j) * ((1 - smoothing) * target + smoothing / width);
        };
        let top = start;
        for (let k = start; k < start + width; k++) if (outputs[k]! > outputs[top]!) top = k;
        const max = outputs[top]!;
        let others = 0;
        for (let k = start; k < start + width; k++) if (k !== top) others += Math.exp(outputs[k]! - max);
        let [loss, total] = [0, 0];
        for (let j = 0; j < width; j++) {
          const q = share(j);
          total += q;
          if (q > 0) loss += q * (max - outputs[start + j]! + Math.log1p(others));
        }
        rowLosses[row] = loss * unit;
        for (let j = 0; j < width; j++) {
          const probability = Math.exp(outputs[start + j]! - max) / (1 + others);
          gradient[start + j] = ((probability * total - share(j)) * unit) / rows;
        }
      }
    },
  };
};
