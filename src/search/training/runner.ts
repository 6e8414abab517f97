import type { Plan } from '../method.js';
import { outcomeOf, type RunContext, type Runner, reasonOf } from '../runner.js';
import { type History, keyOf, type Outcome, type Task } from '../trial.js';
import { failed, type MemberResult, type MemberState, trainMember } from './member.js';
import type { TrainingObjective, TrialSetup } from './objective.js';

/** Runs the tasks of a search by training networks. */
export class TrainingRunner implements Runner {
  /** Checkpoints by trial and seed: of trials that may go on. */
  readonly #kept = new Map<string, MemberState>();

  private constructor(
    readonly device: GPUDevice,
    readonly objective: TrainingObjective,
    readonly plan: Plan,
    readonly workers: number,
  ) {}

  static async create(device: GPUDevice, objective: TrainingObjective, plan: Plan): Promise<TrainingRunner> {
    return new TrainingRunner(device, objective, plan, 8);
  }

  async run(tasks: readonly Task[], context: RunContext): Promise<void> {
    const { history, seeds } = context;
    const isKept = ({ trial, to }: Task) => seeds.every((seed) => this.#kept.get(`${trial}:${seed}`)?.step === to);
    for (const again of lostBefore(tasks, history, isKept)) await this.#run(again, context, false);
    await this.#run(tasks, context, true);
  }

  async #run(tasks: readonly Task[], context: RunContext, judged: boolean): Promise<void> {
    const { seeds, signal } = context;
    // All of them first: a trial that others go on from may go on itself.
    const starts = tasks.map(({ trial, copy }) => seeds.map((seed) => this.#kept.get(`${copy ?? trial}:${seed}`)));
    for (const [i, task] of tasks.entries()) {
      signal?.throwIfAborted();
      const outcome = await this.#task(task, task.from > 0 ? starts[i]! : [], context, judged);
      if (judged) await context.done(task, outcome);
    }
  }

  async #task(
    task: Task,
    starts: readonly (MemberState | undefined)[],
    context: RunContext,
    judged: boolean,
  ): Promise<Outcome> {
    const { params, trial, to } = task;
    let setup: TrialSetup;
    try {
      setup = this.objective.trial(params);
    } catch (error) {
      const reason = reasonOf(error, context.signal);
      return memberOutcome(context.seeds.map(() => failed(reason)));
    }
    const results: MemberResult[] = [];
    for (const [i, seed] of context.seeds.entries()) {
      const member = { setup, params, seed, to, start: starts[i], keep: to < this.plan.steps, judged };
      const result = await trainMember(this.device, this.objective, member, context);
      const key = `${trial}:${seed}`;
      if (result.state) this.#kept.set(key, result.state);
      else this.#kept.delete(key);
      results.push(result);
    }
    return memberOutcome(results);
  }

  destroy(): void {
    this.#kept.clear();
  }
}

/**
 * The tasks that must be done again before these can go on, since the states they left are gone: after a resume. In batches, earlier ones
 * first.
 */
export function lostBefore(tasks: readonly Task[], history: History, isKept: (task: Task) => boolean): Task[][] {
  const lost = new Map<string, Task>();
  const look = ({ trial, copy, from }: Task): void => {
    if (from === 0) return;
    const before = history.tasksOf(copy ?? trial).find(({ to }) => to === from)!;
    if (lost.has(keyOf(before)) || isKept(before)) return;
    lost.set(keyOf(before), before);
    look(before);
  };
  tasks.forEach(look);
  const batches = new Map<number, Task[]>();
  for (const task of lost.values()) batches.set(task.to, [...(batches.get(task.to) ?? []), task]);
  return [...batches].sort(([a], [b]) => a - b).map(([, batch]) => batch);
}

/** Of the members of a task, one for each seed. */
export function memberOutcome(results: readonly MemberResult[]): Outcome {
  const names = [...new Set(results.flatMap(({ metrics }) => Object.keys(metrics)))];
  const finite = (value: number | undefined) => (Number.isFinite(value) ? value! : null);
  const metrics = Object.fromEntries(
    names.map((name) => [name, results.map((result) => finite(result.metrics[name]))] as const),
  );
  return outcomeOf(
    results.map(({ value }) => value),
    names.length > 0 ? { metrics } : {},
    results.map(({ reason }) => reason),
  );
}
