import type { Fields } from '../../gpu/fields.js';
import type { SetOptions } from '../../optim/groups.js';
import type { Rule } from '../../optim/rule.js';
import { createTrainer } from '../../train/trainer.js';
import type { Trainer } from '../../train/types.js';
import { type RunContext, reasonOf } from '../runner.js';
import type { Params } from '../space.js';
import type { TrainingObjective, TrialSetup } from './objective.js';

/* One network of a trial, a member, with a trainer of its own. */

/** What a member came to. */
export interface MemberResult {
  /** NaN where it failed. */
  readonly value: number;
  readonly metrics: Readonly<Record<string, number>>;
  readonly reason?: string;
  /** What it can go on from; there where it may. */
  readonly state?: MemberState;
}

/** A checkpoint of a member. */
export interface MemberState {
  readonly step: number;
  readonly bytes: Uint8Array;
  /** Of the trial that it is of. */
  readonly params: Params;
}

export interface MemberTask {
  readonly setup: TrialSetup;
  readonly params: Params;
  readonly seed: number;
  readonly to: number;
  /** Absent at step 0. */
  readonly start: Pick<MemberState, 'bytes' | 'params'> | undefined;
  /** Whether it may go on later. */
  readonly keep: boolean;
  /** Whether it is to be evaluated: not where it is only trained again, after a resume. */
  readonly judged: boolean;
}

export const failed = (reason: string): MemberResult => ({ value: Number.NaN, metrics: {}, reason });

/** What losses and accuracy come to. */
export function judged({ metric }: TrainingObjective, loss: number, accuracy: number | undefined): MemberResult {
  if (!Number.isFinite(loss)) return failed(`the validation loss is ${loss}`);
  const value = metric === 'accuracy' ? (accuracy ?? Number.NaN) : loss;
  return { value, metrics: { loss, ...(accuracy !== undefined && { accuracy }) } };
}

/** Why a member failed in its training. */
export const badLoss = (loss: number, step: number): string => `the training loss is ${loss} at step ${step}`;

/** Hyper-parameters of a rule that another of the same row has otherwise. */
function changesTo(rule: Rule, before: Rule): SetOptions<Fields> {
  const [now, was] = [rule.hyper, before.hyper] as Readonly<Record<string, unknown>>[];
  return Object.fromEntries(
    Object.entries(now!).filter(([key, value]) => JSON.stringify(value) !== JSON.stringify(was![key])),
  ) as SetOptions<Fields>;
}

/** A trainer of a member, where it is to go on. */
async function openMember(
  device: GPUDevice,
  objective: TrainingObjective,
  { setup, seed, start }: Pick<MemberTask, 'setup' | 'seed' | 'start'>,
): Promise<Trainer> {
  const { data, sampling } = objective.options;
  const { model, rule, batchSize, more } = setup;
  const rows = sampling === 'full' ? {} : { batchSize };
  // Pinned, so that a trial has the same bits whatever was measured meanwhile.
  const options = { model, rule, data, sampling, seed, ...rows, ...more, plan: 'pinned' as const, label: 'search' };
  const trainer = await createTrainer(device, options);
  if (!start) return trainer;
  try {
    // A checkpoint brings the hyper-parameters that it was saved with: those of another trial, where it is copied.
    await trainer.restore(start.bytes);
    trainer.set(changesTo(rule, objective.trial(start.params).rule));
    return trainer;
  } catch (error) {
    trainer.destroy();
    throw error;
  }
}

/** Trains one member with a trainer of its own, and judges it. What is wrong with it alone is its result. */
export async function trainMember(
  device: GPUDevice,
  objective: TrainingObjective,
  task: MemberTask,
  { signal, stepped }: Pick<RunContext, 'signal' | 'stepped'>,
  {
    onLoss = () => {},
    onAbort,
    every = Number.POSITIVE_INFINITY,
    isDue = () => true,
    onState = () => {},
  }: {
    readonly onLoss?: (step: number, loss: number) => void;
    /** Takes the checkpoint of a training that was told to end. Without it none is made. */
    readonly onAbort?: (state: MemberState) => void;
    /** Steps between two checkpoints on the way. */
    readonly every?: number;
    /** Asked before each of them. */
    readonly isDue?: () => boolean;
    readonly onState?: (state: MemberState) => void | Promise<void>;
  } = {},
): Promise<MemberResult> {
  let trainer: Trainer | undefined;
  try {
    trainer = await openMember(device, objective, task);
    while (trainer.step < task.to) {
      const steps = Math.min(task.to - trainer.step, every);
      for await (const { step, loss } of trainer.run({ steps, ...(signal && { signal }) })) {
        stepped(1);
        onLoss(step, loss);
        if (!Number.isFinite(loss)) return failed(badLoss(loss, step));
      }
      if (trainer.step < task.to && isDue())
        await onState({ step: trainer.step, bytes: await trainer.checkpoint(), params: task.params });
    }
    const evaluated = task.judged ? await trainer.evaluate(objective.options.validation) : undefined;
    const result = evaluated
      ? judged(objective, evaluated.loss, evaluated.accuracy)
      : { value: Number.NaN, metrics: {} };
    if (!task.keep || (evaluated && result.reason !== undefined)) return result;
    return { ...result, state: { step: task.to, bytes: await trainer.checkpoint(), params: task.params } };
  } catch (error) {
    if (trainer && signal?.aborted && error === signal.reason)
      onAbort?.({ step: trainer.step, bytes: await trainer.checkpoint(), params: task.params });
    return failed(reasonOf(error, signal));
  } finally {
    trainer?.destroy();
  }
}
