/** Which charts a report has, and where each row of one stands. Runs in a page and in Node. */
import type { Machine, Place, Report } from '../contract.js';
import { percent, three } from './numbers.js';
import {
  adapterName,
  type CaseSummary,
  COPY,
  type ContenderSummary,
  reasonOf,
  reasonsOf,
  summarize,
} from './summary.js';

/** What an installed `downhill` lacks to draw PNG files. */
export const INSTALL = 'npm install @resvg/resvg-wasm@2.6.2 dejavu-fonts-ttf';

/** One picture: the cases of a scenario in one place, or a part of them where they are many. */
export interface BenchChart {
  readonly scenario: string;
  readonly place: Place;
  /** Without ending: 'step-node', 'update-chrome-2'. */
  readonly file: string;
  readonly title: string;
  readonly subtitle: string;
  readonly unit: string;
  readonly rows: readonly Row[];
  /** What was skipped next to others that were measured. */
  readonly notes: readonly string[];
  /** Least and greatest bound of all bars, in milliseconds. */
  readonly range: readonly [low: number, high: number];
}

export type Row =
  | { readonly kind: 'case'; readonly text: string }
  | { readonly kind: 'bar'; readonly contender: ContenderSummary; readonly label: string }
  | { readonly kind: 'failed' | 'skipped'; readonly text: string };

/** Rows of a picture at most: 66 of 22 pixels are what a person scrolls through at once. */
const MOST_ROWS = 66;
const MOST_NOTES = 4;
/** A net of a dozen weights is not about operations. */
const LEAST_GFLOPS = 0.01;

/** Every chart of a report: scenarios in order, places in order. Scenarios without times (sizes of bundles) have none. */
export function benchCharts(report: Report): BenchChart[] {
  const charts: BenchChart[] = [];
  for (const scenario of new Set(report.cases.map(({ spec }) => spec.scenario))) {
    for (const machine of report.machines) {
      const cases = report.cases
        .filter(({ spec, place }) => spec.scenario === scenario && place === machine.place)
        .map(summarize);
      if (!cases.some(timed)) continue;
      const parts = split(cases);
      parts.forEach((part, i) => {
        charts.push(chartOf(report, machine, scenario, part, parts.length > 1 ? i + 1 : undefined, parts.length));
      });
    }
  }
  return charts;
}

const timed = ({ contenders }: CaseSummary): boolean => contenders.some(({ ms }) => ms);

/** Cases in groups of at most MOST_ROWS rows, about equally long. A group without any time joins the one before. */
function split(cases: readonly CaseSummary[]): CaseSummary[][] {
  const lengths = cases.map((each) => rowsOf(each).length);
  const total = lengths.reduce((sum, length) => sum + length, 0);
  const target = total / Math.ceil(total / MOST_ROWS);
  const parts: CaseSummary[][] = [[]];
  let rows = 0;
  cases.forEach((each, i) => {
    const full = rows > 0 && (rows + lengths[i]! / 2 > target || rows + lengths[i]! > MOST_ROWS);
    if (full && parts.at(-1)!.some(timed) && cases.slice(i).some(timed)) {
      parts.push([]);
      rows = 0;
    }
    parts.at(-1)!.push(each);
    rows += lengths[i]!;
  });
  return parts;
}

function chartOf(
  report: Report,
  machine: Machine,
  scenario: string,
  cases: readonly CaseSummary[],
  part: number | undefined,
  parts: number,
): BenchChart {
  const { place, browser, cpu } = machine;
  const unit = cases.find(timed)!.unit;
  const shown = cases.flatMap(({ contenders }) => contenders);
  const bounds = shown.flatMap(({ ms }) => (ms ? [ms.low ?? ms.value, ms.high ?? ms.value] : []));
  const { slow, quick } = report.config;
  const where = [adapterName(machine), browser ? `${browser.name} ${browser.version}` : 'Node', cpu].join(' · ');
  const how = [
    ...(slow === 0 ? [] : [`downhill slowed by ${slow} % on purpose`]),
    ...(quick ? ['quick run'] : []),
    'median wall time, shorter is faster',
    ...(shown.some(({ ms }) => ms?.low !== undefined) ? ['whisker: 95 % interval'] : []),
    ...(shown.some(({ gpuMs }) => gpuMs) ? ['dark core: GPU busy'] : []),
  ];
  return {
    scenario,
    place,
    file: [scenario, place, part]
      .filter((each) => each !== undefined)
      .join('-')
      .replace(/[^\w-]/g, '-'),
    title: `${scenario}: time per ${unit}, ${place}${part ? ` (${part} of ${parts})` : ''}`,
    subtitle: `${where}\n${how.join(' · ')}`,
    unit,
    rows: cases.flatMap(rowsOf),
    notes: notesOf(cases),
    range: [Math.min(...bounds), Math.max(...bounds)],
  };
}

