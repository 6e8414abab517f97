import { DownhillError } from '../gpu/errors.js';
import type { Method, MethodRow, Plan } from './method.js';
import { compareValues, type Entry, History, type Outcome, type Task } from './trial.js';

/** A task on its way, and when it would end if every step took one unit of time. */
interface Due {
  readonly task: Task;
  readonly end: number;
}

/**
 * What a search asks for, where its tasks are run elsewhere and come back in any order: the same tasks in the same order, whoever
 * runs them and however fast. Results are taken in the order of a clock that counts steps: as if `plan.workers` workers ran the
 * tasks, each step taking one unit of time. What comes early waits for its turn; so a decision never depends on who was faster, and
 * a search is what its results are: a process that died knows all of it again from them.
 */
export class Replay {
  /** What was decided by: results that have had their turn. */
  readonly history = new History();
  /** Tasks in the order they were asked for; those of one entry were asked for together. */
  readonly batches: (readonly Task[])[] = [];
  #due: Due[] = [];
  #now = 0;
  #ended = false;

  /** @throws DownhillError OPTION-RANGE for a method that copies from trial to trial: it needs all of them in one place */
  constructor(
    readonly plan: Plan,
    readonly method: Method,
  ) {
    if (!method.row.copies) return;
    throw new DownhillError(
      'OPTION-RANGE',
      `${method.row.name} copies weights between trials that run together, which workers elsewhere cannot.`,
      'Use asha, or run downhill search on one machine.',
    );
  }

  /** Whether nothing is left to ask for, and everything came back. */
  get ended(): boolean {
    return this.#ended;
  }

  /** What was asked for and has no result, in the order it was asked for. @param resultOf undefined where there is none yet */
  pending(resultOf: (task: Task) => unknown): Task[] {
    return this.#due.map(({ task }) => task).filter((task) => resultOf(task) === undefined);
  }

  /**
   * Takes the results there are, as far as their turn has come, and asks for what follows from them.
   *
   * @param taken told of each result when it is taken, and of each list of tasks: the lines of a log, in their one order
   */
  advance(
    resultOf: (task: Task) => Outcome | undefined,
    taken: { tasks?(tasks: readonly Task[]): void; result?(task: Task, outcome: Outcome): void } = {},
  ): void {
    while (!this.#ended) {
      this.#ask(taken.tasks);
      // The first to end; of those that end together, the first that was asked for.
      const first = this.#due.reduce<Due | undefined>((a, b) => (a && a.end <= b.end ? a : b), undefined);
      if (!first) {
        this.#ended = true;
        return;
      }
      const outcome = resultOf(first.task);
      if (!outcome) return;
      this.#now = first.end;
      this.#due = this.#due.filter((due) => due !== first);
      this.history.add({ trial: first.task.trial, to: first.task.to, ...outcome });
      taken.result?.(first.task, outcome);
    }
  }

  #ask(told: ((tasks: readonly Task[]) => void) | undefined): void {
    const { row, options } = this.method;
    const tasks = (row as MethodRow<unknown>).next(this.plan, options, this.history);
    if (tasks.length === 0) return;
    this.history.ask(tasks);
    this.batches.push(tasks);
    this.#due.push(...tasks.map((task) => ({ task, end: this.#now + task.to - task.from })));
    told?.(tasks);
  }

  /** The best trial so far of those that got furthest; undefined before the first that did not fail. */
  get best(): Entry | undefined {
    const compare = compareValues(this.plan.direction);
    let best: Entry | undefined;
    for (const entry of this.history.entries) {
      if (entry.value === null) continue;
      if (!best || entry.to > best.to || (entry.to === best.to && compare(entry.value, best.value) < 0)) best = entry;
    }
    return best;
  }

  /** What the method has to say of what it found: a best value at the border of its range. */
  get notes(): readonly string[] {
    const { row, options } = this.method;
    return (row as MethodRow<unknown>).notes?.(this.plan, options, this.history) ?? [];
  }
}
