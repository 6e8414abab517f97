/** The picture of initialisations: how each layer's outputs are spread, a row for each start; under it, deviation by layer. */
import { LineChart, type LineSeriesOption } from 'echarts/charts';
import {
  GraphicComponent,
  type GraphicComponentOption,
  GridComponent,
  type GridComponentOption,
  MarkLineComponent,
  type MarkLineComponentOption,
  TitleComponent,
  type TitleComponentOption,
} from 'echarts/components';
import { type ComposeOption, init, use } from 'echarts/core';
import { SVGRenderer } from 'echarts/renderers';
import { type InspectedLayer, SIGNAL_LIMITS, type Verdict } from '../../src/index.js';
import { highestBeside, type Inspected, layerName, numberText, shownLayers } from './lines.js';
import { startName } from './options.js';

type Option = ComposeOption<
  LineSeriesOption | GridComponentOption | TitleComponentOption | GraphicComponentOption | MarkLineComponentOption
>;

export interface StartsChart {
  readonly title: string;
  readonly subtitle: string;
  readonly inspected: readonly Inspected[];
}

const WIDTH = 1080;
const FONT = "system-ui, 'Segoe UI', Helvetica, Arial, sans-serif";
const [INK, MUTED, RULE] = ['#1f2933', '#616e7c', '#e4e7eb'];
const COLOURS: Readonly<Record<Verdict, string>> = { vanishing: '#b7791f', healthy: '#0b4f9e', exploding: '#c53030' };
/** Lines of the panel below, one per start. */
const PALETTE = ['#0b4f9e', '#c05621', '#2f855a', '#805ad5', '#b83280', '#2c7a7b', '#975a16', '#4a5568'];

const HEAD = 122;
const [LEFT, RIGHT] = [176, 28];
const ROW = 112;
/** Height of the bars, of a row's. */
const BARS = 66;
const PANEL = 300;
/** Layers in a row: of a deeper network as many, evenly chosen, the last one among them. */
const COLUMNS = 6;

export const heightOf = (rows: number) => HEAD + ROW * rows + PANEL;

export function startsSvg(chart: StartsChart): string {
  use([LineChart, GridComponent, TitleComponent, GraphicComponent, MarkLineComponent, SVGRenderer]);
  const height = heightOf(chart.inspected.length);
  const instance = init(null, null, { renderer: 'svg', ssr: true, width: WIDTH, height });
  try {
    instance.setOption(startsOption(chart));
    return instance.renderToSVGString();
  } finally {
    instance.dispose();
  }
}

/** Which of `count` layers are drawn. */
export const chosenLayers = (count: number): number[] =>
  count <= COLUMNS
    ? Array.from({ length: count }, (_, i) => i)
    : Array.from({ length: COLUMNS }, (_, i) => Math.round((i * (count - 1)) / (COLUMNS - 1)));

/** Where a row's outputs lie: all of the layers drawn, without the far tails. */
export function rangeOf(layers: readonly InspectedLayer[]): [number, number] {
  const finite = layers.map(({ output }) => output).filter(({ std }) => Number.isFinite(std));
  const low = Math.min(...finite.map(({ min, mean, std }) => Math.max(min, mean - 4 * std)));
  const high = Math.max(...finite.map(({ max, mean, std }) => Math.min(max, mean + 4 * std)));
  return high > low ? [low, high] : [-1, 1];
}

/**
 * The outline of a layer's histogram as a density, 1 for the fullest bin; where the bin of 0 would hide the others, for the
 * fullest of these, and that one is cut off.
 */
export function outlineOf({ output }: InspectedLayer): [x: number, y: number][] {
  const { histogram } = output;
  if (!histogram || !Number.isFinite(histogram.min)) return [];
  const { counts, min, max } = histogram;
  if (!(max > min)) return [min, min, min].map((x, i) => [x, i === 1 ? 1.25 : 0]);
  const width = (max - min) / counts.length;
  const zero = Math.min(Math.floor(-min / width), counts.length - 1);
  const highest = highestBeside(counts, zero);
  const bars = counts.flatMap((count, i): [number, number][] => {
    const y = Math.min(count / highest, 1.25);
    return [
      [min + i * width, y],
      [min + (i + 1) * width, y],
    ];
  });
  return [[min, 0], ...bars, [max, 0]];
}

