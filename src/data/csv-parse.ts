import Papa from 'papaparse';
import { DownhillError, show } from '../gpu/errors.js';
import { checkFlag, checkInteger } from '../gpu/fields.js';
import { heapLimit } from './heap.js';
import { formatBytes, gunzip, isGzip, isZip, readSource, type Source } from './load.js';

/**
 * Where a table comes from: its text, or its bytes, a Blob or File, a response, or a URL to fetch; gzipped or not. A string is
 * the text itself, never an address.
 */
export type CsvSource = Source;

/** How a file is written. */
export interface CsvFormat {
  /** Between fields. Default: found out, one of comma, tab, bar and semicolon. */
  readonly delimiter?: string;
  /** Default '.'. */
  readonly decimal?: '.' | ',';
  /** Whether the first row names the columns. Default true; else they are 'column 1', 'column 2' … */
  readonly header?: boolean;
  /** What stands for no value. Default: nothing, and NA, N/A, NaN, null and None in their usual spellings. */
  readonly missingValues?: readonly string[];
  /** Largest file to accept, in bytes, as it is and decompressed. Default 256 MiB. */
  readonly maxBytes?: number;
}

/** Rows of text, all of one width. */
export interface Table {
  /** In front of messages. */
  readonly where: string;
  readonly names: readonly string[];
  readonly rows: readonly (readonly string[])[];
  /** Of each row in the file, where the first one, be it a header, is 1: as spreadsheets count. */
  readonly numbers: readonly number[];
}

const MAX_BYTES = 2 ** 28;

export const wrong = (where: string, what: string, fix: string) =>
  new DownhillError('DATA-FORMAT', `${where} ${what}.`, fix);

/** "row 5, column 2 ("age")" */
export const placeOf = ({ names, numbers }: Table, row: number, column: number) =>
  `row ${numbers[row]}, column ${column + 1} (${show(names[column])})`;

/** Reads a source and takes it apart. Cells are trimmed; rows without a character are left out. */
export async function readTable(name: string, source: CsvSource, format: CsvFormat): Promise<Table> {
  const maxBytes = checkInteger(`${name}.maxBytes`, format.maxBytes ?? MAX_BYTES, 1);
  const header = checkFlag(`${name}.header`, format.header ?? true);
  const delimiter = format.delimiter === undefined ? '' : checkDelimiter(name, format.delimiter);
  const { where, text } = await readText(name, source, maxBytes);
  if (/^\s*<(!doctype|html|head|body|\?xml)/i.test(text)) {
    throw wrong(where, 'is a web page or XML, not a table', 'Check the address: the server answers it with a page.');
  }
  const empty = () => wrong(where, 'is empty', 'Pass a file with a header and at least one row.');
  if (text.trim() === '') throw empty();
  checkHeap(where, text, delimiter);
  // Cells of a table with decimal commas hold as many commas in every row: they would pass for the delimiter.
  const delimitersToGuess = [...(format.decimal === ',' ? [] : [',']), '\t', '|', ';'];
  // Papa counts an empty last line when it guesses: a short table would be one column.
  const { data, errors } = Papa.parse<string[]>(text.replace(/[\r\n]+$/, ''), { delimiter, delimitersToGuess });
  const quotes = errors.find(({ type }) => type === 'Quotes');
  if (quotes) {
    throw wrong(
      where,
      `has a quote that does not ${quotes.code === 'MissingQuotes' ? 'end' : 'end at a delimiter'} in row ${(quotes.row ?? 0) + 1}`,
      'Close the quoted field, and write a quote in it twice.',
    );
  }
  const records = data
    .map((cells, i) => ({ number: i + 1, cells: cells.map((cell) => cell.trim()) }))
    .filter(({ cells }) => cells.length > 1 || cells[0] !== '');
  const first = records[0];
  if (!first) throw empty(); // nothing but quotes
  const names = header ? namesOf(where, first.cells) : first.cells.map((_, i) => `column ${i + 1}`);
  const body = header ? records.slice(1) : records;
  if (body.length === 0) throw wrong(where, 'has a header but no rows', 'Pass a file with at least one row of values.');
  const ragged = body.find(({ cells }) => cells.length !== names.length);
  if (ragged) {
    throw wrong(
      where,
      `has ${ragged.cells.length} field${ragged.cells.length === 1 ? '' : 's'} in row ${ragged.number}, where ${names.length} were expected as in row ${first.number}`,
      'Complete the row, quote fields that hold the delimiter, or pass the right delimiter.',
    );
  }
  return { where, names, rows: body.map(({ cells }) => cells), numbers: body.map(({ number }) => number) };
}

