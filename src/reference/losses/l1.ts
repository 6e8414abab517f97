import { meanOverOutputs, type ReferenceLossOf } from '../loss.js';

/** Mean over rows and outputs of |y - t|, as torch.nn.L1Loss with reduction 'mean'; its slope at 0 is 0. */
export const l1: ReferenceLossOf = () => meanOverOutputs((y, t) => [Math.abs(y - t), Math.sign(y - t), 0]);
