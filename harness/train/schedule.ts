/** The schedules of `downhill train`: from plain JSON to what --lr follows over a run. No Node here: a page imports this. */
import {
  constant,
  cosine,
  cosineRestarts,
  DownhillError,
  exponential,
  inverseSqrt,
  inverseTime,
  multistep,
  type NamedSchedule,
  noam,
  oneCycle,
  polynomial,
  step,
  warmup,
  wsd,
} from '../../src/index.js';
import { linear } from '../../src/optim/schedules.js';
import { count } from '../common/format.js';
import type { ScheduleConfig, ScheduleOptions, TrainConfig } from './config.js';

interface ScheduleRow {
  readonly help: string;
  /** Which options it takes. */
  readonly options: readonly (keyof ScheduleOptions)[];
  /** @param steps of the run, without the warm-up */
  make(lr: number, steps: number, options: ScheduleOptions, warmupSteps: number): NamedSchedule;
}

/** What `stepSize` is where it is not given. */
const third = (steps: number): number => Math.ceil(steps / 3);

/** By the names that --schedule takes. */
export const SCHEDULES: Readonly<Record<string, ScheduleRow>> = {
  constant: { help: 'the same rate in every step', options: [], make: (lr) => constant(lr) },
  step: {
    help: 'times --gamma after every --step-size steps',
    options: ['stepSize', 'gamma'],
    make: (lr, steps, { stepSize = third(steps), gamma }) => step(lr, { stepSize, gamma }),
  },
  multistep: {
    help: 'times --gamma after each of the --milestones',
    options: ['milestones', 'gamma'],
    make: makeMultistep,
  },
  exponential: {
    help: 'times --gamma over each --step-size steps, a little in every one',
    options: ['stepSize', 'gamma'],
    make: (lr, steps, { stepSize = third(steps), gamma = 0.1 }) => exponential(lr, { rate: gamma, steps: stepSize }),
  },
  'inverse-time': {
    help: 'lr / (1 + step / --step-size)',
    options: ['stepSize'],
    make: (lr, steps, { stepSize = third(steps) }) => inverseTime(lr, { steps: stepSize }),
  },
  'inverse-sqrt': {
    help: "lr / √(1 + step / --step-size); the Transformer's with --warmup as long as --step-size",
    options: ['stepSize'],
    make: (lr, steps, { stepSize = third(steps) }) => inverseSqrt(lr, { steps: stepSize }),
  },
  linear: {
    help: 'straight down to --min-lr at the end',
    options: ['minLr'],
    make: (lr, steps, { minLr }) => linear(lr, { steps, to: minLr }),
  },
  polynomial: {
    help: 'down to --min-lr as (1 - step / steps) to the --power',
    options: ['power', 'minLr'],
    make: (lr, steps, { power, minLr }) => polynomial(lr, { steps, power, to: minLr }),
  },
  cosine: {
    help: 'half a cosine wave down to --min-lr at the end',
    options: ['minLr'],
    make: (lr, steps, { minLr }) => cosine(lr, { steps, min: minLr }),
  },
  'cosine-restarts': {
    help: 'a half wave down to --min-lr every --step-size steps',
    options: ['stepSize', 'minLr'],
    make: (lr, steps, { stepSize = third(steps), minLr }) => cosineRestarts(lr, { period: stepSize, min: minLr }),
  },
  'one-cycle': {
    help: 'from lr / 25 up to lr in the first 30 % of the run, and down to almost 0',
    options: [],
    make: (lr, steps) => oneCycle(lr, { steps }),
  },
  'one-cycle-three-phase': {
    help: 'from lr / 25 up to lr in the first 30 % of the run, back in as many steps, and down to almost 0',
    options: [],
    make: (lr, steps) => oneCycle(lr, { steps, threePhase: true }),
  },
  wsd: {
    help: 'the same rate, and in the last --decay-steps of the run down to --min-lr as --decay-type says',
    options: ['decaySteps', 'decayType', 'minLr'],
    make: (lr, steps, { minLr, ...decay }) => wsd(lr, { steps, min: minLr, ...decay }),
  },
  noam: {
    help: 'lr / √--d-model · min(1 / √step, step / --step-size^1.5): rises for --step-size steps',
    options: ['stepSize', 'dModel'],
    make: (lr, steps, { stepSize = third(steps), dModel = 512 }) => noam(lr, { dModel, warmupSteps: stepSize }),
  },
};

