/**
 * Every error `downhill` raises on purpose.
 *
 * `code` is stable and of the form AREA-THING; `message` says what was wrong, what was expected and what came;
 * `fix` is one imperative sentence. `cause` carries the underlying error where there is one.
 */
export class DownhillError extends Error {
  override readonly name = 'DownhillError';
  readonly code: ErrorCode;
  readonly fix: string;

  constructor(code: ErrorCode, message: string, fix: string, cause?: unknown) {
    super(`${message} [${code}] ${fix}`, cause === undefined ? undefined : { cause });
    this.code = code;
    this.fix = fix;
  }
}

/** The codes, by area. docs/errors.md says when each is raised. */
export type ErrorCode =
  | 'NO-WEBGPU'
  | 'NO-ADAPTER'
  | 'NO-BROWSER'
  | 'BROWSER-LOST'
  | 'COMMAND-UNKNOWN'
  | 'DEVICE-LOST'
  | 'DEVICE-REQUEST'
  | 'FEATURE-MISSING'
  | 'GPU-READ'
  | 'GPU-VALIDATION'
  | 'GPU-OUT-OF-MEMORY'
  | 'SHADER-COMPILE'
  | 'LIMIT-BINDING'
  | 'LIMIT-MEMORY'
  | 'HYPER-RANGE'
  | 'HYPER-TYPE'
  | 'HYPER-UNKNOWN'
  | 'RULE-UNKNOWN'
  | 'OPTION-RANGE'
  | 'OPTION-TYPE'
  | 'OPTION-UNKNOWN'
  | 'SHAPE-INVALID'
  | 'SHAPE-MISMATCH'
  | 'DATA-FORMAT'
  | 'DATA-LABEL'
  | 'DATA-MISMATCH'
  | 'DATA-NOT-FOUND'
  | 'BUFFER-USAGE'
  | 'BUFFER-RANGE'
  | 'BUFFER-OVERLAP'
  | 'BUFFER-INVALID'
  | 'STATE-MISMATCH'
  | 'CHECKPOINT-CORRUPT'
  | 'CHECKPOINT-MISMATCH'
  | 'CHECKPOINT-VERSION'
  | 'EXPORT-UNSUPPORTED'
  | 'STORE-BUSY'
  | 'STORE-FULL'
  | 'STORE-ORDER'
  | 'STORE-UNREADABLE'
  | 'STORE-UNWRITABLE'
  | 'GRADIENT-NONFINITE'
  | 'OUTPUT-UNWRITABLE'
  | 'PEER-UNAVAILABLE'
  | 'PLAN-UNKNOWN'
  | 'PROBLEM-UNKNOWN'
  | 'QUEUE-REFUSED'
  | 'QUEUE-TAKEN'
  | 'QUEUE-UNREACHABLE'
  | 'QUEUE-UNSUITABLE'
  | 'RUN-AHEAD'
  | 'RUN-BUSY'
  | 'RUN-DESTROYED'
  | 'INTERNAL';

/** Most characters that a value takes in a message. */
const SHOWN = 60;

const cut = (text: string) => (text.length > SHOWN ? `${text.slice(0, SHOWN - 3)}...` : text);

/** Letters to add, leave out, change, or swap with their neighbour (the commonest slip of all), for "did you mean". */
function distance(a: string, b: string): number {
  const rows = [Array.from({ length: b.length + 1 }, (_, j) => j)];
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const changed = rows[i - 1]![j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      const swapped = a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1] ? rows[i - 2]![j - 2]! + 1 : changed;
      row.push(Math.min(rows[i - 1]![j]! + 1, row[j - 1]! + 1, changed, swapped));
    }
    rows.push(row);
  }
  return rows[a.length]![b.length]!;
}

const fold = (name: string) => name.toLowerCase().replace(/[-_\s]/g, '');

/** The candidate a person most likely meant by `name`, or undefined when none is near. */
export function nearest(name: string, candidates: readonly string[]): string | undefined {
  // Nobody mistypes a megabyte; to compare it would take seconds.
  if (name.length > 2 * SHOWN) return undefined;
  const ranked = candidates
    .map((candidate) => ({ candidate, d: distance(fold(name), fold(candidate)) }))
    .sort((a, b) => a.d - b.d);
  const best = ranked[0];
  return best && best.d <= Math.max(2, Math.floor(name.length / 3)) ? best.candidate : undefined;
}

/** "Use one of a, b, c." or "Did you mean b?", for the fix of an unknown name. */
export function suggest(name: string, candidates: readonly string[]): string {
  const near = nearest(name, candidates);
  return near ? `Did you mean '${near}'?` : `Use one of: ${candidates.join(', ')}.`;
}

/** JSON of what a file or a caller gave; undefined where it has none: functions, cycles, lists in lists, thousands deep. */
export function jsonOf(value: unknown): string | undefined {
  try {
    return JSON.stringify(value);
  } catch {
    return undefined;
  }
}

/** Formats a value for a message: short, unambiguous, and safe on any input, whatever it throws or holds. */
export function show(value: unknown): string {
  try {
    return Array.isArray(value) ? `[${Array.from(value.slice(0, 8), showItem).join(', ')}]` : showItem(value);
  } catch {
    return 'an object'; // a getter that throws, a proxy that was revoked
  }
}

/** An item of a list; a list within one is not opened, so that neither cycles nor depth matter. */
function showItem(value: unknown): string {
  switch (typeof value) {
    case 'string':
      return JSON.stringify(cut(value));
    case 'function':
      return 'a function';
    case 'bigint':
      // The digits of a long one take minutes to find.
      return value > -(10n ** 18n) && value < 10n ** 18n ? String(value) : 'a long bigint';
    case 'object':
      return value === null ? 'null' : nameOf(value);
    default:
      return cut(String(value));
  }
}

function nameOf(value: object): string {
  try {
    if (Array.isArray(value)) return `a list of ${value.length}`;
    const name: unknown = value.constructor?.name;
    return typeof name === 'string' && name !== '' ? cut(name) : 'an object';
  } catch {
    return 'an object';
  }
}
