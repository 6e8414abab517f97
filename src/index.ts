/**
 * downhill: optimizers in hand-written WGSL. Train networks on WebGPU, or put the fused update kernels into your own app.
 *
 * @module downhill
 */

export type {
  ByOptions,
  ColumnEncoding,
  DataSource,
  Dataset,
  Decode,
  FoldOptions,
  ImageFile,
  ImageOptions,
  Npy,
  NpyOptions,
  NpyValues,
  Pixels,
  Rows,
  Scaling,
  SourceOptions,
  SplitOptions,
  Statistics,
  TableEncoding,
  Targets,
  Toy,
  ToyOptions,
} from './data/index.js';
export {
  arrays,
  circles,
  digits,
  drawDigits,
  encodeNpy,
  idx,
  images,
  kFold,
  moons,
  npy,
  parseIdx,
  parseNpy,
  source,
  spirals,
  split,
  standardize,
  standardizeTargets,
  statistics,
  subset,
  targetStatistics,
  toys,
  unitRange,
  xor,
} from './data/index.js';
export type { Samples } from './data/upload.js';
export { type AdapterReport, type DeviceOptions, describeAdapter, requestDevice } from './gpu/device.js';
export { DownhillError, type ErrorCode, show, suggest } from './gpu/errors.js';
export type { Field, Fields, HyperOf, OptionsOf, Schedule } from './gpu/fields.js';
export { checkChoice, checkInteger, checkOptions, describeField } from './gpu/fields.js';
export { checkTimestamps } from './gpu/timing.js';
export { SAMPLINGS, type Sampling } from './kernels/account.js';
export type { Layer } from './nn/layer.js';
export {
  type BatchNormOptions,
  batchNorm,
  type DropoutOptions,
  dropout,
  type EluOptions,
  elu,
  gelu,
  geluTanh,
  identity,
  type LayerNormOptions,
  type LeakyReluOptions,
  type LinearOptions,
  layerNorm,
  leakyRelu,
  linear,
  relu,
  sigmoid,
  silu,
  softplus,
  tanh,
} from './nn/layers.js';
export type { LossFunction } from './nn/loss.js';
export {
  type BinaryCrossEntropyOptions,
  binaryCrossEntropy,
  type HuberOptions,
  huber,
  l1,
  losses,
  mse,
  type SoftmaxCrossEntropyOptions,
  softmaxCrossEntropy,
} from './nn/losses.js';
export type { Metric, PerClass } from './nn/metric.js';
export { type MetricName, type MetricValues, metrics, type TopKOptions, topK } from './nn/metrics.js';
export {
  ACTIVATIONS,
  type Activation,
  LOSSES,
  type Loss,
  type Mlp,
  type MlpOptions,
  mlp,
  NORMS,
  type Norm,
} from './nn/mlp.js';
export { type Gain, INITS, type Init, type Model, type SequentialOptions, sequential, tensorsOf } from './nn/model.js';
export { type ModelJson, modelFromJson, modelToJson, type NamedSettings } from './nn/model-json.js';
export type { ActiveRows, ForeignDtype, ForeignRange, GradientForm, TensorOptions } from './optim/adopt.js';
export { type Average, averages, type EmaOptions, ema, type SwaOptions, swa } from './optim/averages.js';
export {
  type CallerMinimizer,
  type CreateMinimizerOptions,
  createMinimizer,
  type MinimizedTensor,
  type MinimizerPoint,
} from './optim/create-minimizer.js';
export type { SetOptions } from './optim/groups.js';
export type { MinimizerReport, StopReason } from './optim/minimizer.js';
export * from './optim/minimizers.gen.js';
export { createOptimizer } from './optim/optimizer.js';
export type { ClipOptions, OptimizerOptions, StateEncoding } from './optim/optimizer-options.js';
export type {
  MoveOptions,
  Optimizer,
  OptimizerDescription,
  OptimizerReport,
  OptimizerState,
  PackedWords,
  RowIndices,
  StepOptions,
} from './optim/optimizer-types.js';
export type { Rule, RuleRow, SlotEncoding } from './optim/rule.js';
export { recordFor, resolveRule, slotFlags } from './optim/rule.js';
export * from './optim/rules.gen.js';
export { type Scale, scale } from './optim/scale.js';
export * from './optim/schedules.js';
export {
  type CentralizeOptions,
  cautious,
  centralize,
  type GradientNoiseOptions,
  gradientNoise,
  type LookaheadOptions,
  lookahead,
  type SamOptions,
  sam,
  type Wrapper,
  wrappers,
} from './optim/wrappers.js';
export { opfsPlans } from './store/opfs-plans.js';
export { opfsStore } from './store/opfs-store.js';
export type {
  CheckpointStore,
  DamagedCheckpoint,
  FoundCheckpoint,
  SavedCheckpoint,
  StoredCheckpoint,
  StoreOptions,
} from './store/store.js';
export { type ModelTensor, readModel, type SavedModel } from './train/checkpoint-file.js';
export type { CheckpointOptions, Imported, ImportOptions, Restored } from './train/checkpoint-types.js';
export type { Curvature, RitzValue, Spectrum } from './train/curvature-types.js';
export type { SavedData, SavedScale } from './train/data-json.js';
export { type Dtype, type SafeTensor, toFloats } from './train/dtypes.js';
export {
  type InspectedLayer,
  type Inspection,
  type InspectOptions,
  inspect,
  SIGNAL_LIMITS,
  type Verdict,
} from './train/inspect.js';
export { MAX_SEED, TRAINER_DEFAULTS } from './train/options.js';
export type { FormChoice, MeasuredForm, MeasuredPlan, PlanOption, PlanStore } from './train/plan-types.js';
export { createPopulation, populationMemory } from './train/population.js';
export type {
  BestMember,
  Member,
  MemberReport,
  MemberStop,
  MemberWeights,
  Population,
  PopulationEvaluation,
  PopulationMemory,
  PopulationOptions,
  PopulationReport,
  PopulationRunOptions,
  PopulationStep,
  Refill,
} from './train/population-types.js';
export { type Askable, createPredictor, type Predictor } from './train/predict.js';
export type { RecoverEvent, RecoverOptions } from './train/recover-types.js';
export type {
  Evaluation,
  ParameterRange,
  PlanReport,
  Profile,
  ProfileLabel,
  ProfilePass,
  ProfileSubmit,
  StepReport,
  StepTimes,
  Stopped,
  ValidationReport,
} from './train/report-types.js';
export { decodeSafetensors, encodeSafetensors, type SafeTensors } from './train/safetensors.js';
export { floatTensor } from './train/saved-tensor.js';
export { createTrainer } from './train/trainer.js';
export type {
  AugmentOptions,
  Batch,
  CurvatureOptions,
  EarlyStoppingOptions,
  EvaluateOptions,
  PenaltyOptions,
  ProfileOptions,
  RunOptions,
  RunSettings,
  TensorGroup,
  Trainer,
  TrainerOptions,
  ValidationOptions,
  Weights,
  WeightsOptions,
} from './train/types.js';
export type {
  Histogram,
  LayerWatch,
  OutputWatch,
  Summary,
  TensorWatch,
  WatchOptions,
  WatchReport,
} from './train/watch-report.js';
