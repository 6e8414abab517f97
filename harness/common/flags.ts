/** Flags of the commands: a table says what there are; here they are read, and their help is laid out. */
import { parseArgs } from 'node:util';
import { DownhillError, suggest } from '../../src/index.js';
import { opposite } from './flag-names.js';
import { wrap as wrapped } from './table.js';

export interface Flag {
  /** What follows it, in a word for the help. Without one it is a switch. */
  readonly value?: string;
  readonly help: string;
  /** What holds without it, in words. */
  readonly default?: string;
  /** A switch that its opposite turns off again. */
  readonly reversible?: boolean;
}

export type Flags = Readonly<Record<string, Flag>>;

/** Every command has it. */
export const HELP: Flags = { help: { help: 'this text' } };

export interface Given {
  /** As typed: name to value, '' for a switch. The last one counts. */
  readonly flags: ReadonlyMap<string, string>;
  readonly words: readonly string[];
}

/**
 * Reads a command line; the values are the caller's to check.
 *
 * @param command Its name, for messages.
 * @param words Whether it takes words that are no flags.
 * @param start How it is started.
 * @throws DownhillError OPTION-UNKNOWN, OPTION-TYPE.
 */
export function readFlags(
  command: string,
  args: readonly string[],
  table: Flags,
  words = false,
  start = `downhill ${command}`,
): Given {
  const known = new Map(Object.entries(table));
  for (const [name, flag] of Object.entries(table)) if (flag.reversible) known.set(opposite(name), flag);
  const { tokens } = parseArgs({
    args: [...args],
    strict: false, // its own messages know neither our codes nor what was meant
    tokens: true,
    options: Object.fromEntries(
      [...known].map(([name, { value }]) => [
        name,
        { type: value ? ('string' as const) : ('boolean' as const), ...(name === 'help' ? { short: 'h' } : {}) },
      ]),
    ),
  });
  const see = `see ${start} --help.`;
  const given = new Map<string, string>();
  const found: string[] = [];
  for (const token of tokens) {
    if (token.kind === 'positional') {
      if (!words) {
        const fix = `Put -- before the name of a flag; ${see}`;
        throw new DownhillError('OPTION-UNKNOWN', `${command} takes flags only, got '${token.value}'.`, fix);
      }
      found.push(token.value);
    }
    if (token.kind !== 'option') continue;
    const { name, rawName, value } = token;
    const flag = known.get(name);
    if (!flag) {
      const names = [...known.keys()].map((each) => `--${each}`);
      const near = name.length > 1 ? suggest(rawName, names) : '';
      const fix = near.startsWith('Did') ? near : see.replace('s', 'S');
      throw new DownhillError('OPTION-UNKNOWN', `${command} has no flag ${rawName}.`, fix);
    }
    if (flag.value && (value === undefined || value === '' || value.startsWith('--'))) {
      throw new DownhillError('OPTION-TYPE', `--${name} needs a value.`, `Write --${name} ${flag.value}; ${see}`);
    }
    if (!flag.value && value !== undefined) {
      const fix = flag.reversible ? `Write --${name} or --${opposite(name)}.` : `Write --${name}.`;
      throw new DownhillError('OPTION-TYPE', `--${name} is a switch and takes no value, got '${value}'.`, fix);
    }
    given.delete(opposite(name));
    given.set(name, value ?? '');
  }
  return { flags: given, words: found };
}

const WIDTH = 96;
/** Column at which descriptions start. */
const INDENT = 25;

/** Lines of a help text: a flag with its description. */
export function flagHelp(table: Flags): string[] {
  return Object.entries(table).flatMap(([name, { value = '', help, default: fallback, reversible }]) =>
    entry(
      reversible ? `--${name}, --${opposite(name)}` : `--${name} ${value}`,
      fallback ? `${help} [${fallback}]` : help,
    ),
  );
}

/** A name and its description, which starts below a name that is too long. */
export function entry(left: string, text: string): string[] {
  const body = wrap(text, INDENT);
  const head = `  ${left.trimEnd()}`;
  if (head.length > INDENT - 2) return [head, ...body];
  return [head.padEnd(INDENT) + body[0]!.trimStart(), ...body.slice(1)];
}

export const wrap = (text: string, indent: number): string[] =>
  wrapped(text, WIDTH - indent, false).map((line) => ' '.repeat(indent) + line);
