/** A sweep: a search whose tasks are run by workers, in packs. Plain JSON, so that a queue can carry it. */
import { checkChoice, checkInteger, checkOptions, DownhillError, MAX_SEED, show } from '../../src/index.js';
import {
  type Method,
  type MethodName,
  methods,
  type Plan,
  parseSpace,
  type Space,
  type Task,
  TRAINING_METRICS,
  type TrainingMetric,
  type Value,
} from '../../src/search/index.js';
import { trainFlags } from '../search/options.js';
import { directionOf } from '../search/results.js';
import { checkParameters, type SearchSpec, SPEC_FORMAT, type TrainFlags } from '../search/spec.js';

export const SWEEP_FORMAT = 'downhill-sweep/1';
export const PACK_FORMAT = 'downhill-pack/1';

/** A sweep, as `sweep.json` and the queue have it. */
export interface SweepSpec {
  readonly format: typeof SWEEP_FORMAT;
  /** Also the queue's name: letters, digits, '.', '_' and '-'. */
  readonly name: string;
  readonly search: SearchSpec;
  /** Steps of a trial that is trained to its end. */
  readonly steps: number;
  /** Trials of one job at most. */
  readonly pack: number;
  /** Tasks at once that ASHA decides by, however many workers there are: its result must not depend on them. */
  readonly parallel: number;
  /** Steps between two checkpoints. */
  readonly every: number;
}

const SWEEP_KEYS = ['format', 'name', 'search', 'steps', 'pack', 'parallel', 'every'] as const;
const SEARCH_KEYS = ['format', 'train', 'space', 'method', 'trials', 'seeds', 'seed', 'metric'] as const;

/** What one job is: some tasks of a sweep. Whoever runs it needs nothing else. */
export interface PackJob {
  readonly format: typeof PACK_FORMAT;
  readonly sweep: string;
  /** Number of the pack, in the order they are asked for. */
  readonly pack: number;
  readonly train: TrainFlags;
  readonly metric: TrainingMetric;
  readonly seeds: readonly number[];
  readonly every: number;
  readonly tasks: readonly Task[];
}

const PACK_KEYS = ['format', 'sweep', 'pack', 'train', 'metric', 'seeds', 'every', 'tasks'] as const;
const TASK_KEYS = ['trial', 'params', 'from', 'to', 'copy', 'rung', 'bracket'] as const;

/** It becomes the name of a folder and of keys. */
const NAME = /^[a-z\d][\w.-]{0,63}$/i;
/** A pack is one population at most, and a message. */
const MOST_TASKS = 4096;

const wrong = (what: string, fix: string, code: 'OPTION-TYPE' | 'OPTION-RANGE' = 'OPTION-TYPE') =>
  new DownhillError(code, what, fix);

export function checkName(name: unknown): string {
  if (typeof name === 'string' && NAME.test(name)) return name;
  throw wrong(
    `A sweep cannot be called ${show(name)}.`,
    'Use letters, digits, dots, underscores and dashes, at most 64.',
    'OPTION-RANGE',
  );
}

function checkFormat(found: unknown, format: string): void {
  if (found === format) return;
  throw wrong(
    `It is of the format ${show(found)}, this release knows ${format}.`,
    'Run all workers of a sweep with one release of downhill.',
    'OPTION-RANGE',
  );
}

/** Nothing is run that a sweep says: it may come from another machine. @throws DownhillError OPTION-* */
export function checkSweep(read: unknown): SweepSpec {
  checkOptions('sweep', read, SWEEP_KEYS);
  const spec = read as SweepSpec;
  checkFormat(spec.format, SWEEP_FORMAT);
  checkName(spec.name);
  checkSearchSpec(spec.search);
  checkInteger('steps', spec.steps, 1);
  checkInteger('pack', spec.pack, 1, MOST_TASKS);
  checkInteger('parallel', spec.parallel, 1, MOST_TASKS);
  checkInteger('every', spec.every, 1);
  return spec;
}

