import { meanOverOutputs, type ReferenceLossOf } from '../loss.js';

/** Mean over rows and outputs of (y - t)², as torch.nn.MSELoss with reduction 'mean'. */
export const mse: ReferenceLossOf = () => meanOverOutputs((y, t) => [(y - t) ** 2, 2 * (y - t), 2]);
