import { DownhillError, jsonOf, show } from '../gpu/errors.js';
import { type Entry, keyOf, type Task } from './trial.js';

/*
 * The log of a search: JSON Lines. The first line says which search it is; then come what was asked for, before it is run, and
 * what came of it. Methods decide by these two alone, so that a search goes on from its log as if it had never ended.
 */

/** Where a log is kept. {@link memoryLog} in memory, `fileLog` of 'downhill/node' in a file. */
export interface SearchLog {
  /** All of it. */
  read(): string | Promise<string>;
  /** Adds whole lines, each with its end; done when they are safe. */
  append(lines: string): void | Promise<void>;
  /** Cuts it to so many characters: what was being written when a process died goes. */
  truncate(length: number): void | Promise<void>;
}

/** A log in memory. @param text of an earlier one, to go on with */
export function memoryLog(text = ''): SearchLog & { readonly text: string } {
  let kept = text;
  return {
    get text() {
      return kept;
    },
    read: () => kept,
    append: (lines) => {
      kept += lines;
    },
    truncate: (length) => {
      kept = kept.slice(0, length);
    },
  };
}

export const LOG_VERSION = 1;

/** What a search is: a log of other words is another search's. */
export interface SearchHeader {
  readonly type: 'search';
  readonly version: number;
  readonly space: unknown;
  readonly method: unknown;
  readonly budget: unknown;
  readonly seed: number;
  readonly seeds: readonly number[];
  readonly direction: string;
  /** Of what is searched for, where it says what it is: model, data, batches. */
  readonly objective?: unknown;
}

export type LogLine =
  | SearchHeader
  | { readonly type: 'tasks'; readonly tasks: readonly Task[] }
  | ({ readonly type: 'result' } & Entry);

export const lineOf = (line: LogLine): string => `${JSON.stringify(line)}\n`;

/** A log as it was read. */
export interface ReadLog {
  readonly header: SearchHeader | undefined;
  readonly lines: readonly Exclude<LogLine, SearchHeader>[];
  /** Characters of whole lines; what is behind them was being written when a process died. */
  readonly whole: number;
}

/** @throws DownhillError CHECKPOINT-CORRUPT where a line that is not the last one is damaged; CHECKPOINT-VERSION */
export function readLog(text: string): ReadLog {
  const whole = text.lastIndexOf('\n') + 1;
  const rows = text.slice(0, whole).split('\n').slice(0, -1);
  const lines = rows.map((row, i) => readRow(row, i));
  const [header, ...rest] = lines;
  if (!header) return { header: undefined, lines: [], whole };
  if (header.type !== 'search') throw damaged(1);
  if (header.version !== LOG_VERSION) {
    throw new DownhillError(
      'CHECKPOINT-VERSION',
      `The log is of version ${show(header.version)}, this release writes version ${LOG_VERSION}.`,
      'Go on with the release that began it, or begin anew.',
    );
  }
  const known = new Set<string>();
  for (const [i, line] of rest.entries()) if (!follows(line, known)) throw damaged(i + 2);
  return { header, lines: rest as ReadLog['lines'], whole };
}

const TYPES: readonly unknown[] = ['search', 'tasks', 'result'] satisfies LogLine['type'][];

function readRow(row: string, i: number): LogLine {
  try {
    const line = JSON.parse(row) as LogLine;
    if (TYPES.includes(line?.type)) return line;
  } catch {}
  throw damaged(i + 1);
}

/** Whether a line is one after those before it. @param known steps of trials that were asked for; those of the line are added */
function follows(line: LogLine, known: Set<string>): boolean {
  if (line.type === 'tasks') return Array.isArray(line.tasks) && line.tasks.every((task) => isTask(task, known));
  return line.type === 'result' && isEntry(line) && known.has(keyOf(line));
}

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;
const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const isValue = (value: unknown) => ['number', 'string', 'boolean'].includes(typeof value);

function isTask(task: Task, known: Set<string>): boolean {
  if (!isRecord(task) || ![task.trial, task.from, task.to].every(isCount) || task.to <= task.from) return false;
  if (!isRecord(task.params) || !Object.values(task.params).every(isValue)) return false;
  if (![task.copy, task.rung, task.bracket].every((each) => each === undefined || isCount(each))) return false;
  const before = task.from === 0 || known.has(keyOf({ trial: task.copy ?? task.trial, to: task.from }));
  known.add(keyOf(task));
  return before;
}

function isEntry({ trial, to, value, values, metrics, reason }: Entry): boolean {
  const each = (one: unknown) => one === null || typeof one === 'number';
  const isList = (list: unknown) => Array.isArray(list) && list.every(each);
  return (
    [trial, to].every(isCount) &&
    each(value) &&
    isList(values) &&
    (metrics === undefined || (isRecord(metrics) && Object.values(metrics).every(isList))) &&
    (reason === undefined || typeof reason === 'string')
  );
}

const damaged = (line: number) =>
  new DownhillError(
    'CHECKPOINT-CORRUPT',
    `Line ${line} of the log is not one of a search's.`,
    'Take the log from a backup, or cut it there: what follows is run again.',
  );

/** Refuses a log of another search, and says what differs. @throws DownhillError CHECKPOINT-MISMATCH */
export function checkHeader(found: SearchHeader, wanted: SearchHeader): void {
  const other = (Object.keys({ ...wanted, ...found }) as (keyof SearchHeader)[]).find(
    (key) => jsonOf(found[key]) !== jsonOf(wanted[key]),
  );
  if (!other) return;
  const [was, is] = [found[other], wanted[other]].map((each) =>
    shortened(each === undefined ? 'nothing' : (jsonOf(each) ?? show(each))),
  );
  throw new DownhillError(
    'CHECKPOINT-MISMATCH',
    `The log is of another search: its ${other} is ${was}, that of this one ${is}.`,
    'Give this search a log of its own, or pass what the other one was begun with.',
  );
}

const shortened = (text: string): string => (text.length > 200 ? `${text.slice(0, 197)}...` : text);
