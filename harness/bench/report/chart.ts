/**
 * The picture of a scenario: a bar for each contender of each case, drawn by ECharts. The option serves a page as well as
 * svg.ts: everything in it is laid out by measured text, none of it by what a browser would say.
 */
import type { CustomSeriesOption } from 'echarts/charts';
import type { GridComponentOption, TitleComponentOption } from 'echarts/components';
import type { ComposeOption } from 'echarts/core';
import { type BenchChart, cut, type Row, textWidth } from './layout.js';

type Option = ComposeOption<CustomSeriesOption | GridComponentOption | TitleComponentOption>;
type RenderItem = NonNullable<CustomSeriesOption['renderItem']>;
type Element = NonNullable<ReturnType<RenderItem>>;

/** For `echarts.init` and `setOption`; `use` needs CustomChart, GridComponent, TitleComponent and a renderer. */
export interface DrawnChart {
  readonly option: Option;
  readonly width: number;
  /** Grows with the rows: set it on the element before the chart is drawn. */
  readonly height: number;
}

export const WIDTH = 1000;
export const FONT = "system-ui, 'Segoe UI', Helvetica, Arial, sans-serif";

const WHITE = '#ffffff';
const INK = '#1f2933';
const MUTED = '#616e7c';
const FAINT = '#e4e7eb';
const RED = '#b42318';
/** Bar and core of: downhill, its variants, and all others. */
const COLOURS = {
  downhill: ['#2b6cb8', '#0b3c78'],
  variant: ['#8db4de', '#4d7fb5'],
  other: ['#cbd2d9', '#8793a0'],
} as const;

const MARGIN = 24;
const HEAD = 104;
const ROW = 22;
const CASE_ROW = 34;
const BAR = 14;
const CORE = 4;
const SIZE = 12.5;
const NOTE_LINE = 18;
const MOST_NAME = 210;
/** Bars of a wider range say more on a logarithmic axis. */
const LOG_FROM = 30;

const rowHeight = ({ kind }: Row): number => (kind === 'case' ? CASE_ROW : ROW);

/** The description of a chart; its height follows from its rows. */
export function chartOption(chart: BenchChart, width = WIDTH): DrawnChart {
  const { rows, notes, title, subtitle } = chart;
  const bars = rows.filter((row) => row.kind === 'bar');
  const names = Math.min(MOST_NAME, Math.max(...bars.map(({ contender }) => textWidth(contender.name, SIZE))));
  const labels = Math.max(...bars.map(({ label }) => textWidth(label, SIZE)));
  const [left, right] = [MARGIN + names + 12, MARGIN + labels + 8];
  const body = rows.reduce((sum, row) => sum + rowHeight(row), 0) + 10;
  const foot = 58 + notes.length * NOTE_LINE + (notes.length > 0 ? 8 : 0);
  const height = HEAD + body + foot;
  const text = width - 2 * MARGIN;

  const option: Option = {
    backgroundColor: WHITE,
    textStyle: { fontFamily: FONT },
    animation: false,
    title: [
      {
        text: cut(title, 20, text),
        subtext: subtitle
          .split('\n')
          .map((line) => cut(line, 12.5, text))
          .join('\n'),
        left: MARGIN - 5, // a title has a padding of 5
        top: 16,
        itemGap: 8,
        textStyle: { color: INK, fontSize: 20, fontWeight: 600, fontFamily: FONT },
        subtextStyle: { color: MUTED, fontSize: 12.5, lineHeight: 19, fontFamily: FONT },
      },
      ...notes.map((note, i) => ({
        text: cut(note, 12, text),
        left: MARGIN - 5,
        top: HEAD + body + 58 + i * NOTE_LINE - 5,
        textStyle: { color: MUTED, fontSize: 12, fontWeight: 400 as const, fontFamily: FONT },
      })),
    ],
    grid: { left, right, top: HEAD, height: body },
    xAxis: xAxis(chart),
    yAxis: { type: 'value', min: 0, max: 1, show: false },
    series: [{ type: 'custom', silent: true, clip: false, ...drawing(rows, width, names, axisRange(chart)[0]) }],
  };
  return { option, width, height };
}

export const isLog = ({ range: [low, high] }: BenchChart): boolean => low > 0 && high / low > LOG_FROM;

/** Where the axis begins and ends. A logarithmic one begins at a 1, 2 or 5 well below the shortest bar, to leave it a length. */
function axisRange(chart: BenchChart): [number, number] {
  const [low, high] = chart.range;
  if (!isLog(chart)) return [0, high];
  const start = low / 1.6;
  const power = 10 ** Math.floor(Math.log10(start));
  return [power * [5, 2, 1].find((digit) => digit * power <= start * (1 + 1e-9))!, high];
}

