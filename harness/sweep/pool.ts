/** A sweep on this machine alone: some children, the folder's results, no server. */
import type { Outcome } from '../../src/search/index.js';
import { ChildLost, WorkerChild } from './child-process.js';
import type { Coordinator, TaskResult } from './coordinator.js';
import { CHECKPOINTS, type SweepFolder } from './folder.js';
import type { FromChild } from './messages.js';
import type { PackJob } from './spec.js';

/** After so many processes died under a pack, its trials have failed. */
export const ATTEMPTS = 3;
/** Whoever cancels from elsewhere is heard so soon. */
const CANCEL_MS = 200;

export const CANCELLED = 'cancelled';

/** The outcome of a trial that came to none. */
export const failedOutcome = (seeds: readonly number[], reason: string): Outcome => ({
  values: seeds.map(() => null),
  value: null,
  reason,
});

export interface PoolEvents {
  ready?(worker: number, adapter: string): void;
  progress?(message: Extract<FromChild, { type: 'progress' }>): void;
  result?(result: TaskResult): void;
  /** A child begins with a pack, or is done with it: by itself, or since it is gone. */
  job?(pack: number, state: 'begin' | 'end', pid: number | undefined): void;
  /** A process died; its pack is tried again. */
  again?(pack: PackJob, reason: string): void;
}

export class Pool {
  readonly #children: WorkerChild[];
  readonly #taken = new Set<number>();
  readonly #attempts = new Map<number, number>();
  #wake: (() => void)[] = [];
  #error: unknown;

  constructor(
    readonly coordinator: Coordinator,
    readonly folder: SweepFolder,
    command: readonly [string, ...string[]],
    workers: number,
    readonly events: PoolEvents,
  ) {
    this.#children = Array.from(
      { length: workers },
      (_, i) => new WorkerChild(command, (adapter) => events.ready?.(i, adapter)),
    );
  }

  /** Runs until everything is done, it is cancelled, or `signal` ends it; the children are gone then. */
  async run(signal: AbortSignal): Promise<void> {
    const cancelling = setInterval(() => {
      try {
        this.#cancel();
      } catch (error) {
        this.#give(error);
      }
    }, CANCEL_MS);
    const stop = () => {
      for (const child of this.#children) void child.end();
      this.#wakeAll();
    };
    signal.addEventListener('abort', stop);
    try {
      await Promise.all(this.#children.map((child) => this.#work(child, signal)));
    } finally {
      clearInterval(cancelling);
      signal.removeEventListener('abort', stop);
      await Promise.all(this.#children.map((child) => child.end()));
    }
    if (this.#error !== undefined) throw this.#error;
  }

  get #over(): boolean {
    return this.coordinator.ended || this.folder.cancelled.all || this.#error !== undefined;
  }

  async #work(child: WorkerChild, signal: AbortSignal): Promise<void> {
    while (!signal.aborted && !this.#over) {
      const pack = this.coordinator.pending().find((each) => !this.#taken.has(each.pack));
      if (pack) await this.#pack(child, pack, signal);
      else await new Promise<void>((resolve) => this.#wake.push(resolve));
    }
    this.#wakeAll();
  }

  async #pack(child: WorkerChild, pack: PackJob, signal: AbortSignal): Promise<void> {
    const attempt = (this.#attempts.get(pack.pack) ?? 0) + 1;
    this.#taken.add(pack.pack);
    this.#attempts.set(pack.pack, attempt);
    try {
      const run = child.run(this.coordinator.left(pack), {
        attempt: `${process.pid}-${attempt}`,
        checkpoints: this.folder.path(CHECKPOINTS),
        onMessage: (message) => {
          if (message.type === 'progress') this.events.progress?.(message);
          else this.#add({ trial: message.trial, to: message.to, attempt, outcome: message.outcome });
        },
      });
      const { pid } = child;
      this.events.job?.(pack.pack, 'begin', pid);
      await run.finally(() => this.events.job?.(pack.pack, 'end', pid));
    } catch (error) {
      if (signal.aborted || this.#over) return;
      if (!(error instanceof ChildLost)) this.#give(error);
      else if (attempt < ATTEMPTS) this.events.again?.(pack, error.message);
      else
        this.#fail(
          pack,
          attempt,
          this.coordinator.left(pack).tasks.map(({ trial }) => trial),
          error.message,
        );
    } finally {
      this.#taken.delete(pack.pack);
      this.#wakeAll();
    }
  }

  /** Ends all of it with an error. */
  #give(error: unknown): void {
    this.#error ??= error;
    for (const each of this.#children) void each.end();
    this.#wakeAll();
  }

  #add(result: TaskResult): void {
    // The result of a trial that was cancelled meanwhile is too late.
    if (this.coordinator.has(result)) return;
    this.folder.add(result);
    this.coordinator.add([result]);
    this.events.result?.(result);
    this.#wakeAll();
  }

  #fail(pack: PackJob, attempt: number, trials: readonly number[], reason: string): void {
    for (const { trial, to } of this.coordinator.left(pack).tasks)
      if (trials.includes(trial)) this.#add({ trial, to, attempt, outcome: failedOutcome(pack.seeds, reason) });
  }

  #cancel(): void {
    const { all, trials } = this.folder.cancelled;
    if (all) {
      for (const child of this.#children) void child.end();
      this.#wakeAll();
      return;
    }
    const gone = trials.filter((trial) =>
      this.coordinator.pending().some((pack) => holds(this.coordinator, pack, trial)),
    );
    if (gone.length === 0) return;
    for (const child of this.#children) child.prune(gone);
    for (const pack of this.coordinator.pending())
      this.#fail(pack, this.#attempts.get(pack.pack) ?? 0, gone, CANCELLED);
  }

  #wakeAll(): void {
    const waiting = this.#wake;
    this.#wake = [];
    for (const wake of waiting) wake();
  }
}

const holds = (coordinator: Coordinator, pack: PackJob, trial: number): boolean =>
  coordinator.left(pack).tasks.some((task) => task.trial === trial);
