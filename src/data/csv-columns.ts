import { type DownhillError, show } from '../gpu/errors.js';
import { placeOf, type Table, wrong } from './csv-parse.js';
import type { ColumnEncoding } from './dataset.js';

/* What the columns of a table are: found out from a training file, then the same for every other one. */

/** What to do about missing values. */
export type Missing = 'refuse' | 'mean' | 'median' | 'category' | number;

/** How cells are read. */
export interface Reading {
  readonly decimal: '.' | ',';
  readonly missing: ReadonlySet<string>;
}

/** What a person says of a feature's column. */
export interface ColumnWish {
  readonly kind?: 'number' | 'category';
  readonly missing: Missing;
  readonly maxCategories: number;
}

const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;
/** Numbers as other countries write them: they must not pass for names of categories. */
const FOREIGN_NUMBER = /^[+-]?\d*([.,]\d+)+$/;

/** The number that a cell is; undefined where it is none, or none that float32 holds. */
export function toNumber(cell: string, decimal: '.' | ','): number | undefined {
  const text = decimal === ',' && !cell.includes('.') ? cell.replace(',', '.') : decimal === ',' ? '' : cell;
  if (!NUMBER.test(text)) return undefined;
  const value = Number(text);
  return Number.isFinite(Math.fround(value)) ? value : undefined;
}

/** Sorted by number where all are numbers, else by code unit: the same in every engine and language. */
export function sortedTexts(texts: Iterable<string>): string[] {
  const all = [...texts];
  const numbers = new Map(all.map((text) => [text, toNumber(text, '.')]));
  const numeric = [...numbers.values()].every((value) => value !== undefined);
  return all.sort((a, b) => (numeric && numbers.get(a)! - numbers.get(b)!) || (a < b ? -1 : a > b ? 1 : 0));
}

export const quoted = (names: readonly string[]) => {
  const shown = names.slice(0, 12).map((name) => show(name));
  return shown.join(', ') + (names.length > 12 ? ` and ${names.length - 12} more` : '');
};

/**
 * What a column of a training file is: numbers, where all of its values are; else categories.
 *
 * @throws DownhillError DATA-FORMAT with the place of a value that fits neither
 */
export function fitColumn(table: Table, column: number, reading: Reading, wish: ColumnWish): ColumnEncoding {
  const name = table.names[column]!;
  const kind = wish.kind ?? inferKind(table, column, reading);
  return kind === 'number'
    ? fitNumbers(table, column, name, reading, wish)
    : fitCategories(table, column, name, reading, wish);
}

function inferKind(table: Table, column: number, { decimal, missing }: Reading): 'number' | 'category' {
  const { where, rows } = table;
  let [numbers, text] = [0, -1];
  for (const [row, cells] of rows.entries()) {
    const cell = cells[column]!;
    if (missing.has(cell)) continue;
    if (toNumber(cell, decimal) !== undefined) numbers++;
    else if (FOREIGN_NUMBER.test(cell)) {
      throw wrong(
        where,
        `has ${show(cell)} in ${placeOf(table, row, column)}, which is no number: the decimal sign is '${decimal}'`,
        `Correct it, or pass decimal: '${decimal === '.' ? ',' : '.'}'.`,
      );
    } else if (text < 0) text = row;
  }
  const name = show(table.names[column]);
  if (text >= 0 && numbers > 0) {
    throw wrong(
      where,
      `has ${show(rows[text]![column])} in ${placeOf(table, text, column)}, which is no number, while ${numbers} others of the column are`,
      `Correct it, name it in missingValues, or say columns: { ${name}: 'category' } or ignore: [${name}].`,
    );
  }
  if (text >= 0 || numbers > 0) return text >= 0 ? 'category' : 'number';
  throw wrong(where, `has no value in column ${column + 1} (${name})`, `Leave it out: ignore: [${name}].`);
}

function fitNumbers(
  table: Table,
  column: number,
  name: string,
  reading: Reading,
  { missing }: ColumnWish,
): ColumnEncoding {
  const values: number[] = [];
  for (const [row, cells] of table.rows.entries()) {
    if (reading.missing.has(cells[column]!)) {
      if (missing === 'refuse') throw missingAt(table, row, column, "'mean', 'median', 'category' or a number");
    } else values.push(numberAt(table, row, column, reading));
  }
  if (values.length === 0 && typeof missing !== 'number') {
    throw wrong(
      table.where,
      `has no value in column ${column + 1} (${show(name)})`,
      `Leave it out: ignore: [${show(name)}].`,
    );
  }
  checkPrecision(table, column, name, values);
  if (missing === 'refuse') return { name, kind: 'number' };
  const fill = typeof missing === 'number' ? missing : missing === 'median' ? median(values) : mean(values);
  return { name, kind: 'number', fill, ...(missing === 'category' && { indicator: true }) };
}

const mean = (values: readonly number[]) => {
  const origin = values[0]!;
  return origin + values.reduce((sum, value) => sum + (value - origin), 0) / values.length;
};

