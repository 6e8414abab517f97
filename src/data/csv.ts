import { DownhillError, show, suggest } from '../gpu/errors.js';
import { checkChoice, checkInteger, checkOptions } from '../gpu/fields.js';
import { arrays } from './arrays.js';
import {
  type ColumnWish,
  encodeColumn,
  featuresOf,
  fitColumn,
  type Missing,
  numberAt,
  quoted,
  type Reading,
  sortedTexts,
  toNumber,
} from './csv-columns.js';
import { type CsvFormat, type CsvSource, placeOf, readTable, type Table, wrong } from './csv-parse.js';
import type { Dataset, TableEncoding } from './dataset.js';
import { checkSource } from './load.js';
import type { Samples } from './upload.js';

export type { CsvSource, Missing };

/** Options of `csv`. */
export interface CsvOptions extends CsvFormat {
  /**
   * The column to predict, several for a regression of several values: by name, or by place, counted from 0, and from the end
   * where it is negative: -1 is the last one. Needed without `encoding`.
   */
  readonly target?: string | number | readonly (string | number)[];
  /** What the target is. Default: 'values' where all of its values are numbers, else 'classes'. */
  readonly targets?: 'classes' | 'values';
  /** Columns to leave out. */
  readonly ignore?: readonly string[];
  /** What columns are, by name, where that is not what they look like: numbers that are names, say. */
  readonly columns?: Readonly<Record<string, 'number' | 'category'>>;
  /**
   * What to do about missing values, for all columns or by name: 'refuse' (default), 'mean' or 'median' of the column, a
   * number, or 'category': one more category; of numbers the mean, and one more feature that is 1 where it stands for them.
   */
  readonly missing?: Missing | Readonly<Record<string, Missing>>;
  /** Most categories of a column. Default 100. */
  readonly maxCategories?: number;
  /** Of a data set read before, such as the training part: the same columns, categories, fills and classes. */
  readonly encoding?: TableEncoding;
}

/** A data set of a table, with how it was made. */
export type CsvDataset = Dataset & { readonly encoding: TableEncoding };

const FORMAT = ['delimiter', 'decimal', 'header', 'missingValues', 'maxBytes'] as const;
/** Options that make an encoding; with one they have nothing to say. */
const FIT = ['target', 'targets', 'ignore', 'columns', 'missing', 'maxCategories'] as const;
/** As pandas has them, and an empty cell. */
const MISSING = ['', 'NA', 'N/A', 'n/a', '#N/A', '<NA>', 'NaN', 'nan', '-nan', 'null', 'NULL', 'None'];
const MISSING_WAYS: readonly unknown[] = ['refuse', 'mean', 'median', 'category'];

/**
 * A data set of a CSV file: a column of numbers becomes a feature, a column of text one feature per category (one-hot), the
 * target column classes or real numbers.
 *
 * Nothing is scaled: `standardize` does so feature by feature. Other files of the same table (a test part, new samples) get
 * the same columns in the same order, categories, fills and classes with `{ encoding: train.encoding }`; their own columns
 * may lie in another order, and more of them are left out.
 *
 * @param source The text itself, or bytes, a Blob or File, a response, a URL; UTF-8 or UTF-16, gzipped or not.
 * @throws DownhillError DATA-FORMAT with row and column for a missing value, an unknown category, what is no number, rows of
 *   unequal length; DATA-LABEL for an unknown class; DATA-MISMATCH for a missing column; DATA-NOT-FOUND; OPTION-*.
 * @example
 * const train = await csv(text, { target: 'price', missing: { rooms: 'median' }, ignore: ['id'] });
 * const test = await csv(await fetch('/test.csv'), { encoding: train.encoding });
 */
export async function csv(source: CsvSource, options: CsvOptions = {}): Promise<CsvDataset> {
  checkOptions('csv', options, [...FORMAT, ...FIT, 'encoding']);
  if (source !== '') checkSource('csv', source);
  const format = formatOf(options);
  const reading = readingOf('csv', format);
  if (options.encoding !== undefined) {
    const known = checkEncoding('csv', options);
    return encode(await readTable('csv', source, format), known, reading);
  }
  const wishes = checkWishes(options);
  const table = await readTable('csv', source, format);
  const { delimiter, decimal } = options;
  const written = { ...(delimiter !== undefined && { delimiter }), ...(decimal !== undefined && { decimal }) };
  return encode(table, Object.freeze({ ...fitTable(table, wishes, reading), ...written }), reading);
}

