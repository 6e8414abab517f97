import { DownhillError } from '../../src/index.js';
import { inWords } from '../experiment/controls.js';

/** Something that went wrong, in words for the person at the page. */
export interface Problem {
  readonly message: string;
  /** One imperative sentence; empty where nobody can say what helps. */
  readonly fix: string;
  readonly code?: string;
}

/** A problem that only the page knows of; the library's own come as DownhillError. */
export class PageError extends Error {
  override readonly name = 'PageError';
  readonly fix: string;

  constructor(message: string, fix: string) {
    super(message);
    this.fix = fix;
  }
}

/** Whatever was thrown, taken apart: the page shows message, fix and code in different places. */
export function problemOf(error: unknown): Problem {
  if (error instanceof DownhillError) {
    // Its message ends with code and fix, so that a bare console shows everything; here they would be said twice.
    const tail = ` [${error.code}] ${error.fix}`;
    const message = error.message.endsWith(tail) ? error.message.slice(0, -tail.length) : error.message;
    // What page and command line share speaks of flags.
    return { message: inWords(message), fix: inWords(error.fix), code: error.code };
  }
  if (error instanceof PageError) return { message: error.message, fix: error.fix };
  const message = error instanceof Error ? error.message || error.name : String(error);
  return { message: `Unexpected error: ${message}`, fix: 'Reload the page; if it happens again, please report it.' };
}
