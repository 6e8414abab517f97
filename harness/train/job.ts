/**
 * One training job, from a device to a result. It runs in Node and in a page alike, so it imports neither Node's modules
 * nor the page's.
 */
import {
  type CheckpointOptions,
  checkTimestamps,
  createTrainer,
  type Dataset,
  describeAdapter,
  resolveRule,
  type StepReport,
  type Trainer,
} from '../../src/index.js';
import { COMMAND_RULES } from '../common/settings.js';
import { unlessAborted } from '../common/waiting.js';
import type { TrainConfig } from './config.js';
import { type JobData, shapeOf } from './data.js';
import type { Emit, JobCheckpoints, JobResult, SavedKind } from './events.js';
import { modelOf } from './model.js';
import { profiledSteps, runSteps, scheduleOf } from './schedule.js';
import { validationOptions } from './validation.js';
import { wrapperOf } from './wrap.js';

/**
 * Trains and evaluates, and tells about it through `emit`. Aborting `signal` ends the training early; what was reached
 * by then is saved and evaluated like a whole run, with `interrupted` set, and not profiled; before there is a trainer, it throws
 * the signal's reason.
 *
 * @throws DownhillError as the trainer's; FEATURE-MISSING before any training where a profile is asked for and the
 * device has no timestamps.
 */
export async function runJob(
  device: GPUDevice,
  config: TrainConfig,
  data: JobData,
  emit: Emit,
  signal: AbortSignal,
  checkpoints: JobCheckpoints = {},
): Promise<JobResult> {
  emit({ type: 'adapter', adapter: describeAdapter(device) });
  if (config.profile) checkTimestamps(device); // before anything is trained
  const steps = runSteps(config, data.train.samples);
  const schedule = scheduleOf(config, steps);
  const options = {
    ...trainerOptions(config, data, schedule),
    ...validationOptions(config, data.validation),
    ...planOptions(config, checkpoints),
  };
  // Large networks are drawn for a while, and plans measured; by then there is nothing to keep.
  const trainer = await unlessAborted(signal, createTrainer(device, options), (late) => late.destroy());
  try {
    const { stepsPerEpoch } = trainer;
    const batchSize = config.batchSize ?? data.train.samples;
    const resumed = checkpoints.from && (await resume(trainer, checkpoints.from));
    const shape = { data: shapeOf(data), batchSize, steps, stepsPerEpoch };
    const plan = { plan: trainer.describe(), ...shape, ...(schedule && { schedule: String(schedule) }), ...resumed };
    emit({ type: 'plan', ...plan });
    // A run that goes on from among its last steps has none left to compare a profile with.
    const profiled = trainer.step <= steps - 2 * profiledSteps(config, steps) ? profiledSteps(config, steps) : 0;
    const trained = await trainSteps(trainer, steps - 2 * profiled, { config, emit, signal, checkpoints });
    const more =
      profiled > 0 && !trained.interrupted && !trainer.stopped ? await profileSteps(trainer, profiled, emit) : {};
    // First what must not be lost: a run that is told to end has little time.
    await save(trainer, emit, checkpoints, 'checkpoint');
    await save(trainer, emit, checkpoints, 'model');
    if (trainer.best) await save(trainer, emit, checkpoints, 'best');
    emit({ type: 'phase', phase: 'evaluate' });
    const { best, stopped } = trainer;
    const validated = { ...(best && { best }), ...(stopped && { stopped }) };
    const result = { ...trained, ...more, ...validated, ...(await evaluate(trainer, data.test, config)) };
    emit({ type: 'result', result });
    return result;
  } finally {
    trainer.destroy();
  }
}

/** What a run trains, and how. */
export function trainerOptions(config: TrainConfig, data: JobData, schedule: ReturnType<typeof scheduleOf>) {
  const { name, hyper } = config.optimizer;
  return {
    model: modelOf(config),
    rule: resolveRule(COMMAND_RULES, name, schedule ? { ...hyper, lr: schedule } : hyper),
    data: data.train,
    batchSize: config.batchSize,
    sampling: config.sampling,
    ...(config.dropLast && { dropLast: true }),
    seed: config.seed,
    ...(config.wrappers && { wrappers: config.wrappers.map(wrapperOf) }),
    ...(config.penalty && { penalty: config.penalty }),
    ...(config.clip && { clip: config.clip }),
    ...(config.augment && { augment: config.augment }),
  };
}

/** Of a run that goes on, the checkpoint says which forms compute what. */
function planOptions({ plan, planBudgetMs }: TrainConfig, { from, plans }: JobCheckpoints) {
  if (plan === undefined || 'file' in Object(plan) || from) return { plan: 'pinned' as const };
  return {
    plan: plan as Exclude<typeof plan, { readonly file: string }>,
    ...(plans && { plans }),
    ...(planBudgetMs !== undefined && { planBudgetMs }),
  };
}