/**
 * Samples of a CSV file without targets, to predict from: read as a data set was, whose `encoding` is given.
 *
 * @param options `encoding`, and how the file is written. Columns that are no features, targets among them, are left out.
 * @returns Raw values: the trainer scales them as its training data with `trainer.predict(samples.x)`.
 * @throws DownhillError as `csv`.
 */
export async function csvSamples(
  source: CsvSource,
  options: CsvFormat & { readonly encoding: TableEncoding },
): Promise<Samples & Pick<Dataset, 'featureNames'>> {
  checkOptions('csvSamples', options, [...FORMAT, 'encoding']);
  if (source !== '') checkSource('csvSamples', source);
  const format = formatOf(options);
  const reading = readingOf('csvSamples', format);
  const encoding = checkEncoding('csvSamples', options);
  return Object.freeze({
    ...features(await readTable('csvSamples', source, format), encoding, reading),
    scale: 1,
    shift: 0,
  });
}

/** How a file is written: as that of the encoding was, where nothing else is said. */
function formatOf(options: CsvFormat & { readonly encoding?: TableEncoding }): CsvFormat {
  const known: Partial<TableEncoding> = options.encoding ?? {};
  const [delimiter, decimal] = [options.delimiter ?? known.delimiter, options.decimal ?? known.decimal];
  return { ...options, ...(delimiter !== undefined && { delimiter }), ...(decimal !== undefined && { decimal }) };
}

function readingOf(where: string, { decimal = '.', missingValues = MISSING }: CsvFormat): Reading {
  checkTexts(`${where}.missingValues`, missingValues);
  return {
    decimal: checkChoice(`${where}.decimal`, decimal, ['.', ',']),
    missing: new Set(missingValues.map((text) => text.trim())),
  };
}

function checkTexts(where: string, value: unknown): asserts value is readonly string[] {
  if (Array.isArray(value) && value.every((each) => typeof each === 'string')) return;
  throw new DownhillError('OPTION-TYPE', `${where} must be a list of strings, got ${show(value)}.`, 'Pass strings.');
}

function checkEncoding(where: string, options: CsvOptions): TableEncoding {
  const { encoding } = options;
  const other = FIT.find((name) => options[name] !== undefined);
  if (other) {
    throw new DownhillError(
      'OPTION-RANGE',
      `${where} got ${other} beside an encoding, which says all about the columns.`,
      `Leave out ${other}.`,
    );
  }
  const texts = (list: unknown) => Array.isArray(list) && list.every((text) => typeof text === 'string');
  const column = ({ name, kind, fill, categories }: Record<string, unknown>) =>
    typeof name === 'string' &&
    (kind === 'number' ? fill === undefined || Number.isFinite(fill) : kind === 'category' && texts(categories));
  const { version, columns, target } = (encoding ?? {}) as Partial<Record<keyof TableEncoding, unknown>>;
  const { kind, name, names, labels } = (target ?? {}) as Record<string, unknown>;
  const known = kind === 'values' ? texts(names) : kind === 'classes' && typeof name === 'string' && texts(labels);
  if (version === 1 && known && Array.isArray(columns) && columns.every((each) => each && column(each)))
    return encoding!;
  throw new DownhillError(
    'OPTION-TYPE',
    `${where}.encoding must be that of a data set, got ${show(encoding)}.`,
    'Pass train.encoding, where train is what csv() returned.',
  );
}

interface Wishes {
  readonly target: readonly (string | number)[];
  readonly targets: CsvOptions['targets'];
  readonly ignore: readonly string[];
  readonly columns: Readonly<Record<string, 'number' | 'category'>>;
  readonly missing: Missing | Readonly<Record<string, Missing>>;
  readonly maxCategories: number;
}

