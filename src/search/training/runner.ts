import type { MethodRow, Plan } from '../method.js';
import { outcomeOf, type RunContext, type Runner, reasonOf } from '../runner.js';
import { sample } from '../sample.js';
import { type History, keyOf, type Outcome, type Task } from '../trial.js';
import { failed, type MemberResult, type MemberState, trainMember } from './member.js';
import type { TrainingObjective, TrialSetup } from './objective.js';
import { Pack, type PackMember, packMemory, packSize } from './pack.js';

/** A task with what it trains. */
export interface Made {
  readonly task: Task;
  readonly setup: TrialSetup;
}

/** Tasks at once, where a method asks for one at a time. */
const WORKERS = 8;
/** Bytes of populations that are kept, on the GPU, for trials that may go on. */
const KEPT_BYTES = 2 ** 31;

/**
 * Runs the tasks of a search by training networks. Those of one shape that begin together are a population, and go on in it where that is
 * faster; else each goes on with a trainer of its own, from a checkpoint. Both give the same bits. What was given up is trained again.
 */
export class TrainingRunner implements Runner {
  readonly workers = WORKERS;
  /** Checkpoints by trial and seed: of trials that may go on. */
  readonly #kept = new Map<string, MemberState>();
  /** The most recently used last. */
  #packs: Pack[] = [];

  constructor(
    readonly device: GPUDevice,
    readonly objective: TrainingObjective,
    readonly plan: Plan,
    readonly method: Pick<MethodRow<never>, 'together'>,
    readonly seeds: readonly number[],
  ) {}

  get notes(): readonly string[] {
    const { space, seed, trials } = this.plan;
    const params = sample(space, seed, 0);
    const task = { trial: 0, params, from: 0, to: this.plan.steps };
    const member = { task, setup: this.objective.trial(params), seed: 0 };
    const memory = packMemory(this.device, this.objective, [member]);
    const members = trials * this.seeds.length;
    const size = memory && packSize(this.device, member, memory);
    if (!size || size >= members) return [];
    return [
      `up to ${members} networks at a step train in ${Math.ceil(members / size)} passes, ${size} members in each`,
    ];
  }

  async run(tasks: readonly Task[], context: RunContext): Promise<void> {
    const { history, seeds } = context;
    const isKept = ({ trial, to }: Task) => seeds.every((seed) => this.#has(trial, seed, to));
    for (const again of lostBefore(tasks, history, isKept)) await this.#run(again, context, false);
    await this.#run(tasks, context, true);
  }

  #has(trial: number, seed: number, step: number): boolean {
    return this.#kept.get(`${trial}:${seed}`)?.step === step || this.#packOf(trial, seed, step) !== undefined;
  }

