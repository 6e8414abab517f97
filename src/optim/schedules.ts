/**
 * Schedules: hyper-parameters that change from update to update. A schedule is a pure function of the update count, which
 * is 0 for the first update; any number among a rule's options, or element of a pair, may be one. All arithmetic is
 * float64; a count must be an integer from 0 to 2^53 - 1.
 *
 * @example adamw({ lr: warmup(cosine(1e-3, { steps: 9_500 }), { steps: 500 }), weightDecay: 0.01 })
 */
export { join, SCALE_RULES, scaleLr, warmup } from './schedules/combine.js';
export type { DynamicSchedule, NamedSchedule } from './schedules/core.js';
export {
  ANNEALS,
  CYCLE_MODES,
  type CyclicOptions,
  cosineRestarts,
  cyclic,
  type OneCycleOptions,
  oneCycle,
} from './schedules/cycles.js';
export {
  constant,
  cosine,
  type DecayOptions,
  exponential,
  inverseSqrt,
  inverseTime,
  linear,
  multistep,
  polynomial,
  step,
} from './schedules/decay.js';
export { DECAY_TYPES, type NoamOptions, noam, type WsdOptions, wsd } from './schedules/phases.js';
export {
  PLATEAU_MODES,
  type PlateauOptions,
  type PlateauSchedule,
  type PlateauState,
  plateau,
  THRESHOLD_MODES,
} from './schedules/plateau.js';
