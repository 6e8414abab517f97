/** What stays on one line. */
const WIDTH = 110;

/**
 * JSON for people and for diffs: what fits a line stands on one, and lists of numbers always do.
 *
 * @param value plain data
 */
export function json(value: unknown, indent = ''): string {
  const line = oneLine(value);
  const numbers = Array.isArray(value) && value.every((each) => typeof each === 'number');
  if (typeof value !== 'object' || value === null || numbers || indent.length + line.length <= WIDTH) return line;
  const inner = `${indent} `;
  const parts = Array.isArray(value)
    ? value.map((each) => json(each, inner))
    : entriesOf(value).map(([key, each]) => `${JSON.stringify(key)}: ${json(each, inner)}`);
  const [open, close] = Array.isArray(value) ? '[]' : '{}';
  return `${open}\n${parts.map((part) => inner + part).join(',\n')}\n${indent}${close}`;
}

const entriesOf = (value: object) => Object.entries(value).filter(([, each]) => each !== undefined);

function oneLine(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(oneLine).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const parts = entriesOf(value).map(([key, each]) => `${JSON.stringify(key)}: ${oneLine(each)}`);
  return parts.length ? `{ ${parts.join(', ')} }` : '{}';
}
