import { DownhillError, show } from '../gpu/errors.js';
import { checkChoice, checkDevice, checkInteger, checkOptions } from '../gpu/fields.js';
import { FunctionRunner, type TrialFunction } from './function-runner.js';
import { checkHeader, LOG_VERSION, lineOf, memoryLog, readLog, type SearchHeader, type SearchLog } from './log.js';
import type { Method, MethodRow, Plan } from './method.js';
import { checkMethod, type MethodName } from './methods.js';
import type { RunContext, Runner } from './runner.js';
import { checkSpace, type ParamsOf, type Space } from './space.js';
import type { TrainingObjective } from './training/objective.js';
import { type Direction, type Entry, History, type Outcome, ranked, type Task, type Trial } from './trial.js';

/** How much a search may do. */
export interface Budget {
  /** Sets of parameters to try. */
  readonly trials: number;
  /** Steps of a trial that is trained to its end. Default 1, for functions that know no steps. */
  readonly steps?: number;
}

/** What happens while a search goes on. */
export type SearchEvent =
  /** It begins, or goes on: so much is done already. */
  | { readonly type: 'begin'; readonly trials: readonly Trial[]; readonly notes: readonly string[] }
  | { readonly type: 'tasks'; readonly tasks: readonly Task[] }
  /** Steps of training went by, of all seeds together. */
  | { readonly type: 'steps'; readonly steps: number }
  | { readonly type: 'result'; readonly task: Task; readonly entry: Entry; readonly best: Trial | undefined };

/** Options of {@link search}. */
export interface SearchOptions<S extends Space = Space> {
  readonly space: S;
  /** A name, or a method with its options: `halving({ eta: 3 })`. Default 'halving'. */
  readonly method?: MethodName | Method;
  /** `training({ … })`, or a function of your own. */
  readonly objective: TrialFunction<ParamsOf<S>> | TrainingObjective;
  readonly budget: Budget;
  /** Of the draws: an integer from 0 to 2^32 - 1. Default 0. */
  readonly seed?: number;
  /** How many seeds each trial is run with, or which: its value is their mean. Default 1: seed 0. */
  readonly seeds?: number | readonly number[];
  /** Which way is better. Default 'minimize', or as the metric of `training` has it. */
  readonly direction?: Direction;
  /** Tasks at once, for 'asha'. Default 1 for a function, as many as one pass takes for `training`. */
  readonly workers?: number;
  /** Where it is kept, and gone on with. Default in memory. */
  readonly log?: SearchLog;
  readonly onEvent?: (event: SearchEvent) => void;
  /** Aborting ends it; what is done stays in the log. `search` then throws the signal's reason. */
  readonly signal?: AbortSignal;
}

/** What a search came to. */
export interface SearchResult {
  /** All of them, by number. */
  readonly trials: readonly Trial[];
  /** The best of those that were trained longest; undefined where all failed. */
  readonly best: Trial | undefined;
  /** What should be known of it: a best value at the border of its range. */
  readonly notes: readonly string[];
  /** Steps of training, of one seed; what was trained again after a resume is not among them. */
  readonly steps: number;
  readonly direction: Direction;
}

const OPTIONS = [
  'space',
  'method',
  'objective',
  'budget',
  'seed',
  'seeds',
  'direction',
  'workers',
  'log',
  'onEvent',
  'signal',
] as const;
const DIRECTIONS = ['minimize', 'maximize'] as const;
const MAX_SEED = 2 ** 32 - 1;
const MOST_TRIALS = 1_000_000;

/**
 * Searches hyper-parameters.
 *
 * Everything that decides (draws, who goes on, who is copied) is a pure function of the options and of what came of the trials so
 * far. So a search goes on from its log, wherever it ended, to the result it would have had; the same options give the same result.
 * A trial whose value is not finite, or whose function throws, has failed: it ranks last, is never dropped, and the search goes on.
 *
 * @param device for `training` objectives; 'cpu' where a function needs none
 * @example
 * const { best } = await search(device, {
 *   space: { lr: logUniform(1e-5, 1), momentum: uniform(0, 0.99) },
 *   method: 'halving',
 *   objective: training({ model, data, validation, rule: ({ lr, momentum }) => sgd({ lr, momentum }) }),
 *   budget: { trials: 64, steps: 512 },
 * });
 * @throws DownhillError before anything is run: OPTION-* for options, a space that is empty or reversed, a budget below one
 *   trial, a grid larger than the budget; CHECKPOINT-MISMATCH for the log of another search, CHECKPOINT-CORRUPT for a damaged one.
 *   Later DEVICE-LOST; the signal's reason.
 */