function median(values: readonly number[]): number {
  const sorted = Float64Array.from(values).sort();
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** Samples are float32: what tells the values apart must not be rounded away, as of dates in seconds. */
function checkPrecision(table: Table, column: number, name: string, values: readonly number[]): void {
  let [low, high, error] = [Infinity, -Infinity, 0];
  for (const value of values) {
    low = Math.min(low, value);
    high = Math.max(high, value);
    error = Math.max(error, Math.abs(Math.fround(value) - value));
  }
  if (!(error > (high - low) / 1000) || high === low) return;
  throw wrong(
    table.where,
    `has values from ${low} to ${high} in column ${column + 1} (${show(name)}), which float32 rounds by up to ${error}`,
    'Subtract the smallest value from the column.',
  );
}

function fitCategories(
  table: Table,
  column: number,
  name: string,
  reading: Reading,
  { missing, maxCategories }: ColumnWish,
): ColumnEncoding {
  const found = new Set<string>();
  for (const [row, cells] of table.rows.entries()) {
    const cell = cells[column]!;
    if (!reading.missing.has(cell)) found.add(cell);
    else if (missing !== 'category') throw missingAt(table, row, column, "'category'");
  }
  if (found.size > maxCategories) {
    throw wrong(
      table.where,
      `has ${found.size} categories in column ${column + 1} (${show(name)}), more than ${maxCategories}`,
      `Leave it out with ignore: [${show(name)}], or raise maxCategories.`,
    );
  }
  const categories = sortedTexts(found);
  return { name, kind: 'category', categories, ...(missing === 'category' && { missing: true }) };
}

export function missingAt(table: Table, row: number, column: number, choices: string): DownhillError {
  const name = show(table.names[column]);
  return wrong(
    table.where,
    `has no value in ${placeOf(table, row, column)}`,
    `Fill it in, or pass missing: { ${name}: … } with ${choices}, or ignore: [${name}].`,
  );
}

/** @throws DownhillError DATA-FORMAT with the place */
export function numberAt(table: Table, row: number, column: number, { decimal }: Reading): number {
  const cell = table.rows[row]![column]!;
  const value = toNumber(cell, decimal);
  if (value !== undefined) return value;
  const foreign = FOREIGN_NUMBER.test(cell);
  throw wrong(
    table.where,
    `has ${show(cell)} in ${placeOf(table, row, column)}, which is no number${foreign ? `: the decimal sign is '${decimal}'` : ' that float32 holds'}`,
    foreign
      ? `Correct it, or pass decimal: '${decimal === '.' ? ',' : '.'}'.`
      : 'Correct it, or name it in missingValues.',
  );
}

/** Features that a column becomes. */
export function featuresOf(column: ColumnEncoding): string[] {
  const { name } = column;
  const missing = `${name} (missing)`;
  if (column.kind === 'number') return column.indicator ? [name, missing] : [name];
  return [...column.categories.map((category) => `${name}=${category}`), ...(column.missing ? [missing] : [])];
}

/**
 * Writes the features of one column: `first` is where they begin in a row of `width` values, which are 0 before.
 *
 * @throws DownhillError DATA-FORMAT with the place of a value that is missing, no number or an unknown category
 */
export function encodeColumn(
  table: Table,
  column: number,
  encoding: ColumnEncoding,
  reading: Reading,
  into: { readonly x: Float32Array; readonly width: number; readonly first: number },
): void {
  const { x, width, first } = into;
  const index = encoding.kind === 'category' ? new Map(encoding.categories.map((name, i) => [name, i])) : undefined;
  for (const [row, cells] of table.rows.entries()) {
    const cell = cells[column]!;
    const at = row * width + first;
    const missing = reading.missing.has(cell);
    if (encoding.kind === 'number') {
      if (missing && encoding.fill === undefined) throw missingIn(table, row, column);
      x[at] = missing ? encoding.fill! : numberAt(table, row, column, reading);
      if (missing && encoding.indicator) x[at + 1] = 1;
      continue;
    }
    if (missing && !encoding.missing) throw missingIn(table, row, column);
    const place = missing ? encoding.categories.length : index!.get(cell);
    if (place === undefined) throw unknownCategory(table, row, column, encoding.categories);
    x[at + place] = 1;
  }
}

/** Of a file that is read as another was, which had no missing values or refused them. */
const missingIn = (table: Table, row: number, column: number) =>
  wrong(
    table.where,
    `has no value in ${placeOf(table, row, column)}, and the encoding has nothing for it`,
    'Fill it in, or make the encoding with missing set for the column.',
  );

const unknownCategory = (table: Table, row: number, column: number, known: readonly string[]) =>
  wrong(
    table.where,
    `has the category ${show(table.rows[row]![column])} in ${placeOf(table, row, column)}, which the encoding does not know; it knows ${quoted(known)}`,
    'Correct it, or make the encoding from a file that has it.',
  );