/** Goes on from a checkpoint. */
async function resume(trainer: Trainer, bytes: Uint8Array) {
  const { step, otherForms } = await trainer.restore(bytes);
  return { resumedAt: step, ...(otherForms.length > 0 && { otherForms }) };
}

/** What each kind of file has. */
const SAVED: Record<SavedKind, CheckpointOptions> = {
  checkpoint: {},
  model: { state: false },
  best: { state: false, weights: 'best' },
};

async function save(trainer: Trainer, emit: Emit, { save }: JobCheckpoints, kind: SavedKind): Promise<void> {
  if (!save) return;
  emit({ type: 'phase', phase: 'save' });
  await save(await trainer.checkpoint(SAVED[kind]), kind, trainer.step);
}

async function evaluate(trainer: Trainer, test: Dataset, config: TrainConfig) {
  const { kind } = config.data;
  // One-hot classes of --loss mse are no regression.
  const regression = (kind === 'csv' || kind === 'npy') && modelOf(config).loss.row.counts === 'mse';
  if (regression) {
    const { loss, metrics } = await trainer.evaluate(test, { metrics: ['r2', 'rmse'] });
    return { loss, r2: metrics?.r2, rmse: metrics?.rmse };
  }
  const { loss, accuracy } = await trainer.evaluate(test);
  // An absent key and not an undefined one: both sides of JSON then see the same.
  return accuracy === undefined ? { loss } : { loss, accuracy };
}

/** Trains the run's last steps under the profiler. Their losses are steps like all others. */
async function profileSteps(trainer: Trainer, steps: number, emit: Emit) {
  emit({ type: 'phase', phase: 'profile' });
  const profile = await trainer.profile({ steps });
  emit({ type: 'steps', steps: profile.reports });
  emit({ type: 'profile', profile });
  return { step: trainer.step, profiled: profile.reports.length };
}

interface Training {
  readonly config: TrainConfig;
  readonly emit: Emit;
  readonly signal: AbortSignal;
  readonly checkpoints: JobCheckpoints;
}

/** Trains up to the step `end`, and saves a checkpoint every so many steps. Saving is no part of the time. */
async function trainSteps(trainer: Trainer, end: number, { config, emit, signal, checkpoints }: Training) {
  const first = trainer.step;
  const every = (checkpoints.save && config.saveEvery) ?? end;
  let ms = 0;
  // Of a checkpoint that a stop left, `run` lets the training go on; whether it is to, the command line says.
  let goOn = checkpoints.goOn ?? false;
  while (trainer.step < end && !signal.aborted && (goOn || !trainer.stopped)) {
    goOn = false;
    const next = Math.min(end, (Math.floor(trainer.step / every) + 1) * every);
    ms += await trainTo(trainer, next, emit, signal);
    // The last one is saved with the end of the run.
    if (trainer.step === next && next < end) await save(trainer, emit, checkpoints, 'checkpoint');
  }
  const { step } = trainer;
  const trainSeconds = ms / 1000;
  const stepsPerSecond = trainSeconds > 0 ? (step - first) / trainSeconds : 0;
  const resumed = first > 0 && { resumedAt: first };
  return { step, ...resumed, trainSeconds, stepsPerSecond, interrupted: step < end && !trainer.stopped };
}

/** @returns the milliseconds from the first step's start to the last loss' arrival */
async function trainTo(trainer: Trainer, end: number, emit: Emit, signal: AbortSignal): Promise<number> {
  // Losses come back many at a time. Those of one read-back are yielded without a pause between them, so a timer of 0 ms
  // fires after the last of them: one event per read-back, and none held back.
  let batch: StepReport[] = [];
  let timer: ReturnType<typeof setTimeout> | undefined;
  let refused: unknown; // an error of `emit`, such as a folder that is gone; thrown from a timer, it would end the process
  const flush = () => {
    clearTimeout(timer);
    timer = undefined;
    const steps = batch;
    batch = [];
    if (steps.length === 0 || refused) return;
    try {
      emit({ type: 'steps', steps });
    } catch (error) {
      refused = error;
    }
  };

  const start = performance.now();
  let last = start;
  try {
    for await (const report of trainer.run({ steps: end - trainer.step, signal })) {
      if (refused) break;
      last = performance.now();
      batch.push(report);
      timer ??= setTimeout(flush, 0);
    }
  } catch (error) {
    // `run` ends an aborted training by throwing the signal's reason; anything else is an error.
    if (!signal.aborted || error !== signal.reason) throw error;
  } finally {
    flush();
  }
  if (refused) throw refused;
  return last - start;
}
