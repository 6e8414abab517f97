/**
 * One training job, from a device to a result. It runs in Node and in a page alike, so it imports neither Node's modules
 * nor the page's.
 */
import {
  checkTimestamps,
  createTrainer,
  type Dataset,
  describeAdapter,
  mlp,
  resolveRule,
  rules,
  type StepReport,
  type Trainer,
} from '../../src/index.js';
import type { TrainConfig } from './config.js';
import { type JobData, shapeOf } from './data.js';
import type { Emit, JobResult } from './events.js';
import { profiledSteps, runSteps, scheduleOf } from './schedule.js';

/**
 * Trains and evaluates, and tells about it through `emit`. Aborting `signal` ends the training early; what was reached
 * by then is evaluated like a whole run, with `interrupted` set, and not profiled.
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
): Promise<JobResult> {
  emit({ type: 'adapter', adapter: describeAdapter(device) });
  if (config.profile) checkTimestamps(device); // before anything is trained
  const steps = runSteps(config, data.train.samples);
  const schedule = scheduleOf(config, steps);
  const { name, hyper } = config.optimizer;
  const trainer = await createTrainer(device, {
    model: mlp(config.model),
    rule: resolveRule(rules, name, schedule ? { ...hyper, lr: schedule } : hyper),
    data: data.train,
    batchSize: config.batchSize,
    sampling: config.sampling,
    seed: config.seed,
  });
  try {
    const { stepsPerEpoch } = trainer;
    const batchSize = config.batchSize ?? data.train.samples;
    const shape = { data: shapeOf(data), batchSize, steps, stepsPerEpoch };
    emit({ type: 'plan', plan: trainer.describe(), ...shape, ...(schedule && { schedule: String(schedule) }) });
    const profiled = profiledSteps(config, steps);
    const trained = await trainSteps(trainer, steps - 2 * profiled, emit, signal);
    const more = profiled > 0 && !trained.interrupted ? await profileSteps(trainer, profiled, emit) : {};
    emit({ type: 'phase', phase: 'evaluate' });
    const result = { ...trained, ...more, ...(await evaluate(trainer, data.test, config)) };
    emit({ type: 'result', result });
    return result;
  } finally {
    trainer.destroy();
  }
}

async function evaluate(trainer: Trainer, test: Dataset, { data, model }: TrainConfig) {
  // One-hot classes of --loss mse are no regression.
  const regression = (data.kind === 'csv' || data.kind === 'npy') && mlp(model).loss.row.counts === 'mse';
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

async function trainSteps(trainer: Trainer, steps: number, emit: Emit, signal: AbortSignal) {
  // Losses come back many at a time. Those of one read-back are yielded without a pause between them, so a timer of 0 ms
  // fires after the last of them: one event per read-back, and none held back.
  let batch: StepReport[] = [];
  let timer: ReturnType<typeof setTimeout> | undefined;
  let refused: unknown; // an error of `emit`, such as a full disk; thrown from a timer, it would end the process
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

  let step = 0;
  const start = performance.now();
  let end = start;
  try {
    for await (const report of trainer.run({ steps, signal })) {
      if (refused) break;
      step = report.step;
      end = performance.now();
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
  const trainSeconds = (end - start) / 1000;
  const stepsPerSecond = trainSeconds > 0 ? step / trainSeconds : 0;
  return { step, trainSeconds, stepsPerSecond, interrupted: step < steps };
}
