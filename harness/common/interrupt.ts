/** How long commands end when a signal tells them to: one way for all of them. */
import type { Io } from './io.js';

/** Where sh is bash, npm hands a Ctrl+C on to a command that has it from the terminal already, within 30 ms. */
const ECHO_MS = 300;
/** What was reached is to be written down by then. */
const KEEP_MS = 10_000;
/** Where nothing is to be kept: enough to take a moving line away. */
const LEAVE_MS = 500;

/** What becomes of a command after the first signal. */
export interface Ending {
  /** Longest that `work` may take to end by itself, in milliseconds. */
  readonly withinMs: number;
  /** At the signal, before `work` hears of it. */
  readonly onStop?: () => void;
  /** Where the time was not enough, before the process ends. */
  readonly onLate?: () => void | Promise<void>;
}

/** Of a command that leaves what it reached. */
export const keeping = (io: Io): Ending => ({
  withinMs: KEEP_MS,
  onLate: () =>
    void io.stderr.write(`\n  Given up after ${KEEP_MS / 1000} s: what was reached is not all written.\n\n`),
});

/** Of a command that leaves nothing when it is broken off. */
export const LEAVING: Ending = { withinMs: LEAVE_MS };

/**
 * Does what a first Ctrl+C, SIGTERM or SIGHUP aborts, and a second one ends at once. What does not end in time, since a browser
 * hangs or a network is being drawn, is left as it is: the process ends all the same, and with it what it started.
 *
 * @param work gives the exit code
 * @returns that code; of a signal that ended `work` by its reason 130, 143, 129
 */
export async function interruptible(
  io: Io,
  { withinMs, onStop, onLate }: Ending,
  work: (signal: AbortSignal) => Promise<number>,
): Promise<number> {
  const controller = new AbortController();
  const { signal } = controller;
  let [interrupted, since, ended] = [0, 0, false];
  let late: ReturnType<typeof setTimeout> | undefined;
  const leave = async () => {
    await onLate?.();
    if (!ended) io.exit(interrupted);
  };
  const stopListening = io.onInterrupt((code) => {
    if (interrupted) {
      if (performance.now() - since > ECHO_MS || code !== interrupted) io.exit(code);
      return;
    }
    [interrupted, since] = [code, performance.now()];
    late = setTimeout(() => void leave(), withinMs);
    onStop?.();
    controller.abort();
  });
  try {
    return await work(signal);
  } catch (error) {
    if (signal.aborted && error === signal.reason) return interrupted;
    throw error;
  } finally {
    ended = true;
    clearTimeout(late);
    stopListening();
  }
}