const text = (left: number, top: number, words: string, style: object, align: 'left' | 'center' = 'left') => ({
  type: 'text' as const,
  x: left,
  y: top,
  silent: true,
  style: { text: words, fontFamily: FONT, fontSize: 12, fill: MUTED, align, ...style },
});

interface Parts {
  readonly grid: object[];
  readonly xAxis: object[];
  readonly yAxis: object[];
  readonly series: object[];
  readonly graphic: object[];
}

/** The name of a column: of its layers, where these are alike in all rows. */
const columnName = (layers: readonly InspectedLayer[], i: number, alike: boolean): string =>
  alike || i === layers.length - 1 ? layerName(layers, i) : `layer ${i + 1}`;

/** The cells of one row. @param alike all rows have the same layers */
function addRow(parts: Parts, each: Inspected, row: number, alike: boolean): void {
  const layers = shownLayers(each);
  const chosen = chosenLayers(layers.length);
  const top = HEAD + ROW * row;
  const cell = (WIDTH - LEFT - RIGHT) / chosen.length;
  const { activation, gain } = each.start;
  const [min, max] = rangeOf(chosen.map((i) => layers[i]!));
  parts.graphic.push(
    text(24, top + 14, each.start.init, { fontSize: 14, fontWeight: 600, fill: INK }),
    text(24, top + 33, gain === undefined ? activation : `${activation}, gain ${gain}`, {}),
    text(24, top + 51, each.verdict, { fill: COLOURS[each.verdict], fontWeight: 600 }),
  );
  for (const [column, i] of chosen.entries()) {
    const layer = layers[i]!;
    const index = parts.grid.length;
    const left = LEFT + column * cell;
    const colour = COLOURS[layer.verdict];
    const axis = { type: 'value', gridIndex: index, axisTick: { show: false }, splitLine: { show: false } };
    parts.grid.push({ left, top, width: cell - 18, height: BARS });
    parts.xAxis.push({
      ...axis,
      ...{ min, max, interval: max - min },
      axisLabel: { show: false },
      axisLine: { onZero: false, lineStyle: { color: '#9aa5b1' } },
    });
    parts.yAxis.push({ ...axis, min: 0, max: 1.15, axisLabel: { show: false }, axisLine: { show: false } });
    parts.series.push({
      ...{ type: 'line', xAxisIndex: index, yAxisIndex: index, silent: true, showSymbol: false, clip: true },
      data: outlineOf(layer),
      lineStyle: { color: colour, width: 1 },
      areaStyle: { color: colour, opacity: 0.28 },
    });
    const middle = left + (cell - 18) / 2;
    if (row === 0) parts.graphic.push(text(middle, top - 20, columnName(layers, i, alike), { fill: INK }, 'center'));
    const { std, dead, nonFinite } = layer.output;
    const said = nonFinite > 0 ? 'not finite' : `std ${numberText(std)}${dead > 0 ? `, ${percent(dead)} dead` : ''}`;
    parts.graphic.push(
      text(left, top + BARS + 5, numberText(min), { fontSize: 10 }),
      text(middle, top + BARS + 18, said, { fill: layer.verdict === 'healthy' ? MUTED : colour }, 'center'),
    );
    const last = numberText(max);
    parts.graphic.push({ ...text(left + cell - 18, top + BARS + 5, last, { fontSize: 10, align: 'right' }) });
  }
}

const percent = (share: number) => `${(100 * share).toFixed(0)} %`;

