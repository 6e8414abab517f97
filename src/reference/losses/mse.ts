import type { ReferenceLoss } from '../loss.js';

/**
 * Mean over rows and outputs of (y - t)², as torch.nn.MSELoss with reduction 'mean': a row's loss is its mean over
 * outputs. Gradient: 2 (y - t) / (rows · width).
 */
export const mse: ReferenceLoss = {
  targetsPerRow: (width) => width,
  rows(outputs, targets, width, rowLosses, gradient) {
    const rows = rowLosses.length;
    for (let row = 0; row < rows; row++) {
      let sum = 0;
      for (let k = row * width; k < (row + 1) * width; k++) {
        const error = outputs[k]! - targets[k]!;
        sum += error * error;
        gradient[k] = (2 * error) / (rows * width);
      }
      rowLosses[row] = sum / width;
    }
  },
};
