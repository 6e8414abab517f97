import { binaryCrossEntropy } from './losses/binary-cross-entropy.js';
import { huber } from './losses/huber.js';
import { l1 } from './losses/l1.js';
import { mse } from './losses/mse.js';
import { softmaxCrossEntropy } from './losses/softmax-cross-entropy.js';

export type { BinaryCrossEntropyOptions } from './losses/binary-cross-entropy.js';
export type { HuberOptions } from './losses/huber.js';
export type { SoftmaxCrossEntropyOptions } from './losses/softmax-cross-entropy.js';
export { binaryCrossEntropy, huber, l1, mse, softmaxCrossEntropy };

/** Every loss, by name. */
export const losses = {
  'softmax-cross-entropy': softmaxCrossEntropy,
  'binary-cross-entropy': binaryCrossEntropy,
  mse,
  l1,
  huber,
} as const;
