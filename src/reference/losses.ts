import type { ReferenceLoss } from './loss.js';
import { mse } from './losses/mse.js';
import { softmaxCrossEntropy } from './losses/softmax-cross-entropy.js';

/** Every loss of the house, by name. */
export const referenceLosses = { 'softmax-cross-entropy': softmaxCrossEntropy, mse } as const satisfies Readonly<
  Record<string, ReferenceLoss>
>;