function rowsOf(summary: CaseSummary): Row[] {
  const { spec, contenders, error } = summary;
  const rows: Row[] = [{ kind: 'case', text: spec.title }];
  for (const contender of contenders) {
    if (contender.ms) rows.push({ kind: 'bar', contender, label: labelOf(contender) });
    if (contender.outcome === 'failed') {
      rows.push({ kind: 'failed', text: `${contender.name} failed: ${reasonOf(contender)}` });
    }
  }
  if (error) rows.push({ kind: 'failed', text: `broke off: ${error.message}` });
  if (rows.length === 1) {
    for (const { names, reason } of reasonsOf(summary)) {
      rows.push({ kind: 'skipped', text: `skipped: ${names.join(', ')}: ${reason}` });
    }
  }
  return rows;
}

/** '3.40 ms, 2.8×, 84 % of copy': the time, the ratio, and the one figure that says what they are worth. */
function labelOf({ name, ms, ofCopy, gflops, gbs, ratio }: ContenderSummary): string {
  const parts = [`${three(ms!.value)} ms`];
  if (ratio && ratio.value !== 1) parts.push(`${three(ratio.value)}×`);
  if (ofCopy !== undefined) parts.push(`${percent(ofCopy)} of copy`);
  else if (name === COPY && gbs) parts.push(`${three(gbs)} GB/s`);
  else if (gflops && gflops >= LEAST_GFLOPS) parts.push(`${three(gflops)} GFLOP/s`);
  return parts.join(', ');
}

function notesOf(cases: readonly CaseSummary[]): string[] {
  const groups = cases.filter(timed).flatMap((summary) => reasonsOf(summary));
  const reasons = new Map<string, Set<string>>();
  for (const { outcome, names, reason } of groups) {
    if (outcome !== 'skipped') continue;
    const all = reasons.get(reason) ?? new Set();
    for (const name of names) all.add(name);
    reasons.set(reason, all);
  }
  const notes = [...reasons].map(([reason, names]) => `skipped: ${[...names].join(', ')}: ${reason}`);
  if (notes.length <= MOST_NOTES) return notes;
  return [...notes.slice(0, MOST_NOTES - 1), `and ${notes.length - MOST_NOTES + 1} more reasons in the report`];
}

/** Advance widths of DejaVu Sans in hundredths of its size, from space to tilde. */
const WIDTHS = [
  32, 40, 46, 84, 64, 95, 78, 27, 39, 39, 50, 84, 32, 36, 32, 34, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 34, 34, 84,
  84, 84, 53, 100, 68, 69, 70, 77, 63, 58, 77, 75, 29, 29, 66, 56, 86, 75, 79, 60, 79, 69, 63, 61, 73, 68, 99, 69, 61,
  69, 39, 34, 39, 84, 50, 50, 61, 63, 55, 63, 62, 35, 63, 63, 28, 28, 58, 28, 97, 63, 61, 63, 63, 41, 52, 39, 63, 59,
  82, 59, 59, 52, 64, 34, 64, 84,
];

/**
 * Width of a text in pixels. Without a browser ECharts guesses it, and the guess runs short; these are those of DejaVu
 * Sans, among the widest of common fonts, so that nothing is cut where another one is at hand.
 */
export function textWidth(text: string, size: number): number {
  let width = 0;
  for (const character of text) width += WIDTHS[character.codePointAt(0)! - 32] ?? 84;
  return (width / 100) * size;
}

/** A text cut to a width, with an ellipsis where it was longer. */
export function cut(text: string, size: number, width: number): string {
  if (textWidth(text, size) <= width) return text;
  let end = text.length;
  while (end > 0 && textWidth(`${text.slice(0, end).trimEnd()}…`, size) > width) end--;
  return `${text.slice(0, end).trimEnd()}…`;
}
