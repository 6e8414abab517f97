import { meanOverOutputs, type ReferenceLossOf } from '../loss.js';

/** Mean over rows and outputs of d²/2 where |d| ≤ delta, else delta (|d| - delta/2), as torch.nn.HuberLoss. */
export const huber: ReferenceLossOf = ({ delta = 1 } = {}) => {
  const edge = delta as number;
  return meanOverOutputs((y, t) => {
    const d = y - t;
    const far = Math.abs(d) > edge;
    return far ? [edge * (Math.abs(d) - edge / 2), Math.sign(d) * edge, 0] : [(d * d) / 2, d, 1];
  });
};