function checkWishes(options: CsvOptions): Wishes {
  const { targets, ignore = [], columns = {}, missing = 'refuse' } = options;
  const target = Array.isArray(options.target) ? options.target : options.target === undefined ? [] : [options.target];
  checkTexts(
    'csv.target',
    target.map((each) => (Number.isInteger(each) ? '' : each)),
  );
  checkTexts('csv.ignore', ignore);
  if (targets !== undefined) checkChoice('csv.targets', targets, ['classes', 'values']);
  for (const [name, kind] of Object.entries(checkRecord('csv.columns', columns)))
    checkChoice(`csv.columns[${show(name)}]`, kind, ['number', 'category']);
  const ways = typeof missing === 'object' ? Object.entries(checkRecord('csv.missing', missing)) : [['', missing]];
  for (const [name, way] of ways) {
    if (MISSING_WAYS.includes(way) || (typeof way === 'number' && Number.isFinite(way))) continue;
    throw new DownhillError(
      'OPTION-RANGE',
      `csv.missing${name ? `[${show(name)}]` : ''} must be a finite number or one of ${MISSING_WAYS.join(', ')}, got ${show(way)}.`,
      "Pass 'mean' or 'median', say.",
    );
  }
  const maxCategories = checkInteger('csv.maxCategories', options.maxCategories ?? 100, 1);
  return { target, targets, ignore, columns, missing, maxCategories };
}

function checkRecord(where: string, value: unknown): Record<string, unknown> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  throw new DownhillError(
    'OPTION-TYPE',
    `${where} must be an object, got ${show(value)}.`,
    'Pass { name: … } by column.',
  );
}

/** Columns by name; those named must be there. */
function columnsOf({ where, names }: Table, options: Readonly<Record<string, readonly string[]>>) {
  const byName = new Map(names.map((name, i) => [name, i]));
  for (const [option, wanted] of Object.entries(options)) {
    for (const name of wanted) {
      if (byName.has(name)) continue;
      throw new DownhillError(
        'OPTION-RANGE',
        `${option} names ${show(name)}, but ${where} has the columns ${quoted(names)}.`,
        names.every((each) => toNumber(each, '.') !== undefined)
          ? 'Pass header: false where the first row is one of values.'
          : suggest(name, names.slice(0, 12)),
      );
    }
  }
  return byName;
}

/** @throws DownhillError as `csv` */
function fitTable(table: Table, wishes: Wishes, reading: Reading): TableEncoding {
  const { where, names } = table;
  const { ignore, columns, missing, maxCategories } = wishes;
  const target = wishes.target.map((each) => (typeof each === 'number' ? (names.at(each) ?? `column ${each}`) : each));
  const byName = columnsOf(table, {
    'csv.target': target,
    'csv.ignore': ignore,
    'csv.columns': Object.keys(columns),
    'csv.missing': typeof missing === 'object' ? Object.keys(missing) : [],
  });
  if (target.length === 0) {
    throw new DownhillError(
      'OPTION-RANGE',
      `csv needs to know what to predict. ${where} has the columns ${quoted(names)}.`,
      `Pass target: ${show(names.at(-1))}, say.`,
    );
  }
  const twice = target.find((name, i) => target.indexOf(name) < i || ignore.includes(name));
  if (twice !== undefined) {
    throw new DownhillError('OPTION-RANGE', `csv names the target ${show(twice)} twice.`, 'Name every column once.');
  }
  const features = names.filter((name) => !target.includes(name) && !ignore.includes(name));
  if (features.length === 0) throw wrong(where, 'has no column but the target', 'Pass a file with features.');
  const own = <T>(record: Readonly<Record<string, T>>, name: string) =>
    Object.hasOwn(record, name) ? record[name] : undefined;
  const wish = (name: string): ColumnWish => ({
    kind: own(columns, name),
    missing: typeof missing === 'object' ? (own(missing, name) ?? 'refuse') : missing,
    maxCategories,
  });
  return Object.freeze({
    version: 1,
    columns: Object.freeze(features.map((name) => fitColumn(table, byName.get(name)!, reading, wish(name)))),
    target: fitTarget(table, target, wishes.targets, reading),
  });
}

