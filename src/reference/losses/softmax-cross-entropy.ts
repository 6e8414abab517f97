import { checkLabel, type ReferenceLoss } from '../loss.js';

/**
 * log Σ exp(z_j) - z_label, by log-sum-exp: with the largest logit M at index k, (M - z_label) + log1p(Σ_{j≠k}
 * exp(z_j - M)) stays finite for every finite logit and keeps the digits of a loss near 0.
 * Gradient: (softmax(z) - onehot(label)) / rows.
 */
export const softmaxCrossEntropy: ReferenceLoss = {
  targetsPerRow: () => 1,
  rows(outputs, targets, width, rowLosses, gradient) {
    const rows = rowLosses.length;
    for (let row = 0; row < rows; row++) {
      const label = targets[row]!;
      checkLabel(label, row, width);
      const start = row * width;
      let top = start;
      for (let k = start; k < start + width; k++) if (outputs[k]! > outputs[top]!) top = k;
      const max = outputs[top]!;
      let others = 0;
      for (let k = start; k < start + width; k++) if (k !== top) others += Math.exp(outputs[k]! - max);
      rowLosses[row] = max - outputs[start + label]! + Math.log1p(others);
      for (let k = start; k < start + width; k++) {
        const probability = Math.exp(outputs[k]! - max) / (1 + others);
        gradient[k] = (probability - (k === start + label ? 1 : 0)) / rows;
      }
    }
  },
};
