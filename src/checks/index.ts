/**
 * `downhill/checks`: what a careful person tries before a long training: whether the gradients are right, whether the loss
 * starts where it should, whether the network can learn one batch by heart.
 *
 * @module downhill/checks
 */

export {
  GRADCHECK_LIMITS,
  type GradcheckOptions,
  type GradcheckReport,
  type GradcheckTensor,
  gradcheck,
} from './gradcheck.js';
export { type InitLossOptions, type InitLossReport, initLoss } from './init-loss.js';
export { type OverfitBatchOptions, type OverfitBatchReport, overfitBatch } from './overfit-batch.js';
