/** A search as lines of text: the best trials, and what can be said of all of them. */
import {
  bestOfCurve,
  type Direction,
  importanceOf,
  leaders,
  type Params,
  parameterText,
  type Space,
  type Trial,
  tallyOf,
  type Value,
} from '../../src/search/index.js';
import { lossText, percent, plural } from '../common/format.js';
import type { Paint } from '../common/io.js';
import { type Column, INDENT, labelled, textTable } from '../common/table.js';

/** 0.0123, 1.2e-5, relu. */
export function valueText(value: Value | undefined): string {
  if (typeof value !== 'number') return String(value ?? '');
  const size = Math.abs(value);
  if (size === 0 || (size >= 1e-3 && size < 1e5)) return String(Number(value.toPrecision(4)));
  return value.toExponential(2).replace(/\.?0+e/, 'e');
}

/** 'lr 0.0123, momentum 0.9'. */
export const paramsText = (params: Params): string =>
  Object.entries(params)
    .map(([name, value]) => `${name} ${valueText(value)}`)
    .join(', ');

/** Whether values are shares that read better as percent. */
export type Metric = 'loss' | 'accuracy';
export const metricText = (metric: Metric, value: number | null): string =>
  value === null ? 'failed' : metric === 'accuracy' ? percent(value) : lossText(value);

export interface SearchReport {
  readonly trials: readonly Trial[];
  readonly space: Space;
  readonly direction: Direction;
  readonly metric: Metric;
  readonly notes: readonly string[];
}

const SHOWN = 10;

export function searchLines(report: SearchReport, paint: Paint, room: number): string[] {
  const { trials, space, direction, metric, notes } = report;
  const best = leaders(trials, direction, SHOWN);
  type Row = (typeof best)[number];
  const several = best.some(({ seeds }) => seeds.count > 1);
  const columns: Column<Row>[] = [
    { title: 'trial', text: ({ trial }) => String(trial.trial) },
    {
      title: metric,
      text: ({ trial }) => metricText(metric, trial.value),
      style: (row) => (row === best[0] ? 'green' : undefined),
    },
    ...(several
      ? [
          {
            title: '95 %',
            text: ({ seeds }: Row) => `±${metricText(metric, (seeds.interval[1] - seeds.interval[0]) / 2)}`,
          },
        ]
      : []),
    { title: 'steps', text: ({ trial }) => String(trial.step) },
    ...Object.keys(space).map(
      (name): Column<Row> => ({ title: name, text: ({ trial }) => valueText(trial.params[name]) }),
    ),
  ];
  const table = best.length > 0 ? textTable(columns, best, { paint, room }) : [`${INDENT}Every trial failed.`];
  const told = [...notes, ...best.slice(0, 1).flatMap(({ trial }) => (trial.lineage ? [lineageText(trial)] : []))];
  return [
    ...table,
    '',
    ...labelled('trials    ', tallyText(trials), { paint, room }),
    ...labelled('importance', importanceText(report), { paint, room }),
    ...labelled('best of n ', bestText(report), { paint, room }),
    ...failures(trials).flatMap((line) => labelled('failed    ', line, { paint, room, style: 'yellow' })),
    ...told.flatMap((note) => labelled('note      ', note, { paint, room, style: 'yellow' })),
  ];
}

export function tallyText(trials: readonly Trial[]): string {
  const { complete, pruned, failed, running, failedShare } = tallyOf(trials);
  const parts = [
    `${complete} trained to the end`,
    ...(pruned > 0 ? [`${pruned} ended before`] : []),
    ...(failed > 0 ? [`${failed} failed (${percent(failedShare)})`] : []),
    ...(running > 0 ? [`${running} not done`] : []),
  ];
  return parts.join(', ');
}

function importanceText({ trials, space, direction }: SearchReport): string {
  const found = importanceOf(trials, space, direction);
  const each = found.map(({ name, r2, chance }) => `${name} ${r2.toFixed(2)} (by chance ${chance.toFixed(2)})`);
  return `${each.join(', ')}: R² of a one-way ANOVA of ranks over bins of each axis`;
}

/** How good half of all searches of so many trials would have been. */
function bestText({ trials, direction, metric }: SearchReport): string {
  const curve = bestOfCurve(trials, direction);
  const chosen = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512].filter((n) => n <= curve.length);
  return `${chosen.map((n) => `${n}: ${metricText(metric, curve[n - 1]!.median)}`).join(', ')} (median)`;
}

/** Reasons, with how many trials had each. */
function failures(trials: readonly Trial[]): string[] {
  const counts = new Map<string, number>();
  for (const { reason } of trials) {
    // Steps and seeds differ from trial to trial.
    const kind = reason?.replace(/ at step \d+/, '').replace(/ \(seed \d+ of \d+\)/, '');
    if (kind !== undefined) counts.set(kind, (counts.get(kind) ?? 0) + 1);
  }
  const order = [...counts].sort(([, a], [, b]) => b - a);
  const more = order.slice(3).reduce((sum, [, count]) => sum + count, 0);
  const lines = order.slice(0, 3).map(([reason, count]) => `${plural(count, 'trial')}: ${reason}`);
  return more > 0 ? [...lines, `${plural(more, 'trial')} for other reasons`] : lines;
}

/** The schedule that population-based training found. */
const lineageText = ({ lineage = [] }: Trial): string =>
  `the best trial went ${lineage.map(({ params, to }) => `${paramsText(params)} until step ${to}`).join('; ')}`;

/** 'lr=log:1e-5..1, momentum=0..0.99'. */
export const spaceText = (space: Space): string =>
  Object.entries(space)
    .map(([name, parameter]) => `${name} ${parameterText(parameter)}`)
    .join(', ');