export async function search<const S extends Space>(
  device: GPUDevice | 'cpu',
  options: SearchOptions<S>,
): Promise<SearchResult> {
  const checked = checkSearch(device, options as unknown as SearchOptions);
  const { log, header, plan, signal } = checked;
  const history = await openLog(log, header);
  signal?.throwIfAborted();
  const runner = await makeRunner(device, checked);
  try {
    const workers = options.workers ?? runner.workers;
    return await new Running({ ...checked, plan: { ...plan, workers } }, history, runner).run();
  } finally {
    runner.destroy();
  }
}

export type CheckedSearch = ReturnType<typeof checkSearch>;

/** @throws DownhillError */
function checkSearch(device: GPUDevice | 'cpu', options: SearchOptions) {
  if (device !== 'cpu') checkDevice('search', device);
  checkOptions('search', options, OPTIONS);
  const space = checkSpace(options.space);
  const method = checkMethod(options.method ?? 'halving');
  const objective = checkObjective(device, options.objective);
  if (options.budget === undefined)
    throw new DownhillError('OPTION-TYPE', 'search has no budget.', 'Pass budget: { trials: 32, steps: 512 }, say.');
  checkOptions('budget', options.budget, ['trials', 'steps']);
  const own = typeof objective === 'function' ? 'minimize' : objective.direction;
  const plan: Plan = {
    space,
    seed: checkInteger('seed', options.seed ?? 0, 0, MAX_SEED),
    trials: checkInteger('budget.trials', options.budget.trials, 1, MOST_TRIALS),
    steps: checkInteger('budget.steps', options.budget.steps ?? 1, 1),
    direction: checkChoice('direction', options.direction ?? own, DIRECTIONS),
    workers: checkInteger('workers', options.workers ?? 1, 1),
  };
  const row = method.row as MethodRow<unknown>;
  row.check?.(plan, method.options);
  if (typeof objective !== 'function') objective.check(space, method);
  const seeds = checkSeeds(options.seeds ?? 1);
  const { log = memoryLog(), onEvent = () => {}, signal } = options;
  const { trials, steps } = plan;
  const header: SearchHeader = {
    type: 'search',
    version: LOG_VERSION,
    space,
    method: { name: row.name, options: method.options },
    budget: { trials, steps },
    seed: plan.seed,
    seeds,
    direction: plan.direction,
    ...(typeof objective !== 'function' && { objective: objective.identity }),
  };
  return { plan, method, objective, seeds, header, log, onEvent, signal };
}

function checkObjective(device: GPUDevice | 'cpu', objective: unknown) {
  if (typeof objective === 'function') return objective as TrialFunction;
  const training = Object(objective) as Partial<TrainingObjective>;
  if (training.kind !== 'training') {
    throw new DownhillError(
      'OPTION-TYPE',
      `objective must be a function or training({ … }), got ${show(objective)}.`,
      'Pass ({ params, seed }) => loss, say.',
    );
  }
  if (device === 'cpu')
    throw new DownhillError(
      'OPTION-TYPE',
      'A training needs a device, but there is none.',
      'Pass `await requestDevice()` to search.',
    );
  return training as TrainingObjective;
}

function checkSeeds(seeds: number | readonly number[]): readonly number[] {
  if (typeof seeds === 'number') return Array.from({ length: checkInteger('seeds', seeds, 1, 1000) }, (_, i) => i);
  if (!Array.isArray(seeds) || seeds.length === 0)
    throw new DownhillError('OPTION-TYPE', `seeds must be a number or a list, got ${show(seeds)}.`, 'Pass seeds: 3.');
  const checked = Array.from(seeds as readonly unknown[], (seed, i) => checkInteger(`seeds[${i}]`, seed, 0, MAX_SEED));
  if (new Set(checked).size === checked.length) return checked;
  throw new DownhillError('OPTION-RANGE', `seeds has one twice: ${checked.join(', ')}.`, 'Leave it out.');
}