function fitTarget(
  table: Table,
  target: readonly string[],
  wanted: CsvOptions['targets'],
  reading: Reading,
): TableEncoding['target'] {
  const { where, names, rows } = table;
  const column = names.indexOf(target[0]!);
  const numeric = () => rows.every((cells) => toNumber(cells[column]!, reading.decimal) !== undefined);
  if ((wanted ?? (target.length > 1 || numeric() ? 'values' : 'classes')) === 'values') {
    return { kind: 'values', names: target };
  }
  if (target.length > 1) {
    throw new DownhillError(
      'OPTION-RANGE',
      `csv got ${target.length} targets of classes: ${quoted(target)}.`,
      'Name one column of classes, or several of numbers.',
    );
  }
  const labels = new Set<string>();
  for (const row of rows.keys()) labels.add(labelAt(table, row, column, reading));
  if (labels.size > 1) return { kind: 'classes', name: target[0]!, labels: sortedTexts(labels) };
  throw wrong(
    where,
    `has the one class ${quoted([...labels])} in column ${column + 1} (${show(target[0])})`,
    'Pass rows of at least 2 classes.',
  );
}

function labelAt(table: Table, row: number, column: number, { missing }: Reading): string {
  const cell = table.rows[row]![column]!;
  if (!missing.has(cell)) return cell;
  throw noTarget(table, row, column);
}

const noTarget = (table: Table, row: number, column: number) =>
  wrong(table.where, `has no value to predict in ${placeOf(table, row, column)}`, 'Fill it in, or remove the row.');

function features(table: Table, { columns }: TableEncoding, reading: Reading) {
  const byName = new Map(table.names.map((name, i) => [name, i]));
  const featureNames = columns.flatMap(featuresOf);
  const [samples, width] = [table.rows.length, featureNames.length];
  const x = new Float32Array(samples * width);
  let first = 0;
  for (const encoding of columns) {
    const column = columnIn(table, byName, encoding.name);
    encodeColumn(table, column, encoding, reading, { x, width, first });
    first += featuresOf(encoding).length;
  }
  return { samples, features: width, x, featureNames };
}

function columnIn({ where, names }: Table, byName: ReadonlyMap<string, number>, name: string): number {
  const column = byName.get(name);
  if (column !== undefined) return column;
  throw new DownhillError(
    'DATA-MISMATCH',
    `${where} lacks the column ${show(name)}; it has ${quoted(names)}.`,
    'Pass a file with the columns of the one that the encoding was made from.',
  );
}

function encode(table: Table, encoding: TableEncoding, reading: Reading): CsvDataset {
  const { x, features: width, featureNames } = features(table, encoding, reading);
  const byName = new Map(table.names.map((name, i) => [name, i]));
  const { target } = encoding;
  const made =
    target.kind === 'classes'
      ? arrays({
          ...{ x, features: width, featureNames, labels: target.labels, targetNames: [target.name] },
          y: classesIn(table, columnIn(table, byName, target.name), target.labels, reading),
        })
      : arrays({
          ...{ x, features: width, featureNames, targetNames: target.names },
          y: valuesIn(
            table,
            target.names.map((name) => columnIn(table, byName, name)),
            reading,
          ),
        });
  return Object.freeze({ ...made, encoding });
}

function classesIn(table: Table, column: number, labels: readonly string[], reading: Reading): Uint32Array {
  const index = new Map(labels.map((label, i) => [label, i]));
  return Uint32Array.from(table.rows, (_, row) => {
    const label = labelAt(table, row, column, reading);
    const found = index.get(label);
    if (found !== undefined) return found;
    throw new DownhillError(
      'DATA-LABEL',
      `${table.where} has the class ${show(label)} in ${placeOf(table, row, column)}, which the encoding does not know; it knows ${quoted(labels)}.`,
      'Correct it, or make the encoding from a file that has it.',
    );
  });
}

function valuesIn(table: Table, columns: readonly number[], reading: Reading): Float32Array {
  const values = new Float32Array(table.rows.length * columns.length);
  for (const [row, cells] of table.rows.entries()) {
    for (const [i, column] of columns.entries()) {
      if (reading.missing.has(cells[column]!)) throw noTarget(table, row, column);
      values[row * columns.length + i] = numberAt(table, row, column, reading);
    }
  }
  return values;
}
