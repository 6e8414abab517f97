/**
 * What a command touches of the process it runs in. Commands take it as an argument, so that a test can hand them its
 * own and read what they said.
 */
import { styleText } from 'node:util';
import { DownhillError } from '../../src/index.js';

export interface Stream {
  write(text: string): unknown;
  readonly isTTY?: boolean;
  /** Width of the terminal; undefined when it is none. */
  readonly columns?: number;
}

export interface Io {
  readonly stdout: Stream;
  readonly stderr: Stream;
  /** Calls `handler` at every Ctrl+C, which then no longer ends the process. Returns a function that stops this. */
  onInterrupt(handler: () => void): () => void;
  /** Ends the process at once. */
  exit(code: number): void;
}

export type Style = Parameters<typeof styleText>[0];

export type Paint = (style: Style, text: string) => string;

/** Colours text for one stream, where that stream shows colours: https://no-color.org. */
export function painter(stream: Stream): Paint {
  const colours = stream.isTTY === true && !process.env.NO_COLOR && process.env.TERM !== 'dumb';
  return (style, text) => (colours ? styleText(style, text) : text);
}

/** The real process. */
export function processIo(): Io {
  // `downhill train | head`: whoever read is gone, which is no error of ours. 141 is what SIGPIPE ends with.
  process.stdout.on('error', ({ code }: NodeJS.ErrnoException) => {
    if (code === 'EPIPE') process.exit(141);
  });
  return {
    stdout: process.stdout,
    stderr: process.stderr,
    onInterrupt(handler) {
      process.on('SIGINT', handler);
      return () => process.off('SIGINT', handler);
    },
    exit: (code) => {
      if (code !== 130) process.exit(code);
      // Of the signal itself, as a shell's 130 means: process.exit would take a driver down under its running threads.
      process.removeAllListeners('SIGINT');
      process.kill(process.pid, 'SIGINT');
    },
  };
}

/** An error as it is printed and as it crosses from a page to Node. */
export interface ErrorParts {
  readonly code: string;
  readonly message: string;
  readonly fix: string;
}

/** The three parts of an error; our messages read "what [CODE] fix". */
export function errorParts({ code, message, fix }: DownhillError): ErrorParts {
  return { code, message: message.replace(` [${code}] ${fix}`, ''), fix };
}

/** Says calmly what is wrong and what to do. Anything but a DownhillError is a bug of ours, and keeps its stack. */
export function printError(error: unknown, stream: Stream): void {
  const paint = painter(stream);
  if (error instanceof DownhillError) {
    const { code, message, fix } = errorParts(error);
    stream.write(
      `\n  ${paint('red', 'error')}  ${message}\n  ${paint('green', 'fix')}    ${fix}\n  ${paint('gray', `code   ${code}`)}\n\n`,
    );
    return;
  }
  const stack = error instanceof Error ? (error.stack ?? error.message) : String(error);
  stream.write(
    `\n  ${paint('red', 'error')}  This is a bug in downhill; please report it with these lines.\n\n${stack}\n\n`,
  );
}