/** Bytes that a row and a cell of one take while they are taken apart: measured with 1 to 50 columns, up to 420 for 2. */
const [ROW_BYTES, CELL_BYTES] = [300, 50];
/** Texts below that fit anywhere, were they all line ends. */
const SMALL_TEXT = 2 ** 21;

/** JavaScript ends a program whose objects become too many: this is known before. */
function checkHeap(where: string, text: string, delimiter: string): void {
  if (text.length < SMALL_TEXT) return;
  const counts = new Uint32Array(2 ** 16);
  for (let i = 0; i < text.length; i++) counts[text.charCodeAt(i)]!++;
  const [feeds, returns, ...marks] = ['\n', '\r', ...(delimiter || ',\t|;')].map((mark) => counts[mark.charCodeAt(0)]!);
  const rows = Math.max(feeds!, returns!) + 1;
  const cells = rows + Math.max(...marks);
  const [size, most] = [rows * ROW_BYTES + cells * CELL_BYTES, heapLimit()];
  if (size <= most) return;
  const [some, all] = [rows, cells].map((count) => count.toLocaleString('en-US'));
  throw wrong(
    where,
    `has ${some} rows and ${all} cells, which take some ${formatBytes(size)} as a table; JavaScript has ${formatBytes(most)} here`,
    'Save it as .npy, or split it; in Node --max-old-space-size raises the limit.',
  );
}

function namesOf(where: string, cells: readonly string[]): string[] {
  const names = cells.map((name, i) => name || `column ${i + 1}`);
  const again = names.findIndex((name, i) => names.indexOf(name) < i);
  if (again < 0) return names;
  throw wrong(
    where,
    `names columns ${names.indexOf(names[again]!) + 1} and ${again + 1} alike: ${show(names[again])}`,
    'Give every column a name of its own.',
  );
}

function checkDelimiter(name: string, delimiter: unknown): string {
  if (typeof delimiter === 'string' && delimiter.length === 1 && !/["\r\n\ufeff]/.test(delimiter)) return delimiter;
  throw new DownhillError(
    'OPTION-RANGE',
    `${name}.delimiter must be one character, and no quote or line end, got ${show(delimiter)}.`,
    "Pass ',', ';' or '\\t', or leave it out.",
  );
}

async function readText(name: string, source: CsvSource, maxBytes: number): Promise<{ where: string; text: string }> {
  if (typeof source === 'string') {
    if (/^\s*([a-z]+:\/\/\S+|\S*\.csv(\.gz)?)\s*$/i.test(source)) {
      throw new DownhillError(
        'OPTION-TYPE',
        `${name} got ${show(source)}: a string is the text of a table, not its address.`,
        'Pass new URL(…) or what fetch returned; for a file in Node its bytes.',
      );
    }
    if (source.length > maxBytes) throw wrong(name, `is larger than maxBytes (${maxBytes})`, 'Raise maxBytes.');
    return { where: name, text: source.replace(/^\ufeff/, '') };
  }
  const file = typeof File !== 'undefined' && source instanceof File ? ` (${show(source.name)})` : '';
  const { name: where, bytes } = await readSource(`${name}${file}`, source, maxBytes);
  return { where, text: decode(where, isGzip(bytes) ? await gunzip(where, bytes, maxBytes, undefined) : bytes) };
}

const RESAVE = 'Save it as CSV in UTF-8.';

/** Text of UTF-8, or of UTF-16 where it begins with its mark. */
function decode(where: string, bytes: Uint8Array): string {
  if (isZip(bytes)) throw wrong(where, 'is a spreadsheet or an archive, not text', RESAVE);
  const mark = bytes[0]! * 256 + bytes[1]!;
  const encoding = mark === 0xfffe ? 'utf-16le' : mark === 0xfeff ? 'utf-16be' : 'utf-8';
  // Of shared memory, which decoders refuse, a copy.
  const plain = bytes.buffer instanceof ArrayBuffer ? (bytes as Uint8Array<ArrayBuffer>) : new Uint8Array(bytes);
  const text = new TextDecoder(encoding).decode(plain);
  const bad = /[\ufffd\0]/.exec(text);
  if (!bad) return text;
  const line = text.slice(0, bad.index).split('\n').length;
  throw wrong(where, `is no ${encoding.toUpperCase()} text: line ${line} holds bytes that are none`, RESAVE);
}
