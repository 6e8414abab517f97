/**
 * `downhill/search`: hyper-parameters by grid, random draws, coarse to fine, halving, ASHA, Hyperband and population-based
 * training; and the learning-rate range test.
 *
 * @module downhill/search
 */

export type { TrialContext, TrialFunction, TrialRequest, TrialResult } from './function-runner.js';
export { type Importance, importanceOf } from './importance.js';
export { optunaJournal } from './journal.js';
export { memoryLog, type SearchHeader, type SearchLog } from './log.js';
export type { Method, MethodOptions, MethodRow, Plan } from './method.js';
export { asha, ashaDecision } from './methods/asha.js';
export { coarseToFine } from './methods/coarse-to-fine.js';
export { grid } from './methods/grid.js';
export { halving } from './methods/halving.js';
export { hyperband } from './methods/hyperband.js';
export { pbt } from './methods/pbt.js';
export { random } from './methods/random.js';
export { type MethodName, methods } from './methods.js';
export { type RangePoint, type RangeReport, type RangeTestOptions, rangeTest } from './range-test.js';
export { Replay } from './replay.js';
export { type PackTask, type RunPackOptions, runPack } from './run-pack.js';
export { type RunTrialOptions, runTrial, type TrialRun } from './run-trial.js';
export { type Budget, type SearchEvent, type SearchOptions, type SearchResult, search, trialsOf } from './search.js';
export * from './space.js';
export { parseSpace } from './space-text.js';
export {
  type BestOf,
  bestOfCurve,
  leaders,
  quantile,
  type Spread,
  spreadOf,
  type Tally,
  tallyOf,
} from './statistics.js';
export type { MemberState } from './training/member.js';
export {
  TRAINING_METRICS,
  type TrainingMetric,
  type TrainingObjective,
  type TrainingOptions,
  type TrialOptions,
  training,
  trainingFor,
} from './training/objective.js';
export {
  compareValues,
  type Direction,
  type Entry,
  History,
  type Outcome,
  ranked,
  type Segment,
  type Task,
  type Trial,
  type TrialState,
} from './trial.js';
