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
  | 'GPU-VALIDATION'
  | 'GPU-OUT-OF-MEMORY'
  | 'SHADER-COMPILE'
  | 'LIMIT-BINDING'
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
  | 'GRADIENT-NONFINITE'
  | 'OUTPUT-UNWRITABLE'
  | 'PEER-UNAVAILABLE'
  | 'RUN-AHEAD'
  | 'RUN-BUSY'
  | 'RUN-DESTROYED'
  | 'INTERNAL';

/** Levenshtein distance, for "did you mean". */
function distance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const current = [i];
    for (let j = 1; j <= b.length; j++) {
      const substitution = previous[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      current.push(Math.min(previous[j]! + 1, current[j - 1]! + 1, substitution));
    }
    previous = current;
  }
  return previous[b.length]!;
}

const fold = (name: string) => name.toLowerCase().replace(/[-_\s]/g, '');

/** The candidate a person most likely meant by `name`, or undefined when none is near. */
export function nearest(name: string, candidates: readonly string[]): string | undefined {
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

/** Formats a value for a message: short, unambiguous, and safe on any input. */
export function show(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.length > 60 ? `${value.slice(0, 57)}...` : value);
  if (typeof value === 'function') return 'a function';
  if (typeof value === 'object' && value !== null) {
    return Array.isArray(value)
      ? `[${value.slice(0, 8).map(show).join(', ')}]`
      : (value.constructor?.name ?? 'an object');
  }
  return String(value);
}

/**
 * Checks the keys of an options object: it must be an object, and hold no key outside `known`.
 * Raised before any GPU work.
 */
export function checkOptions(where: string, options: unknown, known: readonly string[]): void {
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    throw new DownhillError(
      'OPTION-TYPE',
      `${where} expects an options object, got ${show(options)}.`,
      'Pass an object.',
    );
  }
  for (const key of Object.keys(options)) {
    if (!known.includes(key)) {
      throw new DownhillError('OPTION-UNKNOWN', `${where} has no option ${show(key)}.`, suggest(key, known));
    }
  }
}

/** Checks that `value` is an integer in [min, max]; a wrong type and a wrong value have different codes. */
export function checkInteger(where: string, value: unknown, min: number, max = Number.MAX_SAFE_INTEGER): number {
  if (typeof value !== 'number') {
    throw new DownhillError(
      'OPTION-TYPE',
      `${where} must be an integer, got ${show(value)}.`,
      `Pass a number for ${where}.`,
    );
  }
  if (!Number.isInteger(value) || value < min || value > max) {
    const range = max === Number.MAX_SAFE_INTEGER ? `of at least ${min}` : `from ${min} to ${max}`;
    throw new DownhillError(
      'OPTION-RANGE',
      `${where} must be an integer ${range}, got ${value}.`,
      `Set ${where} to an integer ${range}.`,
    );
  }
  return value;
}

/** Checks that `value` is one of `choices`. */
export function checkChoice<T extends string>(where: string, value: unknown, choices: readonly T[]): T {
  if (typeof value !== 'string' || !(choices as readonly string[]).includes(value)) {
    throw new DownhillError(
      'OPTION-RANGE',
      `${where} must be one of ${choices.join(', ')}, got ${show(value)}.`,
      typeof value === 'string' ? suggest(value, choices) : `Use one of: ${choices.join(', ')}.`,
    );
  }
  return value as T;
}
