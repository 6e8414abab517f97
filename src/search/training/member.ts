import type { Fields } from '../../gpu/fields.js';
import type { SetOptions } from '../../optim/groups.js';
import type { Rule } from '../../optim/rule.js';
import { createTrainer } from '../../train/trainer.js';
import type { Trainer } from '../../train/types.js';
import { type RunContext, reasonOf } from '../runner.js';
import type { Params } from '../space.js';
import type { Segment } from '../trial.js';
import type { TrainingObjective, TrialSetup } from './objective.js';

/* One network of a trial: a member. Here with a trainer of its own. */

/** What a member came to. */
export interface MemberResult {
  /** NaN where it failed. */
  readonly value: number;
  readonly metrics: Readonly<Record<string, number>>;
  readonly reason?: string;
  /** A checkpoint that it can go on from; there where it may. */
  readonly state?: Uint8Array;
}

/** What it begins with: a checkpoint of step `from`, or nothing at step 0. */
export interface MemberStart {
  readonly step: number;
  readonly state: Uint8Array;
  /** Of the trial that it is of. */
  readonly params: Params;
}

export interface MemberTask {
  readonly setup: TrialSetup;
  readonly seed: number;
  /** Each goes on from the one before; the first from `start`. */
  readonly segments: readonly Segment[];
  readonly start: MemberStart | undefined;
  /** Whether it may go on later. */
  readonly keep: boolean;
}

export const failed = (reason: string): MemberResult => ({ value: Number.NaN, metrics: {}, reason });

/** Hyper-parameters of a rule that another of the same row has otherwise. */
export function changesTo(rule: Rule, before: Rule): SetOptions<Fields> {
  const [now, was] = [rule.hyper, before.hyper] as Readonly<Record<string, unknown>>[];
  return Object.fromEntries(
    Object.entries(now!).filter(([key, value]) => JSON.stringify(value) !== JSON.stringify(was![key])),
  ) as SetOptions<Fields>;
}

/** Trains one member with a trainer of its own, and judges it. What is wrong with it alone is its result. */
export async function trainMember(
  device: GPUDevice,
  objective: TrainingObjective,
  task: MemberTask,
  { signal, stepped }: RunContext,
): Promise<MemberResult> {
  const { data, sampling, validation } = objective.options;
  const { setup, seed, segments, start } = task;
  let trainer: Trainer | undefined;
  try {
    // A checkpoint's hyper-parameters are those of its segment: the rule of the first segment, or of what it was copied from.
    const { model, batchSize, more } = setup;
    const rules = segments.map(({ params }) => objective.trial(params).rule);
    const rows = sampling === 'full' ? {} : { batchSize };
    const options = { model, rule: rules[0]!, data, sampling, seed, ...rows, ...more, plan: 'pinned' as const };
    trainer = await createTrainer(device, { ...options, label: 'search' });
    if (start) {
      await trainer.restore(start.state);
      trainer.set(changesTo(rules[0]!, objective.trial(start.params).rule));
    }
    for (const [i, { from, to }] of segments.entries()) {
      if (i > 0) trainer.set(changesTo(rules[i]!, rules[i - 1]!));
      const bad = await advance(trainer, to - from, signal, stepped);
      if (bad) return failed(bad);
    }
    const { loss, accuracy } = await trainer.evaluate(validation);
    const value = objective.metric === 'accuracy' ? (accuracy ?? Number.NaN) : loss;
    const metrics = { loss, ...(accuracy !== undefined && { accuracy }) };
    const reason = Number.isFinite(loss) ? {} : { reason: `the validation loss is ${loss}` };
    const state = task.keep ? { state: await trainer.checkpoint() } : {};
    return { value: Number.isFinite(loss) ? value : Number.NaN, metrics, ...reason, ...state };
  } catch (error) {
    return failed(reasonOf(error, signal));
  } finally {
    trainer?.destroy();
  }
}

/** @returns what went wrong, where a loss is no number */
async function advance(
  trainer: Trainer,
  steps: number,
  signal: AbortSignal | undefined,
  stepped: (steps: number) => void,
): Promise<string | undefined> {
  for await (const { step, loss } of trainer.run({ steps, ...(signal && { signal }) })) {
    stepped(1);
    if (!Number.isFinite(loss)) return `the training loss is ${loss} at step ${step}`;
  }
  return undefined;
}
