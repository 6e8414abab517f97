/**
 * `downhill/reference`: every update rule and the multilayer perceptron in plain float64 on the CPU, and the comparer
 * that says how far an f32 result may lie from them. For tests, this project's and those of embedders.
 */
export { type ReferenceActivation, referenceActivations } from './activations.js';
export { gemmLimit, Path, pathTolerance, ROUNDING, ulp, type Worst, worst } from './compare.js';
export { erf, erfc } from './erf.js';
export { type ReferenceLoss, referenceLosses } from './losses.js';
export {
  type Numbers,
  type ReferenceForward,
  type ReferenceGradients,
  type ReferenceMlp,
  referenceMlp,
} from './mlp.js';
export { type ReferenceRule, type ReferenceState, referenceState } from './rule.js';
export { referenceRules } from './rules.gen.js';
