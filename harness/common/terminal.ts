/**
 * What is written to the process' own streams. Texts have names in them, of files, columns and classes, that anybody may have
 * chosen: a control character among them would move the cursor, set the title of the window, or worse.
 */

/** A stream as commands write to it. */
export interface Stream {
  write(text: string): unknown;
  readonly isTTY?: boolean;
  /** Width of the terminal; undefined when it is none. */
  readonly columns?: number;
  /** Our own escape codes have it in front of their numbers; it is left out on the way. Undefined: they are as always. */
  readonly mark?: string;
}

/** Whether it has a cursor to move: a pipe and TERM=dumb have none. */
export const hasCursor = ({ isTTY }: Pick<Stream, 'isTTY'>): boolean => isTTY === true && process.env.TERM !== 'dumb';

/** Gives escape codes the stream's mark. */
export const marked = ({ mark }: Pick<Stream, 'mark'>, text: string): string =>
  mark === undefined ? text : text.replaceAll('\x1b[', `\x1b[${mark}`);

// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what it looks for
const CONTROL = /[\x00-\x08\x0b-\x1f\x7f-\x9f]/;

/** Of this process: what is painted for one of its streams may be written to the other. */
const MARK = `${crypto.getRandomValues(new Uint32Array(2)).join(';')};`;
const CONTROLS = new RegExp(`\\x1b\\[${MARK}|${CONTROL.source}`, 'g');

/**
 * The stream, on which control characters show as \u001b, whatever they came from. Lines and tabs stay, a carriage return where
 * a text begins with it, and escape codes with the mark, which no name can have: it is drawn by lot.
 */
export function guardedStream(stream: Stream): Stream {
  const shown = (found: string, at: number) => {
    if (found.length > 1) return '\x1b[';
    if (found === '\r' && at === 0) return found;
    return `\\u${found.charCodeAt(0).toString(16).padStart(4, '0')}`;
  };
  return {
    mark: MARK,
    get isTTY() {
      return stream.isTTY === true;
    },
    get columns() {
      return stream.columns as number; // or undefined
    },
    write: (text) => stream.write(CONTROL.test(text) ? text.replace(CONTROLS, shown) : text),
  };
}
