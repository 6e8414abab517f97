/** The picture of an experiment: its panels two abreast, drawn by ECharts without a browser. */
import { HeatmapChart, type HeatmapSeriesOption, LineChart, type LineSeriesOption } from 'echarts/charts';
import {
  GridComponent,
  type GridComponentOption,
  LegendComponent,
  type LegendComponentOption,
  MarkLineComponent,
  type MarkLineComponentOption,
  TitleComponent,
  type TitleComponentOption,
  VisualMapComponent,
  type VisualMapComponentOption,
} from 'echarts/components';
import { type ComposeOption, init, use } from 'echarts/core';
import { SVGRenderer } from 'echarts/renderers';
import { lossText } from '../common/format.js';
import type { Curve, HeatMap, Outcome, Panel } from './chapter.js';

type Option = ComposeOption<
  | LineSeriesOption
  | HeatmapSeriesOption
  | GridComponentOption
  | LegendComponentOption
  | MarkLineComponentOption
  | TitleComponentOption
  | VisualMapComponentOption
>;

export interface ExperimentChart {
  readonly title: string;
  readonly subtitle: string;
  readonly panels: Outcome['panels'];
  readonly heatMaps?: Outcome['heatMaps'];
}

const FONT = "system-ui, 'Segoe UI', Helvetica, Arial, sans-serif";
const [INK, MUTED, RULE, AXIS] = ['#1f2933', '#616e7c', '#e4e7eb', '#9aa5b1'];
/** Told apart also by who sees no red or green: Okabe and Ito's, darkened for lines on white, then more. */
const PALETTE = [
  '#0b4f9e',
  '#d55e00',
  '#00815a',
  '#b0438f',
  '#8a6d00',
  '#3795c9',
  '#4a5568',
  '#9b1c1c',
  '#5b3fb5',
  '#6b8e23',
  '#c2185b',
  '#00707a',
  '#7b4b12',
  '#5f6caf',
];
/** The notes' markers. */
const MARKERS = ['circle', 'rect', 'triangle', 'diamond', 'emptyCircle', 'emptyRect', 'emptyTriangle', 'emptyDiamond'];
/** Width of a letter of the legend, on average. */
const LETTER = 8.3;
/** Whole numbers up to here have a tick each: layers. */
const FEW = 12;
/** Of an axis: how far lines go on beyond it, unseen. PNGs cannot be made of lines that go on for miles. */
const BEYOND = 3;
/** So many times what curves begin at, one has flown off. */
const FLOWN = 1e6;
/** Markers on a curve. */
const MARKED = 9;

const WIDTH = 1080;
const MARGIN = 24;
const PANEL = 330;
const ROOM = { left: 62, right: 18, top: 44, bottom: 46 };
const GAP = 16;

export function experimentSvg(chart: ExperimentChart): string {
  use([
    HeatmapChart,
    LineChart,
    GridComponent,
    LegendComponent,
    MarkLineComponent,
    TitleComponent,
    VisualMapComponent,
    SVGRenderer,
  ]);
  const { option, height } = experimentOption(chart);
  const instance = init(null, null, { renderer: 'svg', ssr: true, width: WIDTH, height });
  try {
    instance.setOption(option);
    return instance.renderToSVGString();
  } finally {
    instance.dispose();
  }
}

/** Names of all curves, in the order in which they come. */
const namesOf = (panels: readonly Panel[]): string[] => [
  ...new Set(panels.flatMap(({ curves }) => curves.map(({ name }) => name))),
];

