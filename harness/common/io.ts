/**
 * What a command touches of the process it runs in. Commands take it as an argument, so that a test can hand them its
 * own and read what they said.
 */
import { DownhillError } from '../../src/index.js';
import { inFlags } from './flag-words.js';
import { painter } from './paint.js';
import { INDENT, labelled } from './table.js';

export { type Paint, painter, type Style } from './paint.js';

export interface Stream {
  write(text: string): unknown;
  readonly isTTY?: boolean;
  /** Width of the terminal; undefined when it is none. */
  readonly columns?: number;
}

export interface Io {
  readonly stdout: Stream;
  readonly stderr: Stream;
  /**
   * Calls `handler` at every Ctrl+C, SIGTERM and SIGHUP, which then no longer end the process, with the exit code that
   * tells of it: 128 and the signal's number. Returns a function that stops this.
   */
  onInterrupt(handler: (code: number) => void): () => void;
  /** Ends the process at once. */
  exit(code: number): void;
}

/**
 * Does what a first Ctrl+C aborts, and a second one ends at once.
 *
 * @param work gives the exit code; what it calls `atOnce` for, the first one ends at once from there on
 * @returns the exit code, that of the signal where `work` ended by it
 */
export async function interruptible(
  io: Io,
  work: (signal: AbortSignal, atOnce: () => void) => Promise<number>,
): Promise<number> {
  const controller = new AbortController();
  const { signal } = controller;
  let [interrupted, late] = [0, false];
  const stopListening = io.onInterrupt((code) => {
    if (interrupted || late) return io.exit(code);
    interrupted = code;
    controller.abort();
  });
  try {
    return await work(signal, () => {
      late = true;
    });
  } catch (error) {
    if (signal.aborted && error === signal.reason) return interrupted;
    throw error;
  } finally {
    stopListening();
  }
}

/** Signals that ask a process to end, by the exit code that a shell tells of them. */
const SIGNALS: Readonly<Record<number, NodeJS.Signals>> = { 129: 'SIGHUP', 130: 'SIGINT', 143: 'SIGTERM' };

/** The real process. */
export function processIo(): Io {
  // `downhill train | head`: whoever read is gone, which is no error of ours. 141 is what SIGPIPE ends with.
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', ({ code }: NodeJS.ErrnoException) => {
      if (code === 'EPIPE') process.exit(141);
    });
  }
  return {
    stdout: process.stdout,
    stderr: process.stderr,
    onInterrupt(handler) {
      const listeners = Object.entries(SIGNALS).map(([code, signal]) => [signal, () => handler(Number(code))] as const);
      for (const [signal, listener] of listeners) process.on(signal, listener);
      return () => {
        for (const [signal, listener] of listeners) process.off(signal, listener);
      };
    },
    exit: (code) => {
      const signal = SIGNALS[code];
      if (!signal) process.exit(code);
      // Of the signal itself, as such a code means: process.exit would take a driver down under its running threads. What
      // is done at an exit (browsers ended, temporary folders removed) is done first.
      process.emit('exit', code);
      process.removeAllListeners(signal);
      process.kill(process.pid, signal);
    },
  };
}

/** An error as it is printed and as it crosses from a page to Node. */
export interface ErrorParts {
  readonly code: string;
  readonly message: string;
  readonly fix: string;
}

/** The three parts of an error, in words of flags; our messages read "what [CODE] fix". */
export function errorParts({ code, message, fix }: DownhillError): ErrorParts {
  return { code, message: inFlags(message.replace(` [${code}] ${fix}`, '')), fix: inFlags(fix) };
}

/** Says calmly what is wrong and what to do. Anything but a DownhillError is a bug of ours, and keeps its stack. */
export function printError(error: unknown, stream: Stream): void {
  const paint = painter(stream);
  if (error instanceof DownhillError) {
    const { code, message, fix } = errorParts(error);
    // In a terminal a long text goes on under itself; elsewhere a line stays a line, for grep.
    const room = stream.columns === undefined ? {} : { room: stream.columns - 1 };
    const lines = [
      ...labelled('error', message, { paint, style: 'red', ...room }),
      ...labelled('fix  ', fix, { paint, style: 'green', ...room }),
      `${INDENT}${paint('gray', `code   ${code}`)}`,
    ];
    stream.write(`\n${lines.join('\n')}\n\n`);
    return;
  }
  const stack = error instanceof Error ? (error.stack ?? error.message) : String(error);
  stream.write(
    `\n  ${paint('red', 'error')}  This is a bug in downhill; please report it with these lines.\n\n${stack}\n\n`,
  );
}
