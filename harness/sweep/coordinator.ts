/**
 * What a sweep has done and what is to be done, from its results alone: whoever holds the same results knows the same. So every worker can
 * say what comes next, and none must live.
 */
import { type Entry, type Outcome, Replay, type Task } from '../../src/search/index.js';
import { PACK_FORMAT, type PackJob, planOf, type SweepSpec, shapeKey } from './spec.js';

/** What became of one task, and who did it. */
export interface TaskResult {
  readonly trial: number;
  readonly to: number;
  /** Which attempt of its pack it was, from 1. */
  readonly attempt: number;
  readonly outcome: Outcome;
}

export const resultKey = ({ trial, to }: { readonly trial: number; readonly to: number }): string => `${trial}.${to}`;

/** Lines of the log of a search: the same for the same results, in whichever order they came. */
type LogLine = { readonly type: 'tasks'; readonly tasks: readonly Task[] } | ({ readonly type: 'result' } & Entry);

export class Coordinator {
  readonly #replay: Replay;
  readonly #results = new Map<string, TaskResult>();
  /** In the order they are asked for, which is their number. */
  readonly packs: PackJob[] = [];
  readonly log: LogLine[] = [];

  constructor(readonly spec: SweepSpec) {
    const { plan, method } = planOf(spec);
    this.#replay = new Replay(plan, method);
    this.#advance();
  }

  /** Takes what came back, at any time and in any order; the first result of a task counts. @returns whether it was new */
  add(results: Iterable<TaskResult>): boolean {
    let news = false;
    for (const result of results) {
      const key = resultKey(result);
      if (this.#results.has(key)) continue;
      this.#results.set(key, result);
      news = true;
    }
    if (news) this.#advance();
    return news;
  }

  has(task: { readonly trial: number; readonly to: number }): boolean {
    return this.#results.has(resultKey(task));
  }

  get results(): Iterable<TaskResult> {
    return this.#results.values();
  }

  get ended(): boolean {
    return this.#replay.ended;
  }

  get best(): Replay['best'] {
    return this.#replay.best;
  }

  /** What should be known of it: a best value at the border of its range. */
  get notes(): readonly string[] {
    return this.#replay.notes;
  }

  /** Packs with tasks that have no result yet. */
  pending(): PackJob[] {
    return this.packs.filter(({ tasks }) => tasks.some((task) => !this.has(task)));
  }

  /** The tasks of a pack that are still to be done. */
  left(pack: PackJob): PackJob {
    return { ...pack, tasks: pack.tasks.filter((task) => !this.has(task)) };
  }

  #advance(): void {
    const outcomeOf = (task: Task) => this.#results.get(resultKey(task))?.outcome;
    this.#replay.advance(outcomeOf, {
      tasks: (tasks) => {
        this.log.push({ type: 'tasks', tasks });
        this.#pack(tasks);
      },
      result: ({ trial, to }, outcome) => this.log.push({ type: 'result', trial, to, ...outcome }),
    });
  }

  /** Tasks asked for together become packs of one shape. */
  #pack(tasks: readonly Task[]): void {
    const { name, search, pack: size, every } = this.spec;
    const { train, metric, seeds, space } = search;
    const groups = new Map<string, Task[]>();
    for (const task of tasks) {
      const key = shapeKey(space, task);
      groups.set(key, [...(groups.get(key) ?? []), task]);
    }
    for (const group of groups.values()) {
      for (let first = 0; first < group.length; first += size) {
        const some = group.slice(first, first + size);
        const pack = this.packs.length;
        this.packs.push({ format: PACK_FORMAT, sweep: name, pack, train, metric, seeds, every, tasks: some });
      }
    }
  }
}
