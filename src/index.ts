/**
 * downhill: optimizers in hand-written WGSL. Train networks on WebGPU, or put the fused update kernels into your own app.
 *
 * @module downhill
 */

export type { Dataset, Targets } from './data/index.js';
export { arrays, digits, idx, parseIdx, split, standardize, statistics, unitRange } from './data/index.js';
export { type AdapterReport, type DeviceOptions, describeAdapter, requestDevice } from './gpu/device.js';
export { checkChoice, checkInteger, checkOptions, DownhillError, type ErrorCode, show, suggest } from './gpu/errors.js';
export {
  ACTIVATIONS,
  type Activation,
  INITS,
  type Init,
  LOSSES,
  type Loss,
  type Mlp,
  type MlpOptions,
  mlp,
  tensorsOf,
} from './nn/mlp.js';
export type { Field, Fields, HyperOf, OptionsOf, Rule, RuleRow } from './optim/rule.js';
export { describeRange, resolveRule } from './optim/rule.js';
export * from './optim/rules.gen.js';
export { createTrainer } from './train/trainer.js';
export {
  type Evaluation,
  type ParameterRange,
  type PlanReport,
  type RunOptions,
  SAMPLINGS,
  type Sampling,
  type StepReport,
  type Trainer,
  type TrainerOptions,
} from './train/types.js';
