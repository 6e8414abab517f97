import { checkDevice, checkInteger, checkOptions } from '../gpu/fields.js';
import type { Params } from './space.js';
import { type MemberResult, type MemberState, trainMember } from './training/member.js';
import type { TrainingObjective } from './training/objective.js';
import { memberOutcome } from './training/runner.js';
import type { Outcome } from './trial.js';

/** Options of {@link runTrial}: plain data, but for the checkpoints and callbacks. */
export interface RunTrialOptions {
  readonly params: Params;
  readonly seeds: readonly number[];
  /** Steps to have done at the end. */
  readonly to: number;
  /** Checkpoints to go on from, one for each seed; of those that are undefined, from step 0. */
  readonly states?: readonly (Uint8Array | undefined)[];
  /** The parameters that the checkpoints were saved with, where those are others: after a copy. */
  readonly before?: Params;
  /** Whether checkpoints are wanted at the end. Default true. */
  readonly keep?: boolean;
  readonly onLoss?: (seed: number, step: number, loss: number) => void;
  /** Aborting ends it, with checkpoints of where it is. */
  readonly signal?: AbortSignal;
}

/** What became of a trial. */
export interface TrialRun {
  /** Undefined where it was told to end before. */
  readonly outcome: Outcome | undefined;
  /** Of each seed; undefined where it failed, or had not begun. */
  readonly states: readonly (MemberState | undefined)[];
}

const OPTIONS = ['params', 'seeds', 'to', 'states', 'before', 'keep', 'onLoss', 'signal'] as const;

/**
 * Runs one trial of a training, or a stretch of it, on its own: what a worker elsewhere does for a search. A pure function of its options: the same
 * outcome as in the search, bit for bit on an adapter of the same kind.
 *
 * @throws DownhillError OPTION-*, DEVICE-LOST
 */
export async function runTrial(
  device: GPUDevice,
  objective: TrainingObjective,
  options: RunTrialOptions,
): Promise<TrialRun> {
  checkDevice('runTrial', device);
  checkOptions('runTrial', options, OPTIONS);
  const { params, seeds, states = [], before = params, keep = true, onLoss = () => {}, signal } = options;
  const to = checkInteger('to', options.to, 1);
  const setup = objective.trial(params);
  const results: MemberResult[] = [];
  const kept: (MemberState | undefined)[] = seeds.map(() => undefined);
  try {
    for (const [i, seed] of seeds.entries()) {
      signal?.throwIfAborted();
      const bytes = states[i];
      const start = bytes && { bytes, params: before };
      const task = { setup, params, seed, to, start, keep, judged: true };
      const result = await trainMember(
        device,
        objective,
        task,
        { signal, stepped: () => {} },
        {
          onLoss: (step, loss) => onLoss(seed, step, loss),
          onAbort: (state) => {
            kept[i] = state;
          },
        },
      );
      kept[i] = result.state;
      results.push(result);
    }
  } catch (error) {
    if (signal?.aborted && error === signal.reason) return { outcome: undefined, states: kept };
    throw error;
  }
  return { outcome: memberOutcome(results), states: kept };
}