  #packOf(trial: number, seed: number, step: number): Pack | undefined {
    return this.#packs.find((pack) => pack.has(trial, seed, step));
  }

  async #run(tasks: readonly Task[], context: RunContext, judged: boolean): Promise<void> {
    const done: RunContext['done'] = judged ? context.done : async () => {};
    const making: Made[] = [];
    for (const task of tasks) {
      try {
        making.push({ task, setup: this.objective.trial(task.params) });
      } catch (error) {
        const reason = reasonOf(error, context.signal);
        await done(task, memberOutcome(context.seeds.map(() => failed(reason))));
      }
    }
    const together = this.#together(
      making.filter(({ task }) => task.from > 0),
      context.seeds,
    );
    const inPlace = new Set([...together.values()].flat());
    const alone = making.filter((made) => made.task.from > 0 && !inPlace.has(made));
    // Taken before anything moves on: a trial that others go on from may go on itself.
    const starts = new Map<Made, readonly MemberState[]>();
    for (const made of alone) starts.set(made, await this.#states(made.task, context.seeds));
    const inner = { ...context, done };
    for (const [pack, members] of together) await this.#packed(pack, members, inner, judged);
    const fresh = making.filter(({ task }) => task.from === 0);
    for (const group of groupsOf(fresh)) await this.#begin(group, inner, judged);
    for (const made of alone) await this.#alone(made, starts.get(made)!, inner, judged);
  }

  /** Which tasks go on in the population that they are in. */
  #together(making: readonly Made[], seeds: readonly number[]): Map<Pack, Made[]> {
    const found = new Map<Pack, Made[]>();
    // Elsewhere a member that waits may be gone on with later.
    if (!this.method.together) return found;
    for (const made of making) {
      const { trial, copy = trial, from } = made.task;
      const packs = seeds.flatMap((seed) => [this.#packOf(copy, seed, from), this.#packOf(trial, seed, from)]);
      const [pack] = packs;
      // A trial that failed is in no pack any more, but its place is: that of a population whose copy goes there.
      if (pack && packs.every((each) => each === pack)) found.set(pack, [...(found.get(pack) ?? []), made]);
    }
    for (const [pack, members] of found) {
      const same = members.every(({ task }) => task.to === members[0]!.task.to);
      if (!same || !pack.isWorth(members.length * seeds.length)) found.delete(pack);
    }
    return found;
  }

  async #states({ trial, copy, from }: Task, seeds: readonly number[]): Promise<MemberState[]> {
    const states: MemberState[] = [];
    for (const seed of seeds) {
      const kept = this.#kept.get(`${copy ?? trial}:${seed}`);
      const pack = this.#packOf(copy ?? trial, seed, from);
      states.push(kept?.step === from ? kept : await pack!.state(copy ?? trial, seed));
    }
    return states;
  }

  /** Tasks of one shape, from step 0. */
  async #begin(group: readonly Made[], context: RunContext, judged: boolean): Promise<void> {
    const { seeds } = context;
    const members = membersOf(group, seeds);
    const memory = members.length > 1 ? packMemory(this.device, this.objective, members) : undefined;
    if (!memory) {
      for (const made of group) await this.#alone(made, [], context, judged);
      return;
    }
    const size = Math.max(1, Math.floor(packSize(this.device, members[0]!, memory) / seeds.length));
    for (let first = 0; first < group.length; first += size) {
      context.signal?.throwIfAborted();
      const part = group.slice(first, first + size);
      this.#makeRoom(memory.total);
      const pack = await Pack.create(this.device, this.objective, membersOf(part, seeds));
      this.#packs.push(pack);
      await this.#train(pack, part, context, judged);
    }
  }

  /** Tasks that go on where they are. */
  async #packed(pack: Pack, group: readonly Made[], context: RunContext, judged: boolean): Promise<void> {
    this.#packs = [...this.#packs.filter((each) => each !== pack), pack];
    await pack.goOn(membersOf(group, context.seeds));
    await this.#train(pack, group, context, judged);
  }

  async #train(pack: Pack, group: readonly Made[], context: RunContext, judged: boolean): Promise<void> {
    const { to } = group[0]!.task;
    await pack.advance(to, context, group.length * context.seeds.length);
    const result = judged ? await pack.judge() : undefined;
    if (to >= this.plan.steps) this.#drop(pack);
    if (!result) return;
    for (const { task } of group)
      await context.done(task, memberOutcome(context.seeds.map((seed) => result(task.trial, seed))));
  }

  #drop(pack: Pack): void {
    this.#packs = this.#packs.filter((each) => each !== pack);
    pack.destroy();
  }

  /** Gives up what was not used for longest. */
  #makeRoom(bytes: number): void {
    let used = this.#packs.reduce((sum, pack) => sum + pack.bytes, bytes);
    for (const pack of [...this.#packs]) {
      if (used <= KEPT_BYTES) return;
      used -= pack.bytes;
      this.#drop(pack);
    }
  }

  /** A task with a trainer for each seed. */
  async #alone(
    { task, setup }: Made,
    starts: readonly MemberState[],
    context: RunContext,
    judged: boolean,
  ): Promise<void> {
    const { params, trial, to } = task;
    const results: MemberResult[] = [];
    for (const [i, seed] of context.seeds.entries()) {
      context.signal?.throwIfAborted();
      const member = { setup, params, seed, to, start: starts[i], keep: to < this.plan.steps, judged };
      const result = await trainMember(this.device, this.objective, member, context);
      const key = `${trial}:${seed}`;
      if (result.state) this.#kept.set(key, result.state);
      else this.#kept.delete(key);
      results.push(result);
    }
    await context.done(task, memberOutcome(results));
  }

  destroy(): void {
    this.#kept.clear();
    for (const pack of this.#packs) pack.destroy();
    this.#packs = [];
  }
}

export const membersOf = (group: readonly Made[], seeds: readonly number[]): PackMember[] =>
  group.flatMap((made) => seeds.map((seed) => ({ ...made, seed })));

/** Tasks that can be trained together, to the same step. */
export function groupsOf<M extends Made>(making: readonly M[]): M[][] {
  const groups = new Map<string, M[]>();
  for (const made of making) {
    const key = `${made.task.to}:${made.setup.shape}`;
    groups.set(key, [...(groups.get(key) ?? []), made]);
  }
  return [...groups.values()];
}

/**
 * The tasks that must be done again before these can go on, since the states they left are gone: after a resume. In batches, earlier ones
 * first.
 */
function lostBefore(tasks: readonly Task[], history: History, isKept: (task: Task) => boolean): Task[][] {
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