/** The chart's description, apart from its drawing, for tests. */
export function experimentOption({ title, subtitle, panels, heatMaps = [] }: ExperimentChart): {
  option: Option;
  height: number;
} {
  const names = namesOf(panels);
  const lines = legendLines(names);
  const head = 86 + 19 * subtitle.split('\n').length - 19 + 24 * lines.length;
  const all = [...panels, ...heatMaps];
  const abreast = all.length === 1 ? 1 : 2;
  const width = (WIDTH - 2 * MARGIN - GAP * (abreast - 1)) / abreast;
  const boxes = all.map((_, i) => ({
    left: MARGIN + (i % abreast) * (width + GAP),
    top: head + Math.floor(i / abreast) * (PANEL + GAP),
    width,
  }));
  const height = head + Math.ceil(all.length / abreast) * (PANEL + GAP) + 8;
  const drawn = [
    ...panels.map((panel, i) => drawPanel(panel, i, names)),
    ...heatMaps.map((map, i) => drawMap(map, panels.length + i)),
  ];
  const option: Option = {
    backgroundColor: '#ffffff',
    textStyle: { fontFamily: FONT },
    animation: false,
    title: [
      {
        text: title,
        subtext: subtitle,
        left: MARGIN - 5,
        top: 14,
        itemGap: 8,
        textStyle: { color: INK, fontSize: 19, fontWeight: 600, fontFamily: FONT },
        subtextStyle: { color: MUTED, fontSize: 12.5, lineHeight: 19, fontFamily: FONT },
      },
      ...all.map((each, i) => ({
        text: each.title,
        left: boxes[i]!.left + ROOM.left - 5,
        top: boxes[i]!.top + 6,
        textStyle: { color: INK, fontSize: 14, fontWeight: 600 as const, fontFamily: FONT },
      })),
    ],
    legend: lines.map((data, i) => ({
      left: MARGIN,
      top: head - 24 * (lines.length - i) - 4,
      data,
      itemGap: 34,
      itemWidth: 26,
      itemHeight: 9,
      // Each entry gets the width of its line's longest: without a browser that of a text is a guess, and the guess runs short.
      textStyle: {
        color: INK,
        fontSize: 12.5,
        fontFamily: FONT,
        width: LETTER * Math.max(...data.map(({ length }) => length)),
      },
      selectedMode: false,
    })),
    grid: boxes.map(({ left, top, width }) => ({
      left: left + ROOM.left,
      top: top + ROOM.top,
      width: width - ROOM.left - ROOM.right,
      height: PANEL - ROOM.top - ROOM.bottom,
    })),
    xAxis: drawn.map(({ xAxis }) => xAxis) as Option['xAxis'],
    yAxis: drawn.map(({ yAxis }) => yAxis) as Option['yAxis'],
    visualMap: drawn.flatMap(({ visualMap }, i) => {
      const before = drawn.slice(0, i).reduce((sum, { series }) => sum + series.length, 0);
      return visualMap ? [{ ...visualMap, seriesIndex: before }] : [];
    }),
    series: drawn.flatMap(({ series }) => series),
  };
  return { option, height };
}

/** The legend in lines, each with room for the longest of its entries as often as it has some. */
function legendLines(names: readonly string[]): string[][] {
  const lines: string[][] = [];
  for (const name of names) {
    const line = [...(lines.at(-1) ?? []), name];
    const entry = 26 + 34 + LETTER * Math.max(...line.map(({ length }) => length));
    if (lines.length > 0 && entry * line.length <= WIDTH - 2 * MARGIN) lines[lines.length - 1] = line;
    else lines.push([name]);
  }
  return lines;
}

interface Drawn {
  readonly xAxis: object;
  readonly yAxis: object;
  readonly visualMap?: VisualMapComponentOption;
  readonly series: (LineSeriesOption | HeatmapSeriesOption)[];
}

const axisText = { nameTextStyle: { color: MUTED, fontSize: 12 }, nameLocation: 'middle' as const };
const labels = { color: MUTED, fontSize: 11.5, hideOverlap: true };

const tick = (value: number): string =>
  value === 0 || (Math.abs(value) >= 1e-3 && Math.abs(value) < 1e5)
    ? String(Number(value.toPrecision(6)))
    : value.toExponential(0);

