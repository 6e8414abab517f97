/**
 * `downhill/reference`: every update rule, every layer and loss and every analytic function in plain float64 on the CPU, and the comparer
 * that says how far an f32 result may lie from them. For tests, this project's and those of embedders.
 */

export { type ReferenceBatch, referenceAugment } from './augment.js';
export { type ReferenceAverage, referenceAverages } from './averages.js';
export { gemmLimit, Path, pathTolerance, ROUNDING, ulp, type Worst, worst } from './compare.js';
export { type ReferenceDescentOptions, referenceDescent } from './descent.js';
export { earlyStopping, type ReferenceStopping } from './early-stopping.js';
export { blockScale, dynamicMap, neighbours, type ReferenceEncoding } from './encodings.js';
export { erf, erfc } from './erf.js';
export type { ReferenceActivation, ReferenceLayer, ReferencePass } from './layer.js';
export { referenceActivations, referenceLayers } from './layers.js';
export { type ReferenceLbfgsOptions, type ReferenceMinimum, type ReferenceObjective, referenceLbfgs } from './lbfgs.js';
export type { DrawnNumbers, ReferenceLoss, ReferenceLossOf } from './loss.js';
export { referenceLosses } from './losses.js';
export {
  type Numbers,
  type ReferenceForward,
  type ReferenceGradients,
  type ReferenceNetwork,
  type ReferenceOptions,
  referenceNetwork,
  referenceNetwork as referenceMlp,
} from './network.js';
export {
  type ReferenceBent,
  type ReferenceNewtonMinimum,
  type ReferenceNewtonOptions,
  referenceNewton,
} from './newton.js';
export { referencePenalty } from './penalty.js';
export type { NoiseAt, ReferenceGiven, ReferenceProblem } from './problem.js';
export { referenceProblems } from './problems.gen.js';
export {
  type ReferenceRule,
  type ReferenceState,
  type ReferenceTensor,
  referencePerRow,
  referenceState,
  referenceStep,
} from './rule.js';
export { referenceRules } from './rules.gen.js';
export { referenceCautious, referenceCentralize, referenceLookahead, referenceNoise } from './wrappers.js';
