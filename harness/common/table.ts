/** Tables and labelled lines. A column is described once; a terminal, a Markdown file and a page show what it says. */
import type { Paint, Style } from './paint.js';

export interface Column<Row> {
  readonly title: string;
  /** What it is, where a page has room for it. */
  readonly help?: string;
  /** Right, as numbers are, unless said otherwise. */
  readonly align?: 'left';
  /** As people read it, unit and all; '' where there is nothing to say. */
  readonly text: (row: Row) => string;
  /** In Markdown, where it is more than the escaped text. */
  readonly markdown?: (row: Row) => string;
  /** In a terminal. */
  readonly style?: (row: Row) => Style | undefined;
  /** Belongs to the number before it: a page shows it fainter. */
  readonly faint?: boolean;
  /** Where a terminal has no room, columns of the greatest number go first; those without stay. */
  readonly drop?: number;
  /** Characters to which its texts may be cut in a terminal. */
  readonly least?: number;
}

/** Bars behind the columns of a terminal's table. */
export interface Bars<Row> {
  readonly title: string;
  /** Of the longest bar, from 0 to 1. */
  readonly share: (row: Row) => number;
  readonly style: (row: Row) => Style;
  /** Characters of the longest: as many as there is room for. */
  readonly length: readonly [least: number, most: number];
  /** Columns that `drop` at more than this give way to bars. */
  readonly over?: number;
}

export const INDENT = '  ';
const GAP = '  ';

/** The columns that say something in at least one row; the first always. */
export const filled = <Row>(columns: readonly Column<Row>[], rows: readonly Row[]): Column<Row>[] =>
  columns.filter(({ text }, i) => i === 0 || rows.some((row) => text(row) !== ''));

/**
 * The lines of a table in a terminal, the titles first.
 *
 * @param room characters of a line
 */
export function textTable<Row>(
  columns: readonly Column<Row>[],
  rows: readonly Row[],
  { paint, room, bars }: { readonly paint: Paint; readonly room: number; readonly bars?: Bars<Row> | undefined },
): string[] {
  const shown = filled(columns, rows).map((column) => {
    const cells = rows.map(column.text);
    return { column, cells, width: Math.max(column.title.length, ...cells.map((cell) => cell.length)) };
  });
  const total = (widths: readonly number[]) => widths.reduce((sum, width) => sum + GAP.length + width, 0); // INDENT is a GAP
  const left = () => room - total(shown.map(({ width }) => width));
  const [least, most] = bars?.length ?? [0, 0];
  const lacking = () => {
    const drops = shown.map(({ column }) => column.drop ?? 0);
    const last = Math.max(...drops);
    const wanted = bars?.over !== undefined && last > bars.over ? least + GAP.length : 0;
    return left() < wanted && last > 0 ? drops.indexOf(last) : -1;
  };
  for (let i = lacking(); i >= 0; i = lacking()) shown.splice(i, 1);
  const bar = left() - GAP.length >= least ? Math.min(left() - GAP.length, most) : 0;
  // Where even that is too wide, the last columns go to a line of their own, under the second.
  const shortest = shown.map(({ column, width }) => Math.min(width, column.least ?? width));
  let whole = shown.length;
  while (whole > 1 && total(shortest.slice(0, whole)) > room) whole--;
  const rest = shown.splice(whole);
  const under = INDENT.length + (shown[0]?.width ?? 0) + GAP.length;
  shown.forEach((each, i) => {
    each.width = Math.max(shortest[i]!, Math.min(each.width, each.width + left()));
  });
  const align = ({ align }: Column<Row>, text: string, width: number) =>
    align === 'left' ? shorten(text, width).padEnd(width) : text.padStart(width);
  const line = (cells: readonly string[]) => (INDENT + cells.join(GAP)).trimEnd();
  const titles = shown.map(({ column, width }) => align(column, column.title, width));
  return [
    paint('gray', line([...titles, bar > 0 ? bars!.title : ''])),
    ...rows.flatMap((row, i) => {
      const parts = shown.map(({ column, cells, width }) => {
        const [text, style] = [align(column, cells[i]!, width), column.style?.(row)];
        return style ? paint(style, text) : text;
      });
      if (bar > 0) {
        const share = bars!.share(row); // what is there at all shows
        parts.push(paint(bars!.style(row), '━'.repeat(Math.max(share > 0 ? 1 : 0, Math.round(bar * share)))));
      }
      const below = shorten(rest.map(({ cells }) => cells[i]).join(GAP), room - under);
      return [line(parts), ...(rest.length > 0 ? [' '.repeat(under) + below] : [])];
    }),
  ];
}

/** The lines of a table in Markdown. */
export function markdownTable<Row>(columns: readonly Column<Row>[], rows: readonly Row[]): string[] {
  const used = filled(columns, rows);
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  return [
    line(used.map(({ title }) => title)),
    line(used.map(({ align }) => (align === 'left' ? '---' : '---:'))),
    ...rows.map((row) => line(used.map(({ text, markdown }) => markdown?.(row) ?? escaped(text(row))))),
  ];
}

/** Text for Markdown: what would end a cell, or start markup, is escaped. */
export const escaped = (text: string): string => text.replace(/[\\`*_[\]<>|]/g, '\\$&').replace(/\s+/g, ' ');

/** A label, and text beside it in as many lines as it takes. */
export function labelled(
  label: string,
  text: string,
  { paint, style = 'cyan', words, room = 1e4 }: { paint: Paint; style?: Style; words?: Style; room?: number },
): string[] {
  const indent = INDENT.length + label.length + GAP.length;
  return wrap(text, room - indent).map((line, i) => {
    const start = i === 0 ? paint(style, label) : ' '.repeat(label.length);
    return `${INDENT}${start}${GAP}${words ? paint(words, line) : line}`;
  });
}

/** A text without a label, in as many lines as it takes. */
export const indented = (text: string, room: number): string[] =>
  wrap(text, room - INDENT.length).map((line) => `${INDENT}${line}`);

/** Lines of at most `width` characters, broken at spaces (not at U+00A0, which comes out as one); a longer word is `cut`. */
export function wrap(text: string, width: number, cut = true): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(/[ \t\n]+/).flatMap((each) => (cut ? chunks(each, Math.max(width, 8)) : each))) {
    const longer = line === '' ? word : `${line} ${word}`;
    if (visible(longer) <= width || line === '') line = longer;
    else {
      lines.push(line);
      line = word;
    }
  }
  return [...lines, line].map((each) => each.replaceAll('\u00a0', ' '));
}

const chunks = (word: string, width: number): string[] =>
  visible(word) <= width
    ? [word]
    : Array.from({ length: Math.ceil(word.length / width) }, (_, i) => word.slice(i * width, (i + 1) * width));

// biome-ignore lint/suspicious/noControlCharactersInRegex: the codes that colour text
const visible = (text: string): number => text.replace(/\x1b\[[0-9;]*m/g, '').length;

export const shorten = (text: string, width: number): string =>
  text.length <= width ? text : `${text.slice(0, Math.max(0, width - 1))}…`;
