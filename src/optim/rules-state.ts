import { DownhillError, show } from '../gpu/errors.js';
import type { Schedule } from '../gpu/fields.js';
import type { Json } from '../space/stateful.js';
import type { Group } from './group.js';
import { changed, factorOf, times } from './groups.js';
import type { Rule } from './rule.js';
import { type DynamicSchedule, isDynamic, type Source, textOf } from './schedules/core.js';

/*
 * Rules as they are now, after `set`, as JSON. A number is itself. A schedule is a function, which no file holds: its text
 * and some of its values are saved, and whoever goes on must have one that is the same.
 */

/** A schedule as a file has it. */
interface SavedSchedule {
  readonly schedule: string;
  /** The factor on it that `set` put there. */
  readonly by: number;
  /** At some counts from where it was saved; none where it changes by more than the count. */
  readonly values: readonly (number | null)[];
}

/** One group with its rules, one per replica. */
interface SavedGroup {
  readonly tensors: readonly string[];
  readonly frozen: boolean;
  readonly rules: readonly Readonly<Record<string, Json>>[];
}

/** How far from where a schedule was saved it is looked at. */
const PROBES = [0, 1, 100, 10_000];
/** Sine and power differ in their last digits from one JavaScript engine to another. */
const ENGINES = 1e-12;

const refuse = (code: 'CHECKPOINT-MISMATCH' | 'CHECKPOINT-VERSION', message: string, fix: string): never => {
  throw new DownhillError(code, message, fix);
};

function valueAt(schedule: Schedule, count: number): number | null {
  try {
    const value = schedule(count);
    return Number.isFinite(value) ? value : null;
  } catch {
    return null; // beyond its end
  }
}

const probe = (schedule: Schedule, count: number) =>
  isDynamic(schedule) ? [] : PROBES.map((ahead) => valueAt(schedule, count + ahead));

function saveSetting(setting: unknown, count: number): Json {
  if (Array.isArray(setting)) return setting.map((each) => saveSetting(each, count));
  if (typeof setting !== 'function') return setting as Json;
  const { base, by } = factorOf(setting as Schedule);
  return { schedule: textOf(base), by, values: probe(base, count) };
}

const settingsOf = ({ hyper }: Rule) => Object.entries(hyper as Readonly<Record<string, unknown>>);

/** The groups with the rules they have now. @param counts updates done, by replica */
export function saveGroups(groups: readonly Group[], rules: readonly Rule[], counts: readonly number[]): Json {
  const replicas = counts.length;
  return groups.map(({ tensors, frozen }, g) => ({
    tensors: [...tensors],
    frozen,
    rules: counts.map((count, r) =>
      Object.fromEntries(settingsOf(rules[g * replicas + r]!).map(([key, value]) => [key, saveSetting(value, count)])),
    ),
  }));
}

/** What is fed a metric among the schedules of these rules, each once. @throws DownhillError where one cannot be saved */
export function sourcesOf(rules: readonly Rule[]): Source[] {
  const schedules = rules.flatMap((rule) => settingsOf(rule).flatMap(([, value]) => value)).filter(isDynamic);
  return [...new Set(schedules.flatMap(sourcesIn))];
}

function sourcesIn(schedule: DynamicSchedule): readonly Source[] {
  if (schedule.sources) return schedule.sources;
  throw new DownhillError(
    'OPTION-TYPE',
    `The schedule ${textOf(schedule)} changes by more than the count, but does not say what it remembers.`,
    'Give it `sources`, each with state() and load(), or use plateau().',
  );
}

/**
 * The rules that were saved, with this trainer's schedules in place of theirs.
 *
 * @param rules the trainer's, by record
 * @throws DownhillError CHECKPOINT-MISMATCH, CHECKPOINT-VERSION; HYPER-* for values out of their ranges
 */
export function loadGroups(
  groups: readonly Group[],
  rules: readonly Rule[],
  counts: readonly number[],
  json: Json,
): Rule[] {
  const saved = json as unknown as readonly SavedGroup[];
  const shape = (list: readonly (Partial<Pick<SavedGroup, 'tensors' | 'frozen'>> | null)[]) =>
    Array.isArray(list) ? JSON.stringify(list.map((each) => [each?.tensors, each?.frozen])) : show(list);
  if (shape(saved) !== shape(groups)) {
    return refuse(
      'CHECKPOINT-MISMATCH',
      `The file's groups of tensors are ${shape(saved)}, the trainer's are ${shape(groups)}.`,
      'Make the trainer with the same groups.',
    );
  }
  const replicas = counts.length;
  return rules.map((rule, record) => {
    const [group, replica] = [Math.floor(record / replicas), record % replicas];
    const first = groups[group]!.rules[replica]!;
    const values: Json | undefined = saved[group]!.rules?.[replica];
    if (values === undefined || !isObject(values)) {
      return refuse(
        'CHECKPOINT-MISMATCH',
        `The file's hyper-parameters of group ${group} are ${show(values)}.`,
        'Use a file that downhill wrote.',
      );
    }
    return loadRule(rule, first, values, counts[replica]!);
  });
}

