/** A report in a terminal: the machines, a table per case, what failed. Fits the terminal, 100 columns at most. */

import { duration, plural } from '../../common/format.js';
import { type Io, painter, type Stream, type Style } from '../../common/io.js';
import type { Report } from '../contract.js';
import { bounds, factText, percent, plain, three } from './numbers.js';
import {
  type CaseSummary,
  COPY,
  type ContenderSummary,
  machineFacts,
  reasonsOf,
  summarize,
  tally,
  warnings,
} from './summary.js';

export type Paint = (style: Style, text: string) => string;

const INDENT = '  ';
const GAP = '  ';
const MAX_COLUMNS = 100;
const MAX_NAME = 26;
const BAR = 10;

/** Columns that text may take on a stream: one less than it has, as a character in the last wraps some terminals. */
export const roomOn = (stream: Stream): number => Math.min(MAX_COLUMNS, (stream.columns ?? MAX_COLUMNS) - 1);

interface Column {
  readonly header: string;
  /** Those of the greatest number go first where there is no room. */
  readonly priority: number;
  cell(contender: ContenderSummary): string;
}

const number = (value: number | undefined) => (value === undefined ? '' : three(value));

/** Beside the wall time: what the case is about (steps; bandwidth where a copy kernel takes part; operations) stays longest. */
const columnsOf = ({ unit, contenders }: CaseSummary): Column[] => {
  const streams = contenders.some(({ name }) => name === COPY);
  const steps = unit === 'step';
  return [
    { header: 'wall ms', priority: 0, cell: ({ ms }) => number(ms?.value) },
    { header: '95 %', priority: 3, cell: ({ ms }) => (ms ? bounds(ms) : '') },
    { header: 'GPU ms', priority: 1, cell: ({ gpuMs }) => number(gpuMs) },
    { header: 'host ms', priority: 4, cell: ({ hostMs }) => number(hostMs) },
    // A start happens once: 'first steps per second' would say nothing.
    { header: `${unit}s/s`, priority: steps ? 2 : 6, cell: ({ rate }) => (unit.includes(' ') ? '' : number(rate)) },
    { header: 'GFLOP/s', priority: streams || steps ? 7 : 2, cell: ({ gflops }) => number(gflops) },
    { header: 'GB/s', priority: streams ? 2 : 7, cell: ({ gbs }) => number(gbs) },
    { header: 'of copy', priority: 2, cell: ({ ofCopy }) => (ofCopy === undefined ? '' : percent(ofCopy)) },
    { header: 'calls', priority: steps ? 3 : 8, cell: ({ counts }) => (counts ? plain(counts.dispatches) : '') },
    {
      header: 'ratio',
      priority: 0,
      cell: ({ ratio }) => (ratio ? (ratio.value === 1 ? '1' : three(ratio.value)) : ''),
    },
    { header: '95 %', priority: 5, cell: ({ ratio }) => (ratio ? bounds(ratio) : '') },
  ];
};

/** Prints the whole report. */
export function printReport(report: Report, io: Io): void {
  const [paint, room] = [painter(io.stdout), roomOn(io.stdout)];
  const blocks = [
    headerLines(report, paint, room),
    ...report.cases.map((each) => caseLines(summarize(each), paint, room)),
    endLines(report, paint, room),
  ];
  io.stdout.write(`\n${blocks.map((lines) => lines.join('\n')).join('\n\n')}\n\n`);
}

/** When, what and where. */
export function headerLines(report: Report, paint: Paint, room: number): string[] {
  const { started, commit, config, seconds, machines, versions } = report;
  const facts = [
    `${started.slice(0, 16).replace('T', ' ')} UTC`,
    commit ? `commit ${commit.slice(0, 12)}` : 'no commit',
    config.quick ? 'quick' : 'full',
    ...(seconds > 0 ? [duration(seconds)] : []),
  ];
  const lines = wrap(`${paint('bold', 'downhill bench')}${GAP}${facts.join(', ')}`, room).map((line) => INDENT + line);
  for (const machine of machines) {
    machineFacts(machine).forEach(([label, text], i) => {
      const place = i === 0 ? machine.place : '';
      const words = wrap(text, room - 20);
      words.forEach((part, k) => {
        lines.push(
          `${INDENT}${paint('cyan', (k === 0 ? place : '').padEnd(8))}${(k === 0 ? label : '').padEnd(9)}${part}`,
        );
      });
    });
  }
  const known = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
  wrap(known.join(', '), room - 20).forEach((part, i) => {
    lines.push(`${INDENT}${paint('cyan', (i === 0 ? 'versions' : '').padEnd(17))}${part}`);
  });
  lines.push(...warnings(report).flatMap(([title, text]) => ['', ...labelled(title, text, paint, 'yellow', room)]));
  return lines;
}

