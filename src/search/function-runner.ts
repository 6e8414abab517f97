import { DownhillError, show } from '../gpu/errors.js';
import { Pace } from '../gpu/turns.js';
import { outcomeOf, type RunContext, type Runner, reasonOf } from './runner.js';
import type { Params } from './space.js';
import type { Outcome, Segment, Task } from './trial.js';

/** What a function is asked for: one trial with one seed, from one step to another. */
export interface TrialRequest<P = Params> {
  readonly trial: number;
  readonly params: P;
  readonly seed: number;
  /** Steps that `state` has done: 0 without one. */
  readonly from: number;
  /** Steps to have done at the end; of methods that end nothing early, those of the budget. */
  readonly steps: number;
  /** What it returned as `state` after step `from`; not to be changed, other trials may go on from it, too. */
  readonly state: unknown;
}

/** What a function of trials is given beside. */
export interface TrialContext {
  /** The value after so many steps: it goes into the results and pictures. */
  report(step: number, value: number): void;
  /** Aborted where the search is told to end. */
  readonly signal: AbortSignal;
}

/** What a trial is worth, or that with more. A value that is not finite fails the trial. */
export type TrialResult =
  | number
  | {
      readonly value: number;
      /** What it can go on from. Without it a later stretch calls the function anew from step 0. */
      readonly state?: unknown;
      readonly metrics?: Readonly<Record<string, number>>;
    };

/**
 * An objective of the caller's own. Pure: its result depends on the request alone, so that a trial can be run again, and
 * elsewhere. Throwing fails the trial and not the search.
 */
export type TrialFunction<P = Params> = (
  request: TrialRequest<P>,
  context: TrialContext,
) => TrialResult | Promise<TrialResult>;

interface Kept {
  readonly step: number;
  readonly state: unknown;
}

interface Ran {
  readonly value: number;
  readonly state: unknown;
  readonly metrics: Readonly<Record<string, number>>;
  readonly reports: readonly (readonly [number, number])[];
}

/** Runs tasks by calling a function, one after the other. */
export class FunctionRunner implements Runner {
  readonly #kept = new Map<string, Kept>();
  readonly #pace = new Pace();

  constructor(
    readonly call: TrialFunction,
    readonly workers: number,
    /** Of the method: a trial may go on from another's state. */
    readonly copies: boolean,
  ) {}

  async run(tasks: readonly Task[], context: RunContext): Promise<void> {
    // All of them first: a trial that others go on from may go on itself.
    const starts = tasks.map((task) =>
      context.seeds.map((seed) => this.#kept.get(`${task.copy ?? task.trial}:${seed}`)),
    );
    for (const [i, task] of tasks.entries()) {
      context.signal?.throwIfAborted();
      await context.done(task, await this.#task(task, starts[i]!, context));
      context.stepped((task.to - task.from) * context.seeds.length);
    }
  }

  async #task(task: Task, starts: readonly (Kept | undefined)[], context: RunContext): Promise<Outcome> {
    const ran: Ran[] = [];
    const reasons: (string | undefined)[] = [];
    for (const [i, seed] of context.seeds.entries()) {
      try {
        ran.push(await this.#seed(task, seed, starts[i], context));
      } catch (error) {
        reasons[i] = reasonOf(error, context.signal);
        ran.push({ value: Number.NaN, state: undefined, metrics: {}, reports: [] });
      }
    }
    for (const [i, { state }] of ran.entries())
      this.#kept.set(`${task.trial}:${context.seeds[i]}`, { step: task.to, state });
    return outcomeOf(
      ran.map(({ value }) => value),
      { ...metricsOf(ran), ...reportsOf(ran) },
      reasons,
    );
  }

  /** One seed of a task; where the state it goes on from is gone, from step 0. */
  async #seed(task: Task, seed: number, start: Kept | undefined, context: RunContext): Promise<Ran> {
    if (task.from === 0) return this.#call(task, seed, 0, undefined, context);
    if (start?.step === task.from && start.state !== undefined)
      return this.#call(task, seed, task.from, start.state, context);
    const before = context.history.lineage(task.copy ?? task.trial, task.from);
    const own: Segment = { trial: task.trial, params: task.params, from: task.from, to: task.to };
    let last: Ran | undefined;
    for (const segment of [...before, own]) {
      if (segment.from > 0 && last?.state === undefined) {
        if (this.copies) throw stateless();
        return this.#call(task, seed, 0, undefined, context);
      }
      last = await this.#call(segment, seed, segment.from, last?.state, context);
    }
    return last!;
  }

  async #call(
    { trial, params, to: steps }: Pick<Task, 'trial' | 'params' | 'to'>,
    seed: number,
    from: number,
    state: unknown,
    { signal = new AbortController().signal }: RunContext,
  ): Promise<Ran> {
    await this.#pace.giveWay(); // a function need not
    signal.throwIfAborted();
    const reports: [number, number][] = [];
    const report = (step: number, value: number) => void reports.push([step, value]);
    const result = await this.call({ trial, params, seed, from, steps, state }, { report, signal });
    if (typeof result === 'number') return { value: result, state: undefined, metrics: {}, reports };
    const { value, state: after, metrics = {} } = Object(result) as Exclude<TrialResult, number>;
    if (typeof value === 'number') return { value, state: after, metrics, reports };
    throw new DownhillError(
      'OPTION-TYPE',
      `The objective must return a number or { value }, got ${show(result)}.`,
      'Return the loss.',
    );
  }

  destroy(): void {
    this.#kept.clear();
  }
}

const stateless = () =>
  new DownhillError(
    'OPTION-TYPE',
    'Trials of pbt go on from the state of others, but the objective returns none.',
    'Return { value, state }, and go on from request.state; or use halving.',
  );

function metricsOf(ran: readonly Ran[]): Pick<Outcome, 'metrics'> {
  const names = [...new Set(ran.flatMap(({ metrics }) => Object.keys(metrics)))];
  if (names.length === 0) return {};
  const finite = (value: number | undefined) => (Number.isFinite(value) ? value! : null);
  return {
    metrics: Object.fromEntries(names.map((name) => [name, ran.map(({ metrics }) => finite(metrics[name]))])),
  };
}

/** Means over the seeds, at the steps that all of them reported. */
function reportsOf(ran: readonly Ran[]): Pick<Outcome, 'reports'> {
  const maps = ran.map(({ reports }) => new Map(reports));
  const steps = [...(maps[0]?.keys() ?? [])].filter((step) => maps.every((map) => map.has(step)));
  if (steps.length === 0) return {};
  return {
    reports: steps.map((step) => {
      const mean = maps.reduce((sum, map) => sum + map.get(step)!, 0) / maps.length;
      return [step, Number.isFinite(mean) ? mean : null] as const;
    }),
  };
}