/** Milestones are steps of the run, and its half and three quarters by default; a schedule's count starts after the warm-up. */
function makeMultistep(
  lr: number,
  steps: number,
  { milestones, gamma }: ScheduleOptions,
  warmupSteps: number,
): NamedSchedule {
  const total = steps + warmupSteps;
  const given = milestones ?? [...new Set([Math.ceil(total / 2), Math.ceil((3 * total) / 4)])];
  const schedule = multistep(lr, { milestones: given, gamma }); // checks them as they were written
  if (warmupSteps === 0) return schedule;
  const later = given.map((milestone) => milestone - warmupSteps);
  if (later[0] === undefined || later[0] >= 0) return multistep(lr, { milestones: later, gamma });
  throw new DownhillError(
    'OPTION-RANGE',
    `The milestone ${given[0]} lies in the warm-up of ${warmupSteps} steps.`,
    'Set --milestones that come later, or a shorter --warmup.',
  );
}

/** The steps of a run. */
export function runSteps({ steps, epochs = 1, batchSize, dropLast }: TrainConfig, samples: number): number {
  const batches = samples / (batchSize ?? samples);
  return steps ?? epochs * Math.max(dropLast ? Math.floor(batches) : Math.ceil(batches), 1);
}

/** A step's number is 32 bits with a sign on the GPU. */
const MOST_STEPS = 2 ** 31 - 1;

/**
 * `runSteps` that a trainer can count.
 *
 * @throws DownhillError OPTION-RANGE
 */
export function checkedSteps(config: TrainConfig, samples: number): number {
  const steps = runSteps(config, samples);
  if (steps <= MOST_STEPS) return steps;
  const [flag, most] =
    config.steps === undefined
      ? ['--epochs', Math.floor(MOST_STEPS / runSteps({ ...config, epochs: 1 }, samples))]
      : ['--steps', MOST_STEPS];
  const all = `${count(steps)} steps, more than the ${count(MOST_STEPS)} that a run can have`;
  throw new DownhillError('OPTION-RANGE', `${flag} makes ${all}.`, `Set ${flag} to at most ${most}.`);
}

/** Steps that --profile measures of a run that has them. */
const PROFILED = 16;

/**
 * How many of a run's steps are profiled; as many before them are trained to compare with, and those before that warm
 * the GPU up. They are the run's own last steps, so that a profiled run reaches what the run without does.
 *
 * @throws DownhillError OPTION-RANGE where there are not enough.
 */
export function profiledSteps({ profile }: TrainConfig, steps: number): number {
  if (!profile) return 0;
  if (steps >= 2) return Math.min(PROFILED, Math.max(1, Math.floor(steps / 4)));
  throw new DownhillError(
    'OPTION-RANGE',
    '--profile needs 2 steps at least: one to measure, one to compare with.',
    'Train for more steps; 100 or more give steady numbers.',
  );
}

/**
 * What the learning rate follows in a run of `steps`.
 *
 * @throws DownhillError OPTION-* where options, warm-up and steps do not go together.
 */
export function makeSchedule(config: ScheduleConfig, lr: number, planned: number): NamedSchedule {
  const { name, warmup: warmupSteps, runSteps: steps = planned, ...options } = config;
  if (warmupSteps >= steps) {
    throw new DownhillError(
      'OPTION-RANGE',
      `--warmup is ${warmupSteps}, but the run has ${steps} steps.`,
      `Set --warmup to at most ${steps - 1}.`,
    );
  }
  const schedule = SCHEDULES[name]!.make(lr, steps - warmupSteps, options, warmupSteps);
  return warmupSteps === 0 ? schedule : warmup(schedule, { steps: warmupSteps });
}

/** The schedule of a run; undefined where the rate is constant. */
export function scheduleOf(config: TrainConfig, steps: number): NamedSchedule | undefined {
  return config.schedule && makeSchedule(config.schedule, config.optimizer.hyper.lr as number, steps);
}
