/** A report in a terminal: the machines, a table per case, what failed. Fits the terminal, 100 columns at most. */
import { duration, plural } from '../../common/format.js';
import { type Io, type Paint, painter, type Stream } from '../../common/io.js';
import { INDENT, labelled, shorten, textTable, wrap } from '../../common/table.js';
import { contenderColumns, LEGEND } from './columns.js';
import type { Report } from './read.js';
import {
  type CaseSummary,
  headline,
  machineFacts,
  remarksOf,
  remarkText,
  summarize,
  tallyText,
  warnings,
} from './summary.js';
import { verdictOf } from './verdict.js';

const GAP = '  ';
const MAX_COLUMNS = 100;

/** Columns that text may take on a stream: one less than it has, as a character in the last wraps some terminals. */
export const roomOn = (stream: Stream): number => Math.min(MAX_COLUMNS, (stream.columns ?? MAX_COLUMNS) - 1);

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
function headerLines(report: Report, paint: Paint, room: number): string[] {
  const { seconds, config, machines, versions } = report;
  const facts = [headline(report), config.quick ? 'quick' : 'full', ...(seconds > 0 ? [duration(seconds)] : [])];
  const known = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
  return [
    ...wrap(`${paint('bold', 'downhill bench')}${GAP}${facts.join(', ')}`, room).map((line) => INDENT + line),
    ...machines.flatMap((machine) =>
      machineFacts(machine).flatMap(([label, text], i) =>
        labelled((i === 0 ? machine.place : '').padEnd(8) + label.padEnd(7), text, { paint, room }),
      ),
    ),
    ...labelled('versions'.padEnd(15), known.join(', '), { paint, room }),
    ...warnings(report).flatMap(([title, text]) => ['', ...labelled(title, text, { paint, room, style: 'yellow' })]),
  ];
}

/** One case: a line of title, the table, and under it what failed or was skipped. */
export function caseLines(summary: CaseSummary, paint: Paint, room: number): string[] {
  const { spec, place, rounds, contenders, unit, streams } = summary;
  const where = rounds > 0 ? `${place}, ${plural(rounds, 'round')}` : place;
  const left = Math.max(room - spec.id.length - where.length - INDENT.length - 2 * GAP.length, 0);
  const title = shorten(spec.title, left).padEnd(left);
  const timed = contenders.filter(({ ms }) => ms);
  const measured = contenders.filter(({ outcome }) => outcome === 'measured');
  const width = Math.max(0, ...measured.map(({ name }) => name.length));
  const bars = {
    title: 'speed',
    share: ({ speed }: (typeof timed)[0]) => speed!,
    style: ({ ours }: (typeof timed)[0]) => (ours ? 'cyan' : 'gray') as 'cyan' | 'gray',
    length: [10, 10] as const,
    over: 4, // a bar says at a glance what the interval of the ratio says
  };
  const verdict = verdictOf(summary);
  return [
    `${INDENT}${paint('bold', spec.id)}${GAP}${title}${GAP}${paint('gray', where)}`.trimEnd(),
    ...(timed.length > 0
      ? textTable(contenderColumns(unit, streams), timed, { paint, room, bars: timed.length > 1 ? bars : undefined })
      : []),
    ...(verdict ? wrap(`→ ${verdict}`, room - INDENT.length).map((line) => INDENT + paint('bold', line)) : []),
    ...remarksOf(summary).flatMap((remark) => {
      const { kind, names, text } = remark;
      const style = kind === 'failed' || kind === 'broke off' ? 'red' : 'gray';
      const [label, words] = kind === 'remark' ? [names[0]!.padEnd(width), text] : [kind.padEnd(7), remarkText(remark)];
      return labelled(label, words, { paint, room, style, words: style });
    }),
  ];
}

/** What was measured, what was not, and how the columns read. */
function endLines(report: Report, paint: Paint, room: number): string[] {
  const width = room - INDENT.length;
  return [
    ...wrap(tallyText(report, paint), width).map((line) => INDENT + line),
    ...wrap(LEGEND, width).map((line) => INDENT + paint('gray', line)),
  ];
}