/** Deviation by layer, of all starts, on a logarithmic axis. */
function addPanel(parts: Parts, inspected: readonly Inspected[], alike: boolean): void {
  const index = parts.grid.length;
  const top = HEAD + ROW * inspected.length + 64;
  const deepest = Math.max(...inspected.map((each) => shownLayers(each).length));
  const names = inspected.map((each) => shownLayers(each)).find(({ length }) => length === deepest)!;
  const values = inspected.flatMap((each) => shownLayers(each).map(({ output }) => output.unitStd));
  const positive = values.filter((value) => value > 0 && Number.isFinite(value));
  const least = 10 ** Math.max(Math.floor(Math.log10(Math.min(...positive, SIGNAL_LIMITS.vanishing / 2))), -6);
  const most = 10 ** Math.min(Math.ceil(Math.log10(Math.max(...positive, SIGNAL_LIMITS.exploding))), 12);
  parts.graphic.push(
    text(24, top - 44, 'Signal by layer', { fontSize: 14, fontWeight: 600, fill: INK }),
    text(
      24,
      top - 24,
      'how much a unit varies over the samples, root mean square over units; what is below the axis lies on it',
      {},
    ),
  );
  parts.grid.push({ left: 76, right: 360, top, height: PANEL - 64 - 44 });
  const label = { color: MUTED, fontSize: 12, fontFamily: FONT };
  parts.xAxis.push({
    ...{ type: 'category', gridIndex: index, boundaryGap: false, axisTick: { show: false } },
    data: names.map((_, i) => columnName(names, i, alike)),
    axisLabel: { ...label, hideOverlap: true },
    axisLine: { lineStyle: { color: '#9aa5b1' } },
  });
  parts.yAxis.push({
    ...{ type: 'log', gridIndex: index, min: least, max: most },
    axisLabel: { ...label, formatter: numberText },
    splitLine: { lineStyle: { color: RULE } },
  });
  for (const [i, each] of inspected.entries()) {
    const layers = shownLayers(each);
    const color = PALETTE[i % PALETTE.length]!;
    parts.series.push({
      ...{ type: 'line', xAxisIndex: index, yAxisIndex: index, silent: true, symbolSize: 6 },
      data: layers.map(({ output }) => (output.unitStd > 0 ? Math.min(Math.max(output.unitStd, least), most) : least)),
      lineStyle: { color, width: 2, ...(i >= PALETTE.length && { type: 'dashed' }) },
      itemStyle: { color },
      ...(i === 0 && { markLine: limits() }),
    });
    const at = top + 4 + 18 * i;
    parts.graphic.push(
      {
        type: 'rect',
        silent: true,
        x: WIDTH - 262,
        y: at + 4,
        shape: { width: 18, height: 4 },
        style: { fill: color },
      },
      text(WIDTH - 236, at, alike ? startName(each.start) : `${startName(each.start)}, ${each.start.activation}`, {
        fill: INK,
      }),
    );
  }
}

const limits = () => ({
  silent: true,
  symbol: 'none',
  lineStyle: { color: '#9aa5b1', type: 'dashed' },
  label: { position: 'end', color: MUTED, fontSize: 11, fontFamily: FONT, formatter: '{b}' },
  data: [{ yAxis: SIGNAL_LIMITS.vanishing, name: 'vanishing' }],
});

/** The chart's description, apart from its drawing, for tests. */
export function startsOption({ title, subtitle, inspected }: StartsChart): Option {
  const parts: Parts = { grid: [], xAxis: [], yAxis: [], series: [], graphic: [] };
  const alike = new Set(inspected.map(({ start }) => start.activation)).size === 1;
  for (const [row, each] of inspected.entries()) addRow(parts, each, row, alike);
  addPanel(parts, inspected, alike);
  const room = { width: WIDTH - 48, overflow: 'truncate', fontFamily: FONT } as const;
  return {
    backgroundColor: '#ffffff',
    textStyle: { fontFamily: FONT },
    animation: false,
    title: {
      ...{ text: title, subtext: subtitle, left: 24, top: 18, itemGap: 8, padding: 0 },
      textStyle: { ...room, color: INK, fontSize: 19, fontWeight: 600 },
      subtextStyle: { ...room, color: MUTED, fontSize: 13.5, lineHeight: 19 },
    },
    ...(parts as object),
  } as Option;
}
