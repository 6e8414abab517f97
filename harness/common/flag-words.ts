/**
 * The library's errors name its options; on a command line there are flags. Here is the one table of what stands for what,
 * for errors that a command line can come by.
 */

/** What the library writes, and what it says here. NAME stands for a name in quotes. */
const ROWS: readonly (readonly [api: string, flag: string])[] = [
  // Tables: what is in the way, and how to go about it.
  ['csv.target names', '--target names'],
  ['csv.ignore names', '--ignore names'],
  ['csv.missing names', '--missing names'],
  ['csv names the target NAME twice', 'the target NAME is named twice in --target and --ignore'],
  ["pass decimal: ','", "add --decimal ','"],
  ["pass decimal: '.'", "leave out --decimal ','"],
  [
    "name it in missingValues, or say columns: { NAME: 'category' } or ignore: [NAME]",
    'empty the cell, or leave the column out with --ignore NAME',
  ],
  ['name it in missingValues', 'empty the cell'],
  [
    "pass missing: { NAME: … } with 'mean', 'median', 'category' or a number, or ignore: [NAME]",
    'add --missing NAME=median (or mean, category, a number), or --ignore NAME',
  ],
  ["pass missing: { NAME: … } with 'category', or ignore: [NAME]", 'add --missing NAME=category, or --ignore NAME'],
  ['Leave it out: ignore: [NAME]', 'Leave it out with --ignore NAME'],
  ['Leave it out with ignore: [NAME], or raise maxCategories', 'Leave it out with --ignore NAME'],
  ['or pass the right delimiter', 'or name the right one with --delimiter'],
  ['Pass header: false where the first row is one of values', "Put a row with the columns' names in front"],
  // Tables that are read as one before was.
  ['and the encoding has nothing for it', 'and the network was trained without missing values there'],
  ['or make the encoding with missing set for the column', 'or train with --missing for the column'],
  ['which the encoding does not know; it knows', 'which the network was not trained on; it knows'],
  ['or make the encoding from a file that has it', 'or train on a table that has it'],
  [
    'Pass a file with the columns of the one that the encoding was made from',
    'Use a table with the columns of training',
  ],
  // Batches.
  ['Pass dropLast: true, or another batchSize', 'Add --drop-last, or use another --batch'],
  ['Set batchSize to at least', 'Set --batch to at least'],
  ['or use layerNorm()', 'or use --norm layer'],
  // Rules that go through all data in every step.
  ["Pass sampling: 'full'", 'Leave out --sampling'],
  ['With stochastic: true', 'With --stochastic'],
];

const QUOTED = '("(?:[^"\\\\]|\\\\.)*")';
const literal = (text: string) => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
const PATTERNS = ROWS.map(
  ([api, flag]) => [new RegExp(api.split('NAME').map(literal).join(QUOTED), 'g'), flag] as const,
);

/** A name as a shell takes it. */
const typed = (quoted: string) => (/^"[\w.-]+"$/.test(quoted) ? quoted.slice(1, -1) : quoted);

/** A message or a fix of the library, in words of flags. */
export function inFlags(text: string): string {
  return PATTERNS.reduce(
    (said, [pattern, flag]) =>
      said.replace(pattern, (_, name: unknown) =>
        typeof name === 'string' ? flag.replaceAll('NAME', () => typed(name)) : flag,
      ),
    text,
  );
}
