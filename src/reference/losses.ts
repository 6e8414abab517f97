import type { ReferenceLossOf } from './loss.js';
import { binaryCrossEntropy } from './losses/binary-cross-entropy.js';
import { huber } from './losses/huber.js';
import { l1 } from './losses/l1.js';
import { mse } from './losses/mse.js';
import { softmaxCrossEntropy } from './losses/softmax-cross-entropy.js';

/** Every loss of the house, by name. */
export const referenceLosses = {
  'softmax-cross-entropy': softmaxCrossEntropy,
  'binary-cross-entropy': binaryCrossEntropy,
  mse,
  l1,
  huber,
} as const satisfies Readonly<Record<string, ReferenceLossOf>>;
