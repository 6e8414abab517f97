/* Takes hand-written WGSL apart, to carry its functions into other loops. */

/** The text from an opening brace at `open` to the one that closes it, both included. */
function block(code: string, open: number): string {
  let depth = 0;
  for (let at = open; at < code.length; at++) {
    if (code[at] === '{') depth++;
    if (code[at] === '}' && --depth === 0) return code.slice(open, at + 1);
  }
  throw new Error('a brace is not closed');
}

/** The whole function of a name, without the comment above it. */
export function functionText(code: string, name: string): string {
  const start = code.search(new RegExp(`^fn ${name}\\(`, 'm'));
  if (start < 0) throw new Error(`there is no function ${name}`);
  const open = code.indexOf('{', start);
  return code.slice(start, open) + block(code, open);
}

/** All functions but its entry point, in their order. */
export const helpers = (code: string): string =>
  [...code.matchAll(/^fn (\w+)\(/gm)]
    .filter(({ index }) => !/@compute[^\n]*\n$/.test(code.slice(0, index)))
    .map(([, name]) => functionText(code, name!))
    .join('\n\n');

/** What stands between the braces of the function of a name. */
export function bodyOf(code: string, name: string): string {
  const text = functionText(code, name);
  return text.slice(text.indexOf('{') + 1, -1);
}

/** The lines that declare overrides, without those named. */
export const overridesOf = (code: string, without: readonly string[] = []): string =>
  (code.match(/^override .*$/gm) ?? [])
    .filter((line) => !without.some((name) => line.includes(` ${name}:`)))
    .join('\n');

/** The fields of a struct, as text: 'rows: u32', … */
export function fieldsOf(code: string, name: string): string[] {
  const match = new RegExp(`^struct ${name} \\{([^}]*)\\}`, 'm').exec(code);
  if (!match) throw new Error(`there is no struct ${name}`);
  return match[1]!
    .replace(/\/\/.*$/gm, '')
    .split(',')
    .map((field) => field.trim())
    .filter((field) => field !== '');
}

/** So many times the text that `make` gives for a number. */
export const times = (count: number, make: (i: number) => string, between = '\n'): string =>
  Array.from({ length: count }, (_, i) => make(i)).join(between);

/** A long text that several kernels have to the letter: their modules import it by this name, so that it is there once. */
export const shared = (name: string, text: string): string => `//[ ${name}\n${text}\n//]`;

/** A kernel's text in pieces, those with a name shared with others. */
export const pieces = (code: string): { readonly name?: string; readonly text: string }[] =>
  code
    .split(/^(\/\/\[ \w+\n[\s\S]*?)\n\/\/\]$/m)
    .filter((piece) => piece.trim() !== '')
    .map((piece) => {
      const name = /^\/\/\[ (\w+)\n/.exec(piece)?.[1];
      return name === undefined ? { text: piece } : { name, text: piece.slice(piece.indexOf('\n') + 1) };
    });
