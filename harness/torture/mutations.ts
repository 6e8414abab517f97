/** Small mistakes that a hand could make in a kernel, found by pattern in its text. */

export interface Mutation {
  readonly name: string;
  /** With `g`; in a text without comments. */
  readonly find: RegExp;
  readonly replace: string;
}

/** A place of a text where a mutation can be made. */
export interface Site {
  readonly line: number;
  readonly before: string;
  readonly after: string;
  /** The whole text with it. */
  readonly text: string;
}

export const MUTATIONS: readonly Mutation[] = [
  { name: 'sign', find: /(?<=[\w)\]] )\+(?= [\w(])/g, replace: '-' },
  { name: 'sign', find: /(?<=[\w)\]] )-(?= [\w(])/g, replace: '+' },
  { name: 'epsilon', find: /sqrt\((\w+)\)((?: \* [\w.]+)?) \+ ([\w.]*eps\w*)/g, replace: 'sqrt($1 + $3)$2' },
  { name: 'epsilon', find: /sqrt\((\w+) \+ ([\w.]*eps\w*)\)/g, replace: '(sqrt($1) + $2)' },
  { name: 'epsilon', find: / \+ [\w.]*eps\w*/g, replace: '' },
  { name: 'off by one', find: /(?<=var \w+ = )0u(?=; \w+ <)/g, replace: '1u' },
  { name: 'off by one', find: /(?<=; )(\w+)(?= < [^;]+; )/g, replace: '$1 + 1u' },
  { name: 'off by one', find: / [+-] 1u(?=[\];)])/g, replace: '' },
  // In front of another barrier nobody can tell whether it is there: that one waits for all lanes, too.
  { name: 'barrier', find: /workgroupBarrier\(\);(?!\s*storageBarrier)/g, replace: '' },
  { name: 'fold', find: /\b(\w+) \+= (?=\w+\[)/g, replace: '$1 = ' },
  { name: 'fold', find: /(?<=; \w+ \+= )([A-Z]\w+)(?=\))/g, replace: '2u * $1' },
  { name: 'operands', find: /\(([\w.]+) - ([\w.]+)\)/g, replace: '($2 - $1)' },
  { name: 'operands', find: /([\w.]+) \/ ([\w.]*[a-z_]\w*)(?=[;,)])/g, replace: '$2 / $1' },
  { name: 'operands', find: /select\(([^(),]+), ([^(),]+), /g, replace: 'select($2, $1, ' },
];

/** Kinds of mistakes: each is as likely, however many patterns it has. */
export const KINDS: readonly string[] = [...new Set(MUTATIONS.map(({ name }) => name))];

/** The generator writes a file from this line on: a mutation would be undone. */
const GENERATED = /^\/\/ ---- Written by/m;

/**
 * What no test can notice, with why.
 *
 * @param line the mutated line, before
 */
interface Equivalent {
  readonly kind: string;
  readonly line: RegExp;
  readonly why: string;
}

export const EQUIVALENT: readonly Equivalent[] = [
  {
    kind: 'off by one',
    line: /min\(row \+ \du, rows - 1u\)/,
    why: 'Lanes beyond the last row read it again, and are not stored: the one behind it, or its padding, does as well.',
  },
  {
    kind: 'off by one',
    line: /&bins\[min\(/,
    why: 'An index beyond an array is taken as that of its last element: so Dawn keeps accesses within bounds.',
  },
];

/** Where mistakes of a kind can be made in a kernel's text. */
export function sitesOf(text: string, kind: string): Site[] {
  const end = text.search(GENERATED);
  // Of the same length, so that places are those of the text.
  const code = text.slice(0, end < 0 ? undefined : end).replace(/\/\/.*/g, (comment) => ' '.repeat(comment.length));
  const sites: Site[] = [];
  for (const { name, find, replace } of MUTATIONS) {
    if (name !== kind) continue;
    code.replace(find, (found, ...rest) => {
      const at = rest.at(-2) as number;
      const wrong = replace.replace(/\$(\d)/g, (_, group) => rest[Number(group) - 1] ?? '');
      if (wrong !== found) sites.push(siteOf(text, at, found.length, wrong));
      return found;
    });
  }
  return sites.filter(({ before }) => !EQUIVALENT.some((each) => each.kind === kind && each.line.test(before)));
}

function siteOf(text: string, at: number, length: number, wrong: string): Site {
  const mutated = text.slice(0, at) + wrong + text.slice(at + length);
  const line = text.slice(0, at).split('\n').length;
  const lineOf = (each: string) => each.split('\n')[line - 1]!.trim();
  return { line, before: lineOf(text), after: lineOf(mutated), text: mutated };
}
