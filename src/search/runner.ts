import { DownhillError } from '../gpu/errors.js';
import type { Direction, History, Outcome, Task } from './trial.js';

/* What runs the tasks of a search: here a function of the caller's, or trainings; elsewhere a queue's workers. */

/** What a runner is given beside its tasks. */
export interface RunContext {
  readonly seeds: readonly number[];
  /** Where the state that a task goes on from is gone, its lineage says how to get there again. */
  readonly history: History;
  readonly signal: AbortSignal | undefined;
  /** A task is done; resolves when that is kept. */
  done(task: Task, outcome: Outcome): Promise<void>;
  /** So many steps of training went by, of all seeds together. */
  stepped(steps: number): void;
}

export interface Runner {
  /** Tasks that it runs at once. */
  readonly workers: number;
  /** What it says of itself before it begins: members in a pass. */
  readonly notes?: readonly string[];
  /** Runs tasks in the order that suits it. @throws what is wrong with more than one trial; what is wrong with one is its outcome */
  run(tasks: readonly Task[], context: RunContext): Promise<void>;
  destroy(): void;
}

/** What an objective is to a search: it makes runners, and says which way is better. */
export interface ObjectiveKind {
  readonly direction: Direction;
  /** Whether a trial can go on from another one's state. */
  readonly copies: boolean;
  /** For the log: which objective it is, as JSON; undefined where that cannot be told. */
  readonly identity?: unknown;
}

/** Codes of what is wrong with the search, not with one trial of it. */
const FATAL = /^(DEVICE|INTERNAL|RUN|NO|OPTION-UNKNOWN|OPTION-TYPE|DATA)/;

/** What a trial failed by, in words. @throws the error itself where it is no trial's, or where the search was told to end */
export function reasonOf(error: unknown, signal: AbortSignal | undefined): string {
  if (signal?.aborted) throw signal.reason;
  if (error instanceof DownhillError && FATAL.test(error.code)) throw error;
  return error instanceof Error ? error.message : String(error);
}

/** The outcome of values by seed: none may be missing. @param reason why a value is none, where more is known */
export function outcomeOf(
  values: readonly number[],
  more: Pick<Outcome, 'metrics' | 'reports'> = {},
  reasons: readonly (string | undefined)[] = [],
): Outcome {
  const kept = values.map((value) => (Number.isFinite(value) ? value : null));
  const at = kept.indexOf(null);
  const which = values.length > 1 ? ` (seed ${at + 1} of ${values.length})` : '';
  const reason = at < 0 ? undefined : `${reasons[at] ?? `its value is ${values[at]}`}${which}`;
  return {
    values: kept,
    value: at < 0 ? values.reduce((sum, value) => sum + value, 0) / values.length : null,
    ...(reason !== undefined && { reason }),
    ...more,
  };
}