function drawPanel(panel: Panel, index: number, names: readonly string[]): Drawn {
  const { curves, logX = false, range } = panel;
  const logY = panel.logY === true && curves.some(({ y }) => y.some((value) => value !== null && value > 0));
  const values = curves
    .flatMap(({ y }) => y)
    .filter((value): value is number => value !== null && (!logY || value > 0));
  const xs = curves.flatMap(({ x }) => x);
  const [low, high] = range ?? [logY ? Math.min(...values) : undefined, logY ? ceiling(curves) : undefined];
  // What lines are kept near to.
  const kept = range ?? (high === undefined ? undefined : ([low!, high] as const));
  const axis = { gridIndex: index, ...axisText, axisLine: { show: true, onZero: false, lineStyle: { color: AXIS } } };
  const at = (name: string) => names.indexOf(name);
  const [left, right] = panel.rangeX ?? [logX ? Math.min(...xs) : Math.min(0, ...xs), Math.max(...xs)];
  // Batch sizes, say: at each of them a tick.
  const binary = logX && xs.every((each) => Number.isInteger(Math.log2(each)));
  const few = xs.every((each) => Number.isInteger(each) && each <= FEW);
  return {
    xAxis: {
      ...axis,
      type: logX ? 'log' : 'value',
      ...(binary && { logBase: 2 }),
      ...(few && { minInterval: 1 }),
      name: `${panel.x}${logX ? ', logarithmic' : ''}`,
      nameGap: 28,
      min: xs.length > 0 ? left : 0,
      max: xs.length > 0 ? right : 1,
      splitLine: { show: false },
      axisLabel: {
        ...labels,
        formatter: tick,
        ...(!binary && !few && !panel.rangeX && { showMaxLabel: false, ...(logX && { showMinLabel: false }) }),
      },
    },
    yAxis: {
      ...axis,
      type: logY ? 'log' : 'value',
      name: `${panel.y}${logY ? ', logarithmic' : ''}`,
      nameGap: 46,
      min: logY && low !== undefined ? 10 ** Math.floor(Math.log10(low)) : low,
      max: high,
      // Nearly all of it lies between 0.8 and 1.
      scale: panel.y === 'accuracy',
      splitLine: { lineStyle: { color: RULE } },
      axisLabel: { ...labels, formatter: tick },
    },
    series: [
      ...(panel.contours ?? []).map((ring) => contour(ring, index)),
      ...curves.flatMap((curve) =>
        lines(curve, { index, place: at(curve.like ?? curve.name), logY, range: kept, panel }),
      ),
    ],
  };
}

/** Where a curve that flew off is cut, so that the others are seen; undefined where none did. */
function ceiling(curves: readonly Curve[]): number | undefined {
  const firsts = curves
    .map(({ y }) => y.find((value) => value !== null && value > 0) ?? Number.NaN)
    .filter((value) => !Number.isNaN(value))
    .sort((a, b) => a - b);
  const usual = firsts[firsts.length >> 1] ?? 1;
  const most = Math.max(...curves.flatMap(({ y }) => y.map((value) => value ?? 0)));
  return most > FLOWN * usual ? 10 ** Math.ceil(Math.log10(10 * usual)) : undefined;
}

/** Not so far off the axis that it cannot be drawn: what is cut off still leads the right way, about. */
function near(value: number, range: Panel['range'], log = false): number {
  if (!range) return value;
  const [low, high] = log ? range.map(Math.log10) : range;
  const at = log ? Math.log10(value) : value;
  const span = BEYOND * (high! - low!);
  const kept = Math.min(Math.max(at, low! - span), high! + span);
  return kept === at ? value : log ? 10 ** kept : kept;
}

/** A line of equal height, behind everything. */
const contour = (ring: readonly (readonly [number, number])[], index: number): LineSeriesOption => ({
  type: 'line',
  ...{ xAxisIndex: index, yAxisIndex: index, silent: true, clip: true, symbol: 'none', z: 1 },
  data: ring.map(([x, y]) => [x, y]),
  lineStyle: { color: AXIS, width: 0.8, opacity: 0.75 },
});