function textOf(space: unknown): string {
  try {
    return JSON.stringify(space) ?? 'null';
  } catch {
    return 'null'; // lists in lists, thousands deep: none of ours
  }
}

function checkSearchSpec(read: unknown): SearchSpec {
  checkOptions('search', read, SEARCH_KEYS);
  const search = read as SearchSpec;
  checkFormat(search.format, SPEC_FORMAT);
  checkTrain(search.train);
  const space = parseSpace(textOf(search.space));
  checkParameters(space, search.train);
  checkOptions('method', search.method, ['name', 'options']);
  checkChoice('method', search.method.name, Object.keys(methods) as MethodName[]);
  methods[search.method.name](search.method.options as never);
  checkInteger('trials', search.trials, 1);
  checkInteger('seed', search.seed, 0, MAX_SEED);
  checkSeeds(search.seeds);
  checkChoice('metric', search.metric, TRAINING_METRICS);
  return search;
}

/** @throws DownhillError OPTION-* */
export function checkPack(read: unknown): PackJob {
  checkOptions('job', read, PACK_KEYS);
  const job = read as PackJob;
  checkFormat(job.format, PACK_FORMAT);
  checkName(job.sweep);
  checkInteger('pack', job.pack, 0);
  checkTrain(job.train);
  checkChoice('metric', job.metric, TRAINING_METRICS);
  checkSeeds(job.seeds);
  checkInteger('every', job.every, 1);
  if (!Array.isArray(job.tasks) || job.tasks.length === 0 || job.tasks.length > MOST_TASKS)
    throw wrong(`A job has 1 to ${MOST_TASKS} tasks.`, 'Add the sweep again.');
  for (const task of job.tasks) checkTask(task);
  return job;
}

function checkTask(read: unknown): void {
  checkOptions('task', read, TASK_KEYS);
  const task = read as Task;
  checkInteger('task.trial', task.trial, 0);
  checkInteger('task.from', task.from, 0);
  checkInteger('task.to', task.to, task.from + 1);
  for (const key of ['copy', 'rung', 'bracket'] as const)
    if (task[key] !== undefined) checkInteger(`task.${key}`, task[key], 0);
  checkOptions('params', task.params, Object.keys(Object(task.params)));
  for (const [name, value] of Object.entries(task.params)) checkValue(`params.${name}`, value);
}

function checkValue(where: string, value: Value): void {
  const fits = typeof value === 'number' ? Number.isFinite(value) : ['boolean', 'string'].includes(typeof value);
  if (!fits || String(value).startsWith('--'))
    throw wrong(`${where} is ${show(value)}.`, 'Write a number, a text, true or false.');
}

function checkTrain(read: unknown): void {
  checkOptions('train', read, Object.keys(trainFlags()));
  for (const [key, value] of Object.entries(read as TrainFlags)) {
    // Otherwise a value could be read as a flag of its own.
    if (typeof value !== 'string' || value.startsWith('--'))
      throw wrong(`train.${key} must be a text, got ${show(value)}.`, 'Write it as on the command line: "128".');
  }
}

function checkSeeds(read: unknown): void {
  if (!Array.isArray(read) || read.length === 0) throw wrong('seeds must be a list.', 'Write "seeds": [0].');
  for (const [i, seed] of read.entries()) checkInteger(`seeds[${i}]`, seed, 0, MAX_SEED);
}

/** What the methods decide by. */
export function planOf({ search, steps, parallel }: SweepSpec): { readonly plan: Plan; readonly method: Method } {
  const { space, seed, trials } = search;
  return {
    plan: { space, seed, trials, steps, direction: directionOf(search), workers: parallel },
    method: methods[search.method.name](search.method.options as never),
  };
}

/** What trials must have alike to be put into one job: whatever is no range of numbers may change the network's shape. */
export function shapeKey(space: Space, { params, to }: Task): string {
  const shaped = Object.entries(space).filter(([, { kind }]) => kind === 'choice' || kind === 'int');
  return JSON.stringify([to, ...shaped.map(([name]) => params[name])]);
}
