import type { Params } from './space.js';

/*
 * What a search asks for and gets back. A task is the unit: a trial from one step to another. It is plain JSON, so that a queue
 * can carry it elsewhere; what comes back is plain JSON, too, and the log of a search is nothing but these two.
 */

/** One stretch of one trial: trains it from step `from` to step `to`. */
export interface Task {
  readonly trial: number;
  readonly params: Params;
  /** Steps done before: the trial goes on from its state there. 0 begins it. */
  readonly from: number;
  readonly to: number;
  /** Goes on from the state of this trial at step `from` instead of its own. */
  readonly copy?: number;
  /** Which rung of halving it is, from 0. */
  readonly rung?: number;
  /** Which bracket of hyperband. */
  readonly bracket?: number;
}

/** What a task came to. */
export interface Outcome {
  /** Of each seed; null where it is not a finite number. */
  readonly values: readonly (number | null)[];
  /** Mean over the seeds; null where one failed. */
  readonly value: number | null;
  /** Why it failed: then it ranks last, and is never gone on with. */
  readonly reason?: string;
  /** What else was measured, by name, of each seed. */
  readonly metrics?: Readonly<Record<string, readonly (number | null)[]>>;
  /** What was reported on the way: step and value, mean over the seeds. */
  readonly reports?: readonly (readonly [step: number, value: number | null])[];
}

/** A task that is done. */
export interface Entry extends Outcome {
  readonly trial: number;
  readonly to: number;
}

export type Direction = 'minimize' | 'maximize';

/**
 * - complete: trained to its end
 * - pruned: the method ended it before
 * - failed: diverged, or its function threw
 * - running: neither yet
 */
export type TrialState = 'complete' | 'pruned' | 'failed' | 'running';

/** A trial as a search leaves it. */
export interface Trial {
  readonly trial: number;
  /** Of its last stretch; 'pbt' changes them on the way. */
  readonly params: Params;
  readonly state: TrialState;
  /** Steps it was trained for. */
  readonly step: number;
  /** At its last step; null where it failed. */
  readonly value: number | null;
  readonly values: readonly (number | null)[];
  readonly metrics?: Outcome['metrics'];
  readonly reason?: string;
  /** Value after each stretch. */
  readonly history: readonly { readonly step: number; readonly value: number | null }[];
  /** There where it did not train with one set of parameters from its own start: what led to it, from step 0. */
  readonly lineage?: readonly Segment[];
  readonly bracket?: number;
}

/** Parameters that held from one step to another, and whose trial it was then. */
export interface Segment {
  readonly trial: number;
  readonly params: Params;
  readonly from: number;
  readonly to: number;
}

export const keyOf = ({ trial, to }: { readonly trial: number; readonly to: number }): string => `${trial}:${to}`;

/** Whether `a` comes before `b`: nothing is worse than what failed, and equals keep their order. */
export function compareValues(direction: Direction): (a: number | null, b: number | null) => number {
  return (a, b) => {
    if (a === null || b === null) return a === b ? 0 : a === null ? 1 : -1;
    return direction === 'minimize' ? a - b : b - a;
  };
}

/**
 * Trials from the best to the worst. Who was trained for longer was better when it was decided; those that failed come last.
 */
export function ranked<T extends Pick<Trial, 'value' | 'step' | 'trial'>>(
  trials: readonly T[],
  direction: Direction,
): T[] {
  const compare = compareValues(direction);
  return [...trials].sort(
    (a, b) =>
      Number(a.value === null) - Number(b.value === null) ||
      b.step - a.step ||
      compare(a.value, b.value) ||
      a.trial - b.trial,
  );
}

/** Tasks and entries of a search, found by trial. */
export class History {
  readonly tasks: Task[] = [];
  readonly #entries = new Map<string, Entry>();
  readonly #byTrial = new Map<number, Task[]>();

  get entries(): Iterable<Entry> {
    return this.#entries.values();
  }

  ask(tasks: readonly Task[]): void {
    // One by one: a call takes no list of a hundred thousand.
    for (const task of tasks) {
      this.tasks.push(task);
      this.#byTrial.set(task.trial, [...(this.#byTrial.get(task.trial) ?? []), task]);
    }
  }

  add(entry: Entry): void {
    this.#entries.set(keyOf(entry), entry);
  }

  entry(task: { readonly trial: number; readonly to: number }): Entry | undefined {
    return this.#entries.get(keyOf(task));
  }

  tasksOf(trial: number): readonly Task[] {
    return this.#byTrial.get(trial) ?? [];
  }

  /** What is asked for and not done, in order. */
  pending(): Task[] {
    return this.tasks.filter((task) => !this.entry(task));
  }

  /** What led to the state a trial is in after `step`, from step 0; crossing to other trials where it was copied. */
  lineage(trial: number, step: number): Segment[] {
    const segments: Segment[] = [];
    for (let [at, until] = [trial, step]; until > 0; ) {
      const task = this.tasksOf(at).find(({ to }) => to === until)!;
      segments.unshift({ trial: at, params: task.params, from: task.from, to: until });
      [at, until] = [task.copy ?? at, task.from];
    }
    return segments;
  }

  /** Every trial that was asked for. @param ended nothing more is asked for: who did not get to `steps` was pruned */
  trials(steps: number, ended: boolean): Trial[] {
    return [...this.#byTrial.keys()].sort((a, b) => a - b).map((trial) => this.trial(trial, steps, ended));
  }

  /** One of them. */
  trial(trial: number, steps: number, ended: boolean): Trial {
    const tasks = this.tasksOf(trial);
    const done = tasks.flatMap((task) => {
      const entry = this.entry(task);
      return entry ? [{ task, entry }] : [];
    });
    const { task = tasks[0]!, entry } = done.at(-1) ?? {};
    const lineage = merged(entry ? this.lineage(trial, entry.to) : []);
    const state = !entry
      ? 'running'
      : entry.value === null
        ? 'failed'
        : entry.to >= steps
          ? 'complete'
          : ended
            ? 'pruned'
            : 'running';
    return {
      ...{ trial, params: task.params, state, step: entry?.to ?? 0 },
      ...{ value: entry?.value ?? null, values: entry?.values ?? [] },
      ...(entry?.metrics && { metrics: entry.metrics }),
      ...(entry?.reason !== undefined && { reason: entry.reason }),
      history: done.map(({ entry: { to, value } }) => ({ step: to, value })),
      ...(lineage.length > 1 && { lineage }),
      ...(task.bracket !== undefined && { bracket: task.bracket }),
    };
  }
}

/** Neighbours of the same trial and parameters as one. */
function merged(segments: readonly Segment[]): Segment[] {
  const result: Segment[] = [];
  for (const segment of segments) {
    const last = result.at(-1);
    const same = last?.trial === segment.trial && JSON.stringify(last.params) === JSON.stringify(segment.params);
    if (same) result[result.length - 1] = { ...last!, to: segment.to };
    else result.push(segment);
  }
  return result;
}
