/** What a page that does a job offers to Node, and how it answers: plain JSON, because an exception loses its code on the way. No Node here. */
import { DownhillError } from '../../src/index.js';

export interface PageFailure {
  readonly code: string;
  readonly message: string;
  readonly fix: string;
}

export interface PageWork<R = unknown> {
  /** Resolves after all that it tells has arrived; with the error where there was one of ours. */
  run(...args: never[]): Promise<R | { readonly failure: PageFailure }>;
  abort(): void;
}

declare global {
  var downhillJob: PageWork | undefined;
}

/** What `work` gives, or its error where that is one of ours. @param sent resolves when all that was told has arrived */
export async function answered<R>(work: () => Promise<R>, sent: () => Promise<void>) {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof DownhillError)) throw error;
    const { code, message, fix } = error;
    return { failure: { code, message: message.replace(` [${code}] ${fix}`, ''), fix } };
  } finally {
    await sent();
  }
}
