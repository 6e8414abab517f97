import type { Plan } from '../method.js';
import { outcomeOf, type RunContext, type Runner, reasonOf } from '../runner.js';
import type { Outcome, Segment, Task } from '../trial.js';
import { failed, type MemberResult, type MemberStart, trainMember } from './member.js';
import type { TrainingObjective, TrialSetup } from './objective.js';

/** Runs the tasks of a search by training networks. */
export class TrainingRunner implements Runner {
  /** Checkpoints by trial and seed: of trials that may go on. */
  readonly #kept = new Map<string, MemberStart>();

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
    const { seeds, signal } = context;
    // All of them first: a trial that others go on from may go on itself.
    const starts = tasks.map((task) => seeds.map((seed) => this.#start(task, seed)));
    for (const [i, task] of tasks.entries()) {
      signal?.throwIfAborted();
      await context.done(task, await this.#task(task, starts[i]!, context));
    }
  }

  #start({ trial, copy, from }: Task, seed: number): MemberStart | undefined {
    const kept = this.#kept.get(`${copy ?? trial}:${seed}`);
    return from > 0 && kept?.step === from ? kept : undefined;
  }

  async #task(task: Task, starts: readonly (MemberStart | undefined)[], context: RunContext): Promise<Outcome> {
    let setup: TrialSetup;
    try {
      setup = this.objective.trial(task.params);
    } catch (error) {
      const reason = reasonOf(error, context.signal);
      return memberOutcome(context.seeds.map(() => failed(reason)));
    }
    const own: Segment = { trial: task.trial, params: task.params, from: task.from, to: task.to };
    const results: MemberResult[] = [];
    for (const [i, seed] of context.seeds.entries()) {
      const start = starts[i];
      const before = start || task.from === 0 ? [] : context.history.lineage(task.copy ?? task.trial, task.from);
      const keep = task.to < this.plan.steps;
      const member = { setup, seed, segments: [...before, own], start, keep };
      const result = await trainMember(this.device, this.objective, member, context);
      const key = `${task.trial}:${seed}`;
      if (result.state) this.#kept.set(key, { step: task.to, state: result.state, params: task.params });
      else this.#kept.delete(key);
      results.push(result);
    }
    return memberOutcome(results);
  }

  destroy(): void {
    this.#kept.clear();
  }
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
