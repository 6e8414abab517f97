import { DownhillError, show } from '../../gpu/errors.js';
import type { Schedule } from '../../gpu/fields.js';
import { checkNumber, checkOptions } from '../../gpu/fields.js';

/*
 * What all schedules share: their form, the checks of their arguments, and the way from one value to another.
 */

/** A schedule made by this library: it says what it is. */
export interface NamedSchedule extends Schedule {
  /** As it is written: 'cosine(0.001, { steps: 10000, min: 0 })'. */
  toString(): string;
  /** The same text, so that `JSON.stringify` of settings shows it. */
  toJSON(): string;
}

/** A schedule whose values change from outside: rows computed ahead are computed anew when `version` has changed. */
export interface DynamicSchedule extends NamedSchedule {
  readonly dynamic: true;
  /** Grows with every change. */
  readonly version: number;
  /** What remembers something, in it or itself: a checkpoint has their states, in this order. */
  readonly sources?: readonly Source[];
}

/** What a {@link DynamicSchedule} remembers. */
export interface Source {
  /** Plain JSON. */
  state(): unknown;
  /** Goes on from a state. Throws where it is none, with all as before. */
  load(state: never): void;
}

/** A schedule that changes by a metric it is told: {@link plateau}. */
export interface ReportedSchedule extends DynamicSchedule {
  /** Which metric a trainer with `validation` tells it; undefined: the loss with mode 'min', else what the loss counts. */
  readonly metric: string | undefined;
  readonly mode: 'min' | 'max';
  report(metric: number): number;
}

/** What `options` of a schedule may be written as in a text. */
type Shown = Readonly<Record<string, unknown>>;

/**
 * Makes a schedule of a function, which then only sees counts that are integers from 0 to 2^53 - 1.
 *
 * @param values what stands before the options
 */
export function named(
  name: string,
  values: readonly unknown[],
  options: Shown,
  at: (count: number) => number,
): NamedSchedule {
  const parts = Object.keys(options).length > 0 ? [...values, options] : values;
  const text = `${name}(${parts.map(written).join(', ')})`;
  const schedule = (count: number) => at(checkCount(name, count));
  Object.defineProperty(schedule, 'name', { value: name });
  return Object.assign(schedule, { toString: () => text, toJSON: () => text });
}

/** Makes a schedule that asks others dynamic where one of them is. */
export function madeOf<S extends NamedSchedule>(parts: readonly Schedule[], schedule: S): S {
  const changing = parts.filter(isDynamic);
  if (changing.length === 0) return schedule;
  return Object.defineProperties(schedule, {
    dynamic: { value: true },
    version: { get: () => changing.reduce((sum, { version }) => sum + version, 0) },
    sources: { value: changing.flatMap(({ sources = [] }) => sources) },
  });
}

/** Those in a schedule, or in the values of settings, that are told a metric; each once. */
export function reportedIn(value: unknown): ReportedSchedule[] {
  if (Array.isArray(value)) return [...new Set(value.flatMap(reportedIn))];
  const sources = isDynamic(value) ? (value.sources ?? []) : [];
  return sources.filter(
    (each): each is ReportedSchedule & Source => typeof (each as Partial<ReportedSchedule>).report === 'function',
  );
}

export const isDynamic = (schedule: unknown): schedule is DynamicSchedule =>
  typeof schedule === 'function' && (schedule as Partial<DynamicSchedule>).dynamic === true;

/** A schedule as text: its own, or for somebody else's that it is one. */
export const textOf = (schedule: Schedule): string =>
  Object.hasOwn(schedule, 'toJSON') ? String(schedule) : 'a function';

/** A value as JavaScript has it; a schedule of somebody else by its function's name. */
function written(value: unknown): string {
  if (typeof value === 'function') return Object.hasOwn(value, 'toJSON') ? String(value) : value.name || 'custom';
  if (Array.isArray(value)) return `[${value.map(written).join(', ')}]`;
  if (typeof value === 'string') return `'${value}'`;
  if (typeof value !== 'object' || value === null) return String(value);
  const entries = Object.entries(value).filter(([, each]) => each !== undefined);
  return `{ ${entries.map(([key, each]) => `${key}: ${written(each)}`).join(', ')} }`;
}

/** A count must be an integer from 0 to 2^53 - 1: beyond that two counts look alike. */
function checkCount(where: string, count: unknown): number {
  if (typeof count === 'number' && Number.isSafeInteger(count) && count >= 0) return count;
  throw new DownhillError(
    typeof count === 'number' ? 'OPTION-RANGE' : 'OPTION-TYPE',
    `${where}: a count must be an integer from 0 to 2^53 - 1, got ${show(count)}.`,
    'Pass the number of updates done before this one.',
  );
}

/** The first argument of a schedule and the names of its options. */
export function checkCall(name: string, value: unknown, options: unknown, known: readonly string[]): number {
  if (typeof value === 'function') {
    throw new DownhillError(
      'OPTION-TYPE',
      `${name} takes a number first, got a function.`,
      'Combine schedules with warmup or join.',
    );
  }
  checkNumber(`${name}: the value`, value);
  checkOptions(name, options, known);
  return value as number;
}

/** A schedule, or a number, which stands for itself. */
export function checkSchedule(where: string, value: unknown): Schedule {
  if (typeof value === 'function') return value as Schedule;
  checkNumber(where, value);
  return Object.assign(() => value as number, { toString: () => String(value), toJSON: () => String(value) });
}

/** Checks a list of integers, each larger than the one before. */
export function checkAscending(where: string, values: unknown, min: number): readonly number[] {
  if (!Array.isArray(values)) {
    throw new DownhillError('OPTION-TYPE', `${where} must be a list, got ${show(values)}.`, 'Pass a list of counts.');
  }
  let last = min - 1;
  for (const [i, value] of values.entries()) {
    if (typeof value !== 'number') {
      throw new DownhillError(
        'OPTION-TYPE',
        `${where}[${i}] must be an integer, got ${show(value)}.`,
        'Pass integers.',
      );
    }
    if (!Number.isSafeInteger(value) || value <= last) {
      const wanted = i === 0 ? `an integer of at least ${min}` : `an integer above ${where}[${i - 1}] = ${last}`;
      throw new DownhillError(
        'OPTION-RANGE',
        `${where}[${i}] must be ${wanted}, got ${value}.`,
        `Pass counts of at least ${min} in ascending order, each once.`,
      );
    }
    last = value;
  }
  return Object.freeze([...values]) as readonly number[];
}

/** How much of the way is done and how much is left, both from 0 to 1: two numbers, so that neither loses digits. */
export interface Way {
  readonly done: number;
  readonly left: number;
}

export const straight = (at: number, length: number): Way => ({ done: at / length, left: (length - at) / length });

/** (1 - cos(π at/length)) / 2 and its rest, as squares of sines: exact to the last digits at both ends. */
export const halfWave = (at: number, length: number): Way => ({
  done: Math.sin((Math.PI / 2) * (at / length)) ** 2,
  left: Math.sin((Math.PI / 2) * ((length - at) / length)) ** 2,
});

/** The value between `from` and `to`; never outside them, and exactly them at the ends. */
export function between(from: number, to: number, { done, left }: Way): number {
  if (from === to) return from;
  const value = from * left + to * done;
  return Math.min(Math.max(value, Math.min(from, to)), Math.max(from, to));
}
