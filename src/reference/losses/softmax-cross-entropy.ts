import { checkLabel, type ReferenceLossOf, uniformOf } from '../loss.js';

/**
 * Σ_j q_j (log Σ_k exp(z_k) - z_j), q_j = w_j ((1 - smoothing) t_j + smoothing / classes), by log-sum-exp: with the largest
 * logit M at index k, (M - z_j) + log1p(Σ_{i≠k} exp(z_i - M)) stays finite for every finite logit and keeps the digits of a
 * loss near 0. As torch.nn.CrossEntropyLoss: with labels the mean is weighted by w_label, with probabilities it is not.
 *
 * Gradient: (softmax(z) Σ_k q_k - q) / rows. Rows whose labels all weigh 0 count nothing. Its derivative along R z:
 * p ⊙ (R z - p·R z) Σ_k q_k / rows with p = softmax(z).
 */
export const softmaxCrossEntropy: ReferenceLossOf = (
  { labelSmoothing = 0, classWeights = [] } = {},
  kind = 'classes',
) => {
  const smoothing = labelSmoothing as number;
  const weights = classWeights as readonly number[];
  const given = kind === 'probabilities';
  const weight = (j: number) => weights[j] ?? 1;
  /** 1 / the mean weight of labels. */
  const unitOf = (targets: Float64Array, width: number) => {
    if (given) return 1;
    let mean = 0;
    for (const [row, label] of targets.entries()) {
      checkLabel(label, row, width);
      mean += weight(label) / targets.length;
    }
    if (weights.length === 0) mean = 1;
    return mean === 0 ? 0 : 1 / mean;
  };
  const shareOf = (targets: Float64Array, width: number, row: number) => (j: number) => {
    const target = given ? targets[row * width + j]! : j === targets[row] ? 1 : 0;
    return weight(j) * ((1 - smoothing) * target + smoothing / width);
  };
  /** The largest logit of a row, and Σ exp(z - it) over the others. */
  const sumOf = (outputs: Float64Array, start: number, width: number) => {
    let top = start;
    for (let k = start; k < start + width; k++) if (outputs[k]! > outputs[top]!) top = k;
    const max = outputs[top]!;
    let others = 0;
    for (let k = start; k < start + width; k++) if (k !== top) others += Math.exp(outputs[k]! - max);
    return { max, others };
  };
  return {
    targetsPerRow: (width) => (given ? width : 1),
    rows(outputs, targets, width, rowLosses, gradient) {
      const rows = rowLosses.length;
      const unit = unitOf(targets, width);
      for (let row = 0; row < rows; row++) {
        const start = row * width;
        const share = shareOf(targets, width, row);
        const { max, others } = sumOf(outputs, start, width);
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
    product(outputs, targets, width, tangents) {
      const rows = outputs.length / width;
      const unit = unitOf(targets, width);
      const out = new Float64Array(outputs.length);
      for (let row = 0; row < rows; row++) {
        const start = row * width;
        const share = shareOf(targets, width, row);
        const { max, others } = sumOf(outputs, start, width);
        const p = (j: number) => Math.exp(outputs[start + j]! - max) / (1 + others);
        let [mean, total] = [0, 0];
        for (let j = 0; j < width; j++) {
          mean += p(j) * tangents[start + j]!;
          total += share(j);
        }
        for (let j = 0; j < width; j++) out[start + j] = (total * p(j) * (tangents[start + j]! - mean) * unit) / rows;
      }
      return out;
    },
    drawn(outputs, targets, width, gradient, numbers, batch) {
      const rows = outputs.length / width;
      const unit = unitOf(targets, width);
      for (let row = 0; row < rows; row++) {
        const share = shareOf(targets, width, row);
        const { max, others } = sumOf(outputs, row * width, width);
        const probabilities = outputs
          .slice(row * width, (row + 1) * width)
          .map((z) => Math.exp(z - max) / (1 + others));
        const total = probabilities.reduce((sum, _, j) => sum + share(j), 0);
        const wanted = uniformOf(numbers(row));
        let below = 0;
        const label = probabilities.findIndex((p) => {
          below += p;
          return below > wanted;
        });
        for (const [j, p] of probabilities.entries())
          gradient[row * width + j] = (p - (j === label ? 1 : 0)) * Math.sqrt((total * unit) / (rows * batch));
      }
    },
  };
};