/** One case: a line of title, the table, and under it what failed or was skipped. */
export function caseLines(summary: CaseSummary, paint: Paint, room: number): string[] {
  const { spec, place, rounds, contenders, error } = summary;
  const where = rounds > 0 ? `${place}, ${plural(rounds, 'round')}` : place;
  const left = room - spec.id.length - where.length - INDENT.length - 2 * GAP.length;
  const title = shorten(spec.title, Math.max(left, 0));
  const pad = ' '.repeat(Math.max(0, left - title.length));
  const lines = [`${INDENT}${paint('bold', spec.id)}${GAP}${title}${pad}${GAP}${paint('gray', where)}`.trimEnd()];

  const timed = contenders.filter(({ ms }) => ms);
  const width = Math.min(MAX_NAME, Math.max(0, ...contenders.map(({ name }) => name.length)));
  if (timed.length > 0) lines.push(...table(summary, timed, width, paint, room));
  for (const { name, outcome, facts, note } of contenders) {
    const parts = [...facts.map(factText), ...(note ? [note] : [])];
    if (outcome !== 'measured' || parts.length === 0) continue;
    lines.push(...labelled(shorten(name, width).padEnd(width), parts.join(', '), paint, 'gray', room, 'gray'));
  }
  for (const { outcome, names, reason } of reasonsOf(summary)) {
    const colour = outcome === 'failed' ? 'red' : 'gray';
    lines.push(...labelled(outcome.padEnd(7), `${names.join(', ')}: ${reason}`, paint, colour, room, colour));
  }
  if (error) lines.push(...labelled('broke off', `${error.message} ${error.fix} (${error.code})`, paint, 'red', room));
  return lines;
}

function table(summary: CaseSummary, timed: readonly ContenderSummary[], width: number, paint: Paint, room: number) {
  const columns = columnsOf(summary)
    .map((column) => {
      const cells = timed.map((contender) => column.cell(contender));
      return { ...column, cells, width: Math.max(column.header.length, ...cells.map((cell) => cell.length)) };
    })
    .filter(({ cells }) => cells.some((cell) => cell !== ''));
  const total = () => INDENT.length + width + columns.reduce((sum, column) => sum + GAP.length + column.width, 0);
  // Bars before the interval of the ratio: they say the same at a glance.
  const barRoom = () => room - total() - GAP.length;
  while (columns.length > 2 && barRoom() < (columns.some(({ priority }) => priority > 4) ? BAR : 0)) {
    const last = Math.max(...columns.map(({ priority }) => priority));
    columns.splice(
      columns.findIndex(({ priority }) => priority === last),
      1,
    );
  }
  const bar = timed.length > 1 && barRoom() >= BAR ? BAR : 0;
  const header = columns.map((column) => GAP + column.header.padStart(column.width)).join('');
  const speed = bar ? `${GAP}speed` : '';
  return [
    `${INDENT}${' '.repeat(width)}${paint('gray', header + speed)}`,
    ...timed.map((contender, i) => {
      const name = shorten(contender.name, width).padEnd(width);
      const cells = columns.map((column) => GAP + column.cells[i]!.padStart(column.width)).join('');
      const length = Math.max(1, Math.round(bar * contender.speed!));
      const drawn = bar ? GAP + paint(contender.ours ? 'cyan' : 'gray', '━'.repeat(length)) : '';
      return `${INDENT}${contender.ours ? paint('cyan', name) : name}${cells}${drawn}`.trimEnd();
    }),
  ];
}

/** What was measured, what was not, and how the columns read. */
export function endLines(report: Report, paint: Paint, room: number): string[] {
  const { measured, failed, skipped, errors } = tally(report);
  const parts = [
    plural(report.cases.length, 'case'),
    `${measured} measured`,
    failed > 0 ? paint('red', `${failed} failed`) : '0 failed',
    `${skipped} skipped`,
    ...(errors > 0 ? [paint('red', `${plural(errors, 'case')} broke off`)] : []),
  ];
  const legend = `ratio: how many times as long as the baseline takes, whose ratio is 1. 95 %: the interval of the number before it. of ${COPY}: share of the copy kernel's bandwidth. calls: dispatches of an iteration.`;
  return [
    ...wrap(parts.join(', '), room - INDENT.length).map((line) => INDENT + line),
    ...wrap(legend, room - INDENT.length).map((line) => INDENT + paint('gray', line)),
  ];
}

/** A label, and text beside it in as many lines as it takes. */
export function labelled(label: string, text: string, paint: Paint, style: Style, room: number, words?: Style) {
  const indent = INDENT.length + label.length + GAP.length;
  return wrap(text, room - indent).map((line, i) => {
    const start = i === 0 ? paint(style, label) : ' '.repeat(label.length);
    return `${INDENT}${start}${GAP}${words ? paint(words, line) : line}`;
  });
}

/** Lines of at most `width` characters, broken between words; a longer word is cut. */
export function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(/\s+/).flatMap((each) => chunks(each, Math.max(width, 8)))) {
    const longer = line === '' ? word : `${line} ${word}`;
    if (visible(longer) <= width || line === '') line = longer;
    else {
      lines.push(line);
      line = word;
    }
  }
  return [...lines, line];
}

const chunks = (word: string, width: number): string[] =>
  visible(word) <= width
    ? [word]
    : Array.from({ length: Math.ceil(word.length / width) }, (_, i) => word.slice(i * width, (i + 1) * width));

// biome-ignore lint/suspicious/noControlCharactersInRegex: the codes that colour text
const visible = (text: string): number => text.replace(/\x1b\[[0-9;]*m/g, '').length;

export const shorten = (text: string, width: number): string =>
  text.length <= width ? text : `${text.slice(0, Math.max(0, width - 1))}…`;