function lines(
  { name, x, y, band, style }: Curve,
  {
    index,
    place,
    logY,
    range,
    panel,
  }: { index: number; place: number; logY: boolean; range: Panel['range']; panel: Panel },
): LineSeriesOption[] {
  const color = PALETTE[place % PALETTE.length]!;
  const symbol = MARKERS[place % MARKERS.length]!;
  const shown = (value: number | null) => (value === null || (logY && value <= 0) ? null : near(value, range, logY));
  const data = x.map((at, i) => [near(at, panel.rangeX), shown(y[i]!)]);
  const own = { type: 'line' as const, name, xAxisIndex: index, yAxisIndex: index, silent: true, clip: true };
  const every = Math.max(1, Math.floor(data.length / MARKED));
  // Markers of curves that lie on one another stand beside each other.
  const first = Math.floor(((place % MARKERS.length) * every) / MARKERS.length);
  const marked = style === 'points' || (style !== 'plain' && style !== 'dashed' && data.length > 1);
  const line: LineSeriesOption = {
    ...own,
    data: data as LineSeriesOption['data'],
    symbol: marked ? symbol : 'none',
    showSymbol: true,
    showAllSymbol: true,
    symbolSize: ((_: unknown, { dataIndex }: { dataIndex: number }) =>
      style === 'points' || data.length <= 2 * MARKED || dataIndex % every === first ? 8 : 0) as never,
    lineStyle: {
      color,
      width: style === 'points' ? 0 : 2,
      join: 'round',
      type: style === 'dashed' ? 'dashed' : 'solid',
    },
    itemStyle: { color },
    ...(panel.marks && panel.curves[0]?.name === name && { markLine: markLine(panel) }),
  };
  if (!band) return [line];
  const edge = {
    ...own,
    symbol: 'none',
    lineStyle: { opacity: 0 },
    stack: `${index}-${name}`,
    stackStrategy: 'all' as const,
    z: 1,
  };
  const within = (value: number | null) => (range && value !== null ? Math.min(value, range[1]) : value);
  const [low, high] = [band.low.map((v) => within(shown(v))), band.high.map((v) => within(shown(v)))];
  const between = high.map((value, i) => (value === null || low[i] === null ? null : value - low[i]!));
  // A stack of two on a logarithmic axis is a sum all the same.
  return [
    line, // first: the legend shows a name as its first series is
    { ...edge, data: x.map((at, i) => [at, low[i]!]) as LineSeriesOption['data'] },
    {
      ...edge,
      data: x.map((at, i) => [at, between[i]!]) as LineSeriesOption['data'],
      areaStyle: { color, opacity: 0.13 },
      itemStyle: { color },
    },
  ];
}

const markLine = ({ marks = [] }: Panel): LineSeriesOption['markLine'] => ({
  silent: true,
  symbol: 'none',
  lineStyle: { color: MUTED, type: 'dashed', width: 1 },
  label: { color: MUTED, fontSize: 11.5, fontFamily: FONT, formatter: '{b}', position: 'end', distance: 4 },
  data: marks.map(({ x, text }) => ({ xAxis: x, name: text })),
});

function drawMap({ x, y, columns, rows, values, unit }: HeatMap, index: number): Drawn {
  const known = values.flat().filter((value): value is number => value !== null);
  const [low, high] = [Math.min(...known), Math.max(...known)];
  const axis = { gridIndex: index, type: 'category' as const, ...axisText, splitArea: { show: false } };
  const cells = values.flatMap((row, j) => row.map((value, i) => ({ i, j, value })));
  const share = (value: number) => (high > low ? (value - low) / (high - low) : 0);
  return {
    xAxis: { ...axis, name: x, nameGap: 28, data: columns, axisLabel: labels },
    yAxis: { ...axis, name: y, nameGap: 46, data: rows, axisLabel: labels },
    visualMap: {
      show: false,
      min: low,
      max: high > low ? high : low + 1,
      inRange: { color: ['#0b3c78', '#3f7fc1', '#a9c9ec', '#f2e8d5', '#e8a86a'] },
    },
    series: [
      {
        type: 'heatmap',
        name: unit,
        xAxisIndex: index,
        yAxisIndex: index,
        silent: true,
        data: cells.map(({ i, j, value }) => ({
          value: [i, j, value ?? low],
          ...(value === null && ({ visualMap: false, itemStyle: { color: '#d9dde2' } } as object)),
          label: {
            color: value !== null && share(value) < 0.35 ? '#ffffff' : INK,
            formatter: value === null ? 'diverged' : lossText(value),
          },
        })),
        label: {
          show: true,
          fontSize: 11,
          fontFamily: FONT,
        },
        itemStyle: { borderColor: '#ffffff', borderWidth: 1 },
      },
    ],
  };
}