/** What is in a log, repaired where a process died while it wrote; begun where it is empty. */
async function openLog(log: SearchLog, header: SearchHeader): Promise<History> {
  const text = await log.read();
  const { header: found, lines, whole } = readLog(text);
  if (found) checkHeader(found, JSON.parse(JSON.stringify(header)));
  if (whole < text.length) await log.truncate(whole);
  if (!found) await log.append(lineOf(header));
  const history = new History();
  for (const line of lines) {
    if (line.type === 'tasks') history.ask(line.tasks);
    else if (line.type === 'result') {
      const { type: _, ...entry } = line;
      history.add(entry);
    }
  }
  return history;
}

/**
 * The trials in the text of a log, whether its search is done or not.
 *
 * @throws DownhillError CHECKPOINT-CORRUPT, CHECKPOINT-VERSION
 */
export function trialsOf(text: string): {
  readonly trials: readonly Trial[];
  readonly header: SearchHeader | undefined;
} {
  const { header, lines } = readLog(text);
  const history = new History();
  for (const line of lines) {
    if (line.type === 'tasks') history.ask(line.tasks);
    else if (line.type === 'result') history.add(line);
  }
  const { steps = 1 } = (header?.budget ?? {}) as Partial<Plan>;
  return { header, trials: history.trials(steps, false) };
}

async function makeRunner(
  device: GPUDevice | 'cpu',
  { objective, plan, method, seeds }: CheckedSearch,
): Promise<Runner> {
  if (typeof objective === 'function') return new FunctionRunner(objective, plan.workers, method.row.copies ?? false);
  const { TrainingRunner } = await import('./training/runner.js');
  return new TrainingRunner(device as GPUDevice, objective, plan, method.row, seeds);
}

/** The first of all that have a value. */
function bestOf(trials: readonly Trial[], direction: Direction): Trial | undefined {
  const [first] = ranked(trials, direction);
  return first?.value === null ? undefined : first;
}

/** A search that goes on. */
class Running {
  #best: Trial | undefined;
  /** Lines are written one after the other. */
  #writing: Promise<void> = Promise.resolve();

  constructor(
    readonly checked: CheckedSearch,
    readonly history: History,
    readonly runner: Runner,
  ) {}

  async run(): Promise<SearchResult> {
    const { plan, method, log, onEvent, seeds, signal } = this.checked;
    const row = method.row as MethodRow<unknown>;
    const { history, runner } = this;
    this.#best = bestOf(history.trials(plan.steps, false), plan.direction);
    onEvent({ type: 'begin', trials: history.trials(plan.steps, false), notes: runner.notes ?? [] });
    const context: RunContext = {
      ...{ seeds, history, signal },
      done: (task, outcome) => this.#done(task, outcome),
      stepped: (steps) => onEvent({ type: 'steps', steps }),
    };
    for (;;) {
      signal?.throwIfAborted();
      let tasks: readonly Task[] = history.pending();
      if (tasks.length === 0) {
        tasks = row.next(plan, method.options, history);
        if (tasks.length === 0) break;
        await log.append(lineOf({ type: 'tasks', tasks }));
        history.ask(tasks);
      }
      onEvent({ type: 'tasks', tasks });
      await runner.run(tasks, context);
      await this.#writing;
    }
    const trials = history.trials(plan.steps, true);
    return {
      trials,
      best: bestOf(trials, plan.direction),
      notes: row.notes?.(plan, method.options, history) ?? [],
      steps: history.tasks.reduce((sum, { from, to }) => sum + to - from, 0),
      direction: plan.direction,
    };
  }

  async #done(task: Task, outcome: Outcome): Promise<void> {
    const { plan, log, onEvent } = this.checked;
    const entry: Entry = { trial: task.trial, to: task.to, ...outcome };
    this.#writing = this.#writing.then(() => log.append(lineOf({ type: 'result', ...entry })));
    await this.#writing;
    this.history.add(entry);
    // Looked for among all only where the best one itself is no longer what it was.
    const { trial, value } = entry;
    const rivals =
      value === null && this.#best?.trial === trial
        ? this.history.trials(plan.steps, false)
        : [
            ...(this.#best && this.#best.trial !== trial ? [this.#best] : []),
            this.history.trial(trial, plan.steps, false),
          ];
    this.#best = bestOf(rivals, plan.direction);
    onEvent({ type: 'result', task, entry, best: this.#best });
  }
}
