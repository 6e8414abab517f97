import { checkDevice, checkInteger, checkOptions } from '../gpu/fields.js';
import { reasonOf } from './runner.js';
import { failed, type MemberResult, type MemberState, trainMember } from './training/member.js';
import type { TrainingObjective } from './training/objective.js';
import { Pack, packMemory, packSize } from './training/pack.js';
import { groupsOf, type Made, memberOutcome, membersOf } from './training/runner.js';
import type { Outcome, Task } from './trial.js';

/** A task, with what was kept of it. */
export interface PackTask {
  readonly task: Task;
  /** Checkpoints to go on from, one for each seed; of those that are undefined, from step 0. */
  readonly states?: readonly (Uint8Array | undefined)[];
}

/** Options of {@link runPack}. */
export interface RunPackOptions {
  readonly tasks: readonly PackTask[];
  readonly seeds: readonly number[];
  /** A task is done; the next one waits for it to be kept. */
  readonly onOutcome: (task: Task, outcome: Outcome) => void | Promise<void>;
  /** Steps between two checkpoints on the way. Default none. */
  readonly every?: number;
  /** Milliseconds at least between two of them: where steps are short, they would take longer than the training. Default 0. */
  readonly everyMs?: number;
  /** Takes checkpoints: on the way, at the end of a task, and where it is told to end. */
  readonly onState?: (task: Task, seed: number, state: MemberState) => void | Promise<void>;
  readonly onLoss?: (task: Task, seed: number, step: number, loss: number) => void;
  /** Aborting ends it, with checkpoints of where it is; it then throws the signal's reason. */
  readonly signal?: AbortSignal;
}

const OPTIONS = ['tasks', 'seeds', 'onOutcome', 'every', 'everyMs', 'onState', 'onLoss', 'signal'] as const;

/**
 * Runs tasks of a training together, as a worker elsewhere does for a search: those of one shape that begin at step 0 are one population, each
 * other one goes on from its checkpoints with a trainer of its own. Both give the same bits, so that a pack that was ended in the middle
 * comes to the same outcomes.
 *
 * @throws DownhillError OPTION-*, DEVICE-LOST; the signal's reason
 */
export async function runPack(device: GPUDevice, objective: TrainingObjective, options: RunPackOptions): Promise<void> {
  checkDevice('runPack', device);
  checkOptions('runPack', options, OPTIONS);
  const every = checkInteger('every', options.every ?? Number.MAX_SAFE_INTEGER, 1);
  const everyMs = checkInteger('everyMs', options.everyMs ?? 0, 0);
  const run = new PackRun(device, objective, { onState: () => {}, onLoss: () => {}, ...options, every, everyMs });
  const making: (Made & PackTask)[] = [];
  for (const each of options.tasks) {
    try {
      making.push({ ...each, setup: objective.trial(each.task.params) });
    } catch (error) {
      const reason = reasonOf(error, options.signal);
      await options.onOutcome(each.task, memberOutcome(options.seeds.map(() => failed(reason))));
    }
  }
  const isFresh = ({ states }: PackTask) => !states?.some((state) => state !== undefined);
  for (const group of groupsOf(making.filter(isFresh))) await run.together(group);
  for (const made of making) if (!isFresh(made)) await run.alone(made);
}

class PackRun {
  constructor(
    readonly device: GPUDevice,
    readonly objective: TrainingObjective,
    readonly options: Required<Omit<RunPackOptions, 'signal'>> & Pick<RunPackOptions, 'signal'>,
  ) {}

  /** Tasks of one shape, from step 0. */
  async together(group: readonly (Made & PackTask)[]): Promise<void> {
    const { seeds } = this.options;
    const members = membersOf(group, seeds);
    const memory = members.length > 1 ? packMemory(this.device, this.objective, members) : undefined;
    if (!memory) {
      for (const made of group) await this.alone(made);
      return;
    }
    const size = Math.max(1, Math.floor(packSize(this.device, members[0]!, memory) / seeds.length));
    for (let first = 0; first < group.length; first += size) {
      this.options.signal?.throwIfAborted();
      await this.#pack(group.slice(first, first + size));
    }
  }

  async #pack(group: readonly Made[]): Promise<void> {
    const { seeds, every, onLoss, onOutcome, signal } = this.options;
    const end = group[0]!.task.to;
    const members = membersOf(group, seeds);
    const pack = await Pack.create(this.device, this.objective, members);
    const isDue = atLeast(this.options.everyMs);
    try {
      for (let to = 0; to < end; ) {
        to = Math.min(end, to + every);
        const onLosses = (step: number, losses: ArrayLike<number>) => {
          for (const [i, { task, seed }] of members.entries()) onLoss(task, seed, step, losses[i]!);
        };
        await pack.advance(to, { signal, stepped: () => {} }, members.length, { end, onLosses });
        if (to < end && isDue()) await this.#keep(pack, group);
      }
      const result = await pack.judge();
      await this.#keep(pack, group);
      for (const { task } of group) await onOutcome(task, memberOutcome(seeds.map((seed) => result(task.trial, seed))));
    } catch (error) {
      if (signal?.aborted && error === signal.reason) await this.#keep(pack, group);
      throw error;
    } finally {
      pack.destroy();
    }
  }

  async #keep(pack: Pack, group: readonly Made[]): Promise<void> {
    for (const { task, seed } of membersOf(group, this.options.seeds)) {
      if (!pack.isAlive(task.trial, seed)) continue;
      await this.options.onState(task, seed, await pack.state(task.trial, seed));
    }
  }

  /** A task with a trainer for each seed. */
  async alone({ task, setup, states = [] }: Made & PackTask): Promise<void> {
    const { seeds, every, onState, onLoss, onOutcome, signal } = this.options;
    const results: MemberResult[] = [];
    for (const [i, seed] of seeds.entries()) {
      signal?.throwIfAborted();
      const bytes = states[i];
      const start = bytes && { bytes, params: task.params };
      const member = { setup, params: task.params, seed, to: task.to, start, keep: true, judged: true };
      let ended: MemberState | undefined;
      let lost: { readonly cause: unknown } | undefined;
      const hooks = {
        onLoss: (step: number, loss: number) => onLoss(task, seed, step, loss),
        onState: async (state: MemberState) => {
          try {
            await onState(task, seed, state);
          } catch (cause) {
            lost = { cause };
            throw cause;
          }
        },
        onAbort: (state: MemberState) => {
          ended = state;
        },
        every,
        isDue: atLeast(this.options.everyMs),
      };
      try {
        const result = await trainMember(this.device, this.objective, member, { signal, stepped: () => {} }, hooks);
        // Not the trial's fault: it did not fail.
        if (lost) throw (lost as { readonly cause: unknown }).cause;
        if (result.state) await onState(task, seed, result.state);
        results.push(result);
      } catch (error) {
        if (ended) await onState(task, seed, ended);
        throw error;
      }
    }
    await onOutcome(task, memberOutcome(results));
  }
}

/** Whether so many milliseconds have passed since it last said yes. */
function atLeast(ms: number): () => boolean {
  let last = performance.now();
  return () => {
    const now = performance.now();
    if (now - last < ms) return false;
    last = now;
    return true;
  };
}
