import { meanOverOutputs, type ReferenceLossOf } from '../loss.js';

/**
 * Mean over rows and outputs of (y - t)², as torch.nn.MSELoss with reduction 'mean'. It is the negative logarithm of normal
 * distributions with variance width/2; a normal number is the sum of twelve uniforms.
 */
export const mse: ReferenceLossOf = () => ({
  ...meanOverOutputs((y, t) => [(y - t) ** 2, 2 * (y - t), 2]),
  drawn(outputs, _, width, gradient, numbers, batch) {
    const scale = Math.sqrt(2 / width / ((outputs.length / width) * batch));
    for (let k = 0; k < outputs.length; k++) {
      let sum = 0;
      for (let pair = 0; pair < 6; pair++) {
        const bits = numbers(6 * k + pair);
        sum += (bits >>> 16) + (bits & 0xffff) - 65_535;
      }
      gradient[k] = (scale * sum) / 65_536;
    }
  },
});
