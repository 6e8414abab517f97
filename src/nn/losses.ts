import { mse } from './losses/mse.js';
import { softmaxCrossEntropy } from './losses/softmax-cross-entropy.js';

export { mse, softmaxCrossEntropy };

/** Every loss, by name. */
export const losses = { 'softmax-cross-entropy': softmaxCrossEntropy, mse } as const;
