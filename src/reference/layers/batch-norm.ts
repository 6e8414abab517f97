import type { ReferenceLayerOf } from '../layer.js';

/** Mean and biased variance of every column, in two passes. */
function momentsOf(x: Float64Array, rows: number, width: number) {
  const mean = new Float64Array(width);
  const variance = new Float64Array(width);
  for (let j = 0; j < width; j++) {
    for (let row = 0; row < rows; row++) mean[j]! += x[row * width + j]! / rows;
    for (let row = 0; row < rows; row++) variance[j]! += (x[row * width + j]! - mean[j]!) ** 2 / rows;
  }
  return { mean, variance };
}

/**
 * torch.nn.BatchNorm1d: (x - mean)/√(variance + eps)·weight + bias. In training the moments are the batch's and the gradient
 * goes through them; the running ones take the unbiased variance.
 */
export const batchNorm: ReferenceLayerOf = (width, _, settings) => {
  const { eps, momentum } = settings as { eps: number; momentum: number };
  return {
    forward(x, [weight, bias], { rows, mode, buffers: [runningMean, runningVariance] }) {
      const { mean, variance } =
        mode === 'train' ? momentsOf(x, rows, width) : { mean: runningMean!, variance: runningVariance! };
      return x.map((value, i) => {
        const j = i % width;
        const normal = (value - mean[j]!) / Math.sqrt(variance[j]! + eps);
        return weight ? normal * weight[j]! + bias![j]! : normal;
      });
    },
    backward(dy, { x, rows }, [weight]) {
      const { mean, variance } = momentsOf(x, rows, width);
      const scale = variance.map((each) => 1 / Math.sqrt(each + eps));
      const normal = x.map((value, i) => (value - mean[i % width]!) * scale[i % width]!);
      const dWeight = new Float64Array(width);
      const dBias = new Float64Array(width);
      for (const [i, d] of dy.entries()) {
        dBias[i % width]! += d;
        dWeight[i % width]! += d * normal[i]!;
      }
      const dx = dy.map((d, i) => {
        const j = i % width;
        return (weight?.[j] ?? 1) * scale[j]! * (d - (dBias[j]! + normal[i]! * dWeight[j]!) / rows);
      });
      return { gradients: weight ? [dWeight, dBias] : [], dx };
    },
    commit({ x, rows, buffers: [runningMean, runningVariance, tracked] }) {
      const { mean, variance } = momentsOf(x, rows, width);
      for (let j = 0; j < width; j++) {
        runningMean![j] = (1 - momentum) * runningMean![j]! + momentum * mean[j]!;
        runningVariance![j] = (1 - momentum) * runningVariance![j]! + (momentum * variance[j]! * rows) / (rows - 1);
      }
      tracked![0]! += 1;
    },
  };
};