function xAxis(chart: BenchChart) {
  const log = isLog(chart);
  const [min, max] = axisRange(chart);
  const ticks = log ? powers(min, max) : undefined;
  return {
    type: log ? ('log' as const) : ('value' as const),
    min,
    max,
    name: `milliseconds per ${chart.unit}${log ? ', logarithmic' : ''}`,
    nameLocation: 'middle' as const,
    nameGap: 30,
    nameTextStyle: { color: MUTED, fontSize: 12.5 },
    axisLine: { show: true, lineStyle: { color: '#9aa5b1' } },
    axisTick: { show: true, lineStyle: { color: '#9aa5b1' }, customValues: ticks },
    // The end of the axis is the longest bar's, and no round number.
    axisLabel: {
      color: MUTED,
      fontSize: 12,
      customValues: ticks,
      showMaxLabel: log ? undefined : false,
      formatter: tick,
    },
    splitLine: { showMaxLine: log ? undefined : false, lineStyle: { color: FAINT } },
  };
}

/** Powers of ten between the ends, with 2 and 5 where there are few of them. */
function powers(min: number, max: number): number[] {
  const digits = max / min > 1000 ? [1] : [1, 2, 5];
  const ticks: number[] = [];
  for (let power = Math.floor(Math.log10(min)); 10 ** power <= max; power++) {
    for (const digit of digits) {
      const value = Number(`${digit}e${power}`);
      if (value >= min * (1 - 1e-9) && value <= max) ticks.push(value);
    }
  }
  return ticks;
}

const tick = (value: number): string =>
  value === 0 || (value >= 1e-4 && value < 1e6)
    ? Number(value.toPrecision(6)).toLocaleString('en-US', { maximumFractionDigits: 6 })
    : value.toExponential(0);

/** All rows as one series: their places in pixels from above, only the values through the axis. */
function drawing(rows: readonly Row[], width: number, names: number, start: number) {
  const tops: number[] = [];
  let top = 0;
  for (const row of rows) {
    tops.push(top);
    top += rowHeight(row);
  }
  const renderItem: RenderItem = (params, api) => {
    const row = rows[params.dataIndex]!;
    const { y } = params.coordSys as unknown as { y: number };
    const x = (value: number) => api.coord([Math.max(value, start), 0])[0]!;
    const at = y + tops[params.dataIndex]!;
    const children = row.kind === 'bar' ? barOf(row, at, x, x(start), names) : lineOf(row, at, width, at === y);
    return { type: 'group', children } as Element;
  };
  return { renderItem, data: rows.map((row) => [row.kind === 'bar' ? row.contender.ms!.value : start, 0]) };
}

const words = (text: string, x: number, y: number, fill: string, extra: object = {}) => ({
  type: 'text',
  style: { text, x, y, fill, fontSize: SIZE, fontFamily: FONT, verticalAlign: 'middle', ...extra },
});

const box = (x: number, y: number, width: number, height: number, fill: string, r = 0) => ({
  type: 'rect',
  shape: { x, y, width, height, r },
  style: { fill },
});

function barOf(
  { contender, label }: Row & { kind: 'bar' },
  top: number,
  x: (value: number) => number,
  start: number,
  names: number,
): object[] {
  const { name, ours, ms, gpuMs } = contender;
  const [fill, core] = COLOURS[name === 'downhill' ? 'downhill' : ours ? 'variant' : 'other'];
  const { value, low, high } = ms!;
  const middle = top + ROW / 2;
  const parts: object[] = [
    words(cut(name, SIZE, names), start - 10, middle, ours ? '#0b3c78' : INK, { align: 'right' }),
    box(start, middle - BAR / 2, Math.max(1, x(value) - start), BAR, fill, 1.5),
  ];
  if (gpuMs !== undefined && x(gpuMs) > start) {
    // Another sample than the wall time's: it may come out longer by a little, and then ends with the bar.
    parts.push(box(start, middle - CORE / 2, Math.min(x(gpuMs), x(value)) - start, CORE, core));
  }
  if (low !== undefined && high !== undefined) {
    const stroke = { stroke: INK, lineWidth: 1.1 };
    const segment = (x1: number, y1: number, x2: number, y2: number) => ({
      type: 'line',
      shape: { x1, y1, x2, y2 },
      style: stroke,
    });
    parts.push(segment(x(low), middle, x(high), middle));
    for (const end of [x(low), x(high)]) parts.push(segment(end, middle - 4, end, middle + 4));
  }
  const end = Math.max(x(value), x(high ?? value)) + 8;
  parts.push(box(end - 3, top + 1, textWidth(label, SIZE) + 6, ROW - 2, WHITE)); // over the lines of the grid
  parts.push(words(label, end, middle, ours ? INK : MUTED));
  return parts;
}

/** A row of text over the whole width: a case's title, what failed, what was skipped. */
function lineOf(row: Exclude<Row, { kind: 'bar' }>, top: number, width: number, first: boolean): object[] {
  const room = width - 2 * MARGIN;
  const paper = box(MARGIN, top, room, rowHeight(row), WHITE); // over the lines of the grid
  if (row.kind !== 'case') {
    const colour = row.kind === 'failed' ? RED : MUTED;
    return [paper, words(cut(row.text, 12, room - 16), MARGIN + 16, top + ROW / 2, colour, { fontSize: 12 })];
  }
  const style = { fontSize: 13.5, fontWeight: 600 };
  const title = words(cut(row.text, 13.5, room), MARGIN, top + CASE_ROW - 13, INK, style);
  return first ? [paper, title] : [paper, box(MARGIN, top + 5, room, 1, FAINT), title];
}