/** @param first as it was made: a schedule that `set` has replaced since may be the file's */
function loadRule(rule: Rule, first: Rule, saved: Readonly<Record<string, Json>>, count: number): Rule {
  const { row } = rule;
  const [own, older] = [rule, first].map(({ hyper }) => hyper as Readonly<Record<string, unknown>>) as [
    Readonly<Record<string, unknown>>,
    Readonly<Record<string, unknown>>,
  ];
  const unknown = Object.keys(saved).find((key) => !(key in own));
  if (unknown !== undefined) {
    return refuse(
      'CHECKPOINT-VERSION',
      `The file has the option ${show(unknown)} of ${row.name}, which this release does not know.`,
      'Go on with the release that wrote it.',
    );
  }
  const next = Object.entries(saved).map(([key, value]) => [
    key,
    loadSetting(`${row.name}: ${key}`, [own[key], older[key]], value, count),
  ]);
  return changed(rule, Object.fromEntries(next));
}

const isObject = (value: Json): value is { readonly [key: string]: Json } =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** @param mine what may stand there: as it is, and as it was at first */
function loadSetting(where: string, mine: readonly unknown[], saved: Json, count: number): unknown {
  if (Array.isArray(saved)) {
    const items = (i: number) => mine.map((each) => (Array.isArray(each) ? each[i] : undefined));
    return saved.map((each, i) => loadSetting(`${where}[${i}]`, items(i), each, count));
  }
  if (!isObject(saved)) return saved;
  const { schedule, by, values } = saved as unknown as SavedSchedule;
  if (!Array.isArray(values) || !Number.isFinite(by))
    return refuse('CHECKPOINT-MISMATCH', `${where} is none of a file's settings.`, 'Use a file that downhill wrote.');
  const bases = mine.filter((each) => typeof each === 'function').map((each) => factorOf(each as Schedule).base);
  const base = bases.find((each) => textOf(each) === schedule);
  if (!base) {
    return refuse(
      'CHECKPOINT-MISMATCH',
      `${where} is ${show(schedule)} in the file, but ${bases[0] ? textOf(bases[0]) : show(mine[0])} here.`,
      'Make the trainer with that schedule, or set it before the state is restored.',
    );
  }
  const here = probe(base, count);
  const differs = here.findIndex((value, i) => !alike(value, values[i] ?? null));
  if (differs >= 0) {
    return refuse(
      'CHECKPOINT-MISMATCH',
      `${where}, ${schedule}, is ${values[differs]} at update ${count + PROBES[differs]!} in the file, but ${here[differs]} here.`,
      'Make the trainer with the same schedule.',
    );
  }
  return by === 1 ? base : times(where, base, by);
}

const alike = (a: number | null, b: number | null): boolean =>
  a === b || (a !== null && b !== null && Math.abs(a - b) <= ENGINES * Math.max(Math.abs(a), Math.abs(b)));

/** Loads states into sources, and puts back what was where one is none. */
export function loadSources(sources: readonly Source[], states: readonly unknown[]): void {
  const before = sources.map((source) => source.state());
  let done = 0;
  try {
    for (const [i, source] of sources.entries()) {
      source.load(states[i] as never);
      done++;
    }
  } catch (error) {
    for (const [i, source] of sources.slice(0, done).entries()) source.load(before[i] as never);
    throw error;
  }
}

/** Throws where states are none of these sources'; nothing changes. */
export function checkSources(sources: readonly Source[], states: unknown): void {
  if (!Array.isArray(states) || states.length !== sources.length) {
    refuse(
      'CHECKPOINT-MISMATCH',
      `The file has the states of ${Array.isArray(states) ? states.length : show(states)} schedules that change by more than the count; the trainer has ${sources.length}.`,
      'Make the trainer with the same schedules.',
    );
  }
  const before = sources.map((source) => source.state());
  loadSources(sources, states as readonly unknown[]);
  loadSources(sources, before);
}
