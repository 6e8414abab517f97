/** Where cases run, seen from the command line: a child process, or a page of a browser near or far. */
import { DownhillError, type ErrorCode } from '../../../src/index.js';
import type { BenchConfig, CaseResult, CaseSpec, Machine, Place } from '../contract.js';
import type { Progress } from '../measure.js';
import type { StartPhases } from '../run-case.js';

export interface Host {
  readonly place: Place;
  /** What the place is. Its adapter is null where there is none. */
  machine(): Promise<Machine>;
  /**
   * Runs a case in a fresh process or page; in Node some scenarios share one, but never two sessions of a case.
   *
   * @throws DownhillError where the case cannot be run; {@link Died} where process or browser ended under it.
   */
  run(spec: CaseSpec, config: BenchConfig, progress: Progress, session?: number): Promise<CaseResult>;
  /** Starts a contender in a new process or browser, and once more in the same (a reload). */
  start(name: string, config: BenchConfig): Promise<{ readonly first: StartPhases; readonly again: StartPhases }>;
  close(): Promise<void>;
}

/** The process or the browser ended, or hung until it was ended, while a contender was at work. */
export class Died extends Error {
  constructor(
    /** 'the process ended by SIGSEGV', 'the browser closed'. */
    readonly how: string,
    readonly contender: string | undefined,
  ) {
    super(how);
  }
}

/** A case that takes longer than this hangs: its contenders are timed for a minute or so. */
export const caseLimitMs = ({ quick }: BenchConfig) => (quick ? 120_000 : 900_000);

/** What a page or a process answers, as plain JSON: an exception loses its code on the way. */
export interface Answer<T> {
  readonly value?: T;
  /** `code` is undefined where it is no error of ours. */
  readonly error?: { readonly code?: string; readonly message: string; readonly fix: string };
}

export async function answerOf<T>(work: () => Promise<T>): Promise<Answer<T>> {
  try {
    return { value: await work() };
  } catch (error) {
    if (!(error instanceof DownhillError)) return { error: { message: String(error), fix: 'Report this.' } };
    const { code, message, fix } = error;
    return { error: { code, message: message.replace(` [${code}] ${fix}`, ''), fix } };
  }
}

export function unpacked<T>({ value, error }: Answer<T>): T {
  if (error?.code) throw new DownhillError(error.code as ErrorCode, error.message, error.fix);
  if (error) throw new Error(error.message);
  return value as T;
}
