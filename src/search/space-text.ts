import { DownhillError, show, suggest } from '../gpu/errors.js';
import { checkText } from '../gpu/fields.js';
import { checkSpace, choice, int, logUniform, type Parameter, type Space, uniform, type Value } from './space.js';

/* A space as a person writes it: in a line, or as JSON. */

const KINDS = ['log', 'int', 'intlog', 'choice'];

/**
 * Reads a space.
 *
 * `lr=log:1e-5..1,momentum=0..0.99,width=int:16..256,activation=relu|tanh`: `A..B` is uniform, `log:`, `int:` and `intlog:` say
 * how else, `A..B/S` has steps of S, `A|B|C` is a choice. Or JSON: `{ "lr": { "kind": "log-uniform", "low": 1e-5, "high": 1 } }`,
 * in which a text is read as here.
 *
 * @throws DownhillError DATA-FORMAT where it is no JSON; OPTION-* as {@link checkSpace}; OPTION-RANGE for a name that comes twice
 */
export function parseSpace(text: string): Space {
  const trimmed = checkText('space', text).trim();
  return trimmed.startsWith('{') ? readJson(trimmed) : readLine(trimmed);
}

function readLine(text: string): Space {
  const space: Record<string, Parameter> = Object.create(null);
  // A comma ends a parameter; one within a value ('0.9,0.999') has no name and = behind it.
  for (const part of text === '' ? [] : text.split(/,(?=\s*[A-Za-z][\w.-]*\s*=)/)) {
    const at = part.indexOf('=');
    if (at < 1)
      throw new DownhillError(
        'OPTION-RANGE',
        `The space has ${show(part)}, which is no name=range.`,
        'Write lr=log:1e-5..1,momentum=0..0.99.',
      );
    const name = part.slice(0, at).trim();
    if (name in space) throw twice(name);
    space[name] = readParameter(name, part.slice(at + 1).trim());
  }
  return checkSpace({ ...space });
}

function readJson(text: string): Space {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    const { message } = cause as Error;
    throw new DownhillError('DATA-FORMAT', `The space is no JSON: ${message}.`, 'Correct the file.', cause);
  }
  const repeated = repeatedKey(text);
  if (repeated !== undefined) throw twice(repeated);
  return checkSpace(
    Object.fromEntries(
      Object.entries(json as object).map(([name, each]) => [
        name,
        typeof each === 'string' ? readParameter(name, each) : each,
      ]),
    ),
  );
}

const twice = (name: string) =>
  new DownhillError('OPTION-RANGE', `The space has ${show(name)} twice.`, 'Leave one of them out.');

/** A key of the outer object of valid JSON that comes twice: JSON.parse would take the last one and say nothing. */
function repeatedKey(text: string): string | undefined {
  const seen = new Set<string>();
  let depth = 0;
  for (const [token, string, colon] of text.matchAll(/("(?:[^"\\]|\\.)*")(\s*:)?|[{}[\]]/g)) {
    if (token === '{' || token === '[') depth++;
    else if (token === '}' || token === ']') depth--;
    if (depth !== 1 || string === undefined || colon === undefined) continue;
    const key = JSON.parse(string) as string;
    if (seen.has(key)) return key;
    seen.add(key);
  }
  return undefined;
}

function readParameter(name: string, text: string): Parameter {
  const [, kind, rest] = /^(?:([a-z-]+):)?(.*)$/s.exec(text)!;
  const range = /^\s*([^./|]*(?:\.(?!\.)[^./|]*)?)\.\.([^/|]*)(?:\/([^|]*))?$/.exec(rest!);
  if (kind !== undefined && !KINDS.includes(kind)) {
    throw new DownhillError(
      'OPTION-RANGE',
      `The space: ${name} is of a kind ${show(kind)}, which there is not.`,
      suggest(kind, KINDS),
    );
  }
  if (!range || kind === 'choice') {
    if (kind === undefined || kind === 'choice') {
      const values = rest!.split('|');
      if (values.every((value) => value.trim() !== '')) return choice(values.map(readValue));
      throw new DownhillError(
        'OPTION-RANGE',
        `The space: ${name} has an empty value in ${show(rest)}.`,
        `Write ${name}=16|32, or ${name}=0..1.`,
      );
    }
    throw new DownhillError('OPTION-RANGE', `The space: ${name} has no range.`, `Write ${name}=${kind}:1..100.`);
  }
  const [low, high] = [readNumber(name, range[1]!), readNumber(name, range[2]!)];
  const step = range[3] === undefined ? {} : { step: readNumber(name, range[3]) };
  if (kind === 'log') return { ...logUniform(low, high), ...step };
  if (kind === undefined) return uniform(low, high, step);
  return int(low, high, { ...step, ...(kind === 'intlog' && { log: true }) });
}

function readNumber(name: string, text: string): number {
  const value = Number(text);
  if (text.trim() !== '' && (!Number.isNaN(value) || text.trim() === 'NaN')) return value;
  throw new DownhillError(
    'OPTION-RANGE',
    `The space: ${name} needs a number, got ${show(text)}.`,
    `Write ${name}=0..1 or ${name}=log:1e-5..1.`,
  );
}

function readValue(text: string): Value {
  const trimmed = text.trim();
  if (/^(true|false)$/.test(trimmed)) return trimmed === 'true';
  const value = Number(trimmed);
  return trimmed !== '' && !Number.isNaN(value) ? value : trimmed;
}
