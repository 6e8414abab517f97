/**
 * What a command touches of the process it runs in. Commands take it as an argument, so that a test can hand them its
 * own and read what they said.
 */
import { fstatSync, writeSync } from 'node:fs';
import { DownhillError } from '../../src/index.js';
import { inFlags } from './flag-words.js';
import { painter } from './paint.js';
import { INDENT, labelled } from './table.js';
import { guardedStream, type Stream } from './terminal.js';

export { type Paint, painter, type Style } from './paint.js';
export type { Stream } from './terminal.js';

export interface Io {
  readonly stdout: Stream;
  readonly stderr: Stream;
  /**
   * Calls `handler` at every Ctrl+C, SIGTERM and SIGHUP, with the exit code that tells of it: 128 and the signal's number.
   * Where nobody listens they end the process at once. Returns a function that stops this.
   */
  onInterrupt(handler: (code: number) => void): () => void;
  /** Ends the process at once, and what it started; by a signal itself where the code is a signal's. */
  exit(code: number): void;
}

/** Signals that ask a process to end, by the exit code that a shell tells of them. */
const SIGNALS: Readonly<Record<number, NodeJS.Signals>> = { 129: 'SIGHUP', 130: 'SIGINT', 143: 'SIGTERM' };

/** Whether an exit code tells of such a signal. */
export const isSignalled = (code: number): boolean => SIGNALS[code] !== undefined;

let real: Io | undefined;

/** The real process. */
export function processIo(): Io {
  real ??= makeIo();
  return real;
}

function makeIo(): Io {
  let told = false;
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      // `downhill train | head`: whoever read is gone, which is no error of ours. 141 is what SIGPIPE ends with.
      if (error.code === 'EPIPE') process.exit(141);
      if (stream !== process.stdout || told) return;
      told = true;
      printError(unsaid(error), process.stderr);
      // What is said is the result of a command, and files go on being written.
      process.on('exit', () => {
        process.exitCode ||= 1;
      });
    });
  }
  const handlers = new Set<(code: number) => void>();
  for (const [code, signal] of Object.entries(SIGNALS)) {
    process.on(signal, () => {
      // Who has nothing to keep listens to nothing, and what is done at an exit is done.
      if (handlers.size === 0) exit(Number(code));
      for (const handler of [...handlers]) handler(Number(code));
    });
  }
  return {
    stdout: guardedStream(whole(process.stdout)),
    stderr: guardedStream(process.stderr),
    onInterrupt(handler) {
      handlers.add(handler);
      return () => void handlers.delete(handler);
    },
    exit,
  };
}

/** Long enough for a signal to arrive. */
const DEAF_MS = 200;

function exit(code: number): void {
  const signal = SIGNALS[code];
  if (!signal) process.exit(code);
  // Of the signal itself, as such a code means: process.exit would take a driver down under its running threads. What
  // is done at an exit (browsers ended, temporary folders removed) is done first.
  process.emit('exit', code);
  process.removeAllListeners(signal);
  process.kill(process.pid, signal);
  // The first process of a container is deaf to its own signals.
  setTimeout(() => process.exit(code), DEAF_MS);
}

/** What stdout refused, in words. */
function unsaid(cause: NodeJS.ErrnoException): DownhillError {
  const why = cause.code === 'ENOSPC' ? 'the disk is full' : cause.message;
  return new DownhillError(
    'OUTPUT-UNWRITABLE',
    `What is said here cannot be written: ${why}.`,
    'Make room, or send stdout elsewhere.',
    cause,
  );
}

/** A stream all of whose text is written: of a file Node takes what a disk that is nearly full left out for written. */
function whole(stream: NodeJS.WriteStream & { readonly fd: number }): Stream {
  if (!isFile(stream.fd)) return stream;
  return {
    write(text) {
      const bytes = Buffer.from(text);
      try {
        for (let at = 0; at < bytes.length; ) at += writeSync(stream.fd, bytes, at);
      } catch (error) {
        stream.emit('error', error);
      }
    },
  };
}

function isFile(fd: number): boolean {
  try {
    return fstatSync(fd).isFile();
  } catch {
    return false; // closed
  }
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
