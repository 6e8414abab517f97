/** The picture of a run: loss over steps, as SVG, drawn by ECharts without a browser. */
import { LineChart, type LineSeriesOption } from 'echarts/charts';
import {
  GridComponent,
  type GridComponentOption,
  LegendComponent,
  type LegendComponentOption,
  TitleComponent,
  type TitleComponentOption,
} from 'echarts/components';
import { type ComposeOption, init, use } from 'echarts/core';
import { SVGRenderer } from 'echarts/renderers';

type Option = ComposeOption<LineSeriesOption | GridComponentOption | LegendComponentOption | TitleComponentOption>;
type Point = [step: number, loss: number | null];

/** What is drawn. */
export interface LossChart {
  readonly title: string;
  readonly subtitle: string;
  /** Loss of step i + 1. */
  readonly losses: readonly number[];
  /** Losses of validations, after so many steps; the best ones so far stand out. */
  readonly validations?: readonly { readonly step: number; readonly loss: number; readonly best: boolean }[];
}

const WIDTH = 960;
const HEIGHT = 540;
const FONT = "system-ui, 'Segoe UI', Helvetica, Arial, sans-serif";
const INK = '#1f2933';
const MUTED = '#616e7c';
const LIGHT = '#a9c9ec';
const STRONG = '#0b4f9e';
const VALIDATION = '#c2410c';
/** Points drawn of each line: together below 2000. */
const RAW_POINTS = 1400;
const SMOOTH_POINTS = 400;
const VALIDATION_POINTS = 200;
/** A smoothed loss that falls by more than this factor reads better on a logarithmic axis. */
const LOG_FROM = 20;

export function lossSvg(chart: LossChart): string {
  use([LineChart, GridComponent, LegendComponent, TitleComponent, SVGRenderer]);
  const instance = init(null, null, { renderer: 'svg', ssr: true, width: WIDTH, height: HEIGHT });
  try {
    instance.setOption(lossOption(chart));
    return instance.renderToSVGString();
  } finally {
    instance.dispose();
  }
}

/** The chart's description, apart from its drawing, for tests. */
export function lossOption({ title, subtitle, losses, validations = [] }: LossChart): Option {
  const window = windowOf(losses.length);
  const smooth = smoothed(losses, window);
  const held = thinned(validations);
  const range = [...smooth, ...held.map(({ value }) => value)]
    .map(([, loss]) => loss)
    .filter((loss): loss is number => loss !== null);
  const [low, high] = [Math.min(...range), Math.max(...range)];
  const log = low > 0 && high / low > LOG_FROM;
  // On a logarithmic axis a single batch with a loss near 0 would take half of the height: it is cut off at the edge.
  const floor = log ? 10 ** Math.floor(Math.log10(low / 2)) : 0;
  const raw = decimate(losses).map(
    ([step, loss]): Point => [step, log && loss !== null ? Math.max(loss, floor) : loss],
  );
  const names = ['loss of each step', `mean of ${window} steps`];
  const thin = {
    nameTextStyle: { color: MUTED, fontSize: 13 },
    axisLabel: { color: MUTED, fontSize: 12, hideOverlap: true },
  };
  return {
    backgroundColor: '#ffffff',
    textStyle: { fontFamily: FONT },
    animation: false,
    title: {
      text: title,
      subtext: subtitle,
      left: 24,
      top: 18,
      itemGap: 8,
      textStyle: {
        color: INK,
        fontSize: 19,
        fontWeight: 600,
        fontFamily: FONT,
        width: WIDTH - 48,
        overflow: 'truncate',
      },
      subtextStyle: {
        color: MUTED,
        fontSize: 13.5,
        lineHeight: 19,
        fontFamily: FONT,
        width: WIDTH - 48,
        overflow: 'truncate',
      },
    },
    legend: {
      right: 28,
      top: 96,
      itemWidth: 22,
      itemHeight: window > 1 ? 4 : 3,
      itemGap: 32,
      data: [...(window > 1 ? names : names.slice(0, 1)), ...(held.length > 0 ? [HELD] : [])],
      // Without a browser the width of a text is a guess, and the guess runs short: each entry gets a width of its own.
      textStyle: { color: INK, fontSize: 13, fontFamily: FONT, width: 136 },
      icon: 'roundRect',
    },
    grid: { left: 76, right: 28, top: 128, bottom: 58 },
    xAxis: {
      type: 'value',
      name: 'step',
      nameLocation: 'middle',
      nameGap: 32,
      min: 0,
      max: Math.max(losses.length, 1),
      minInterval: 1,
      splitLine: { show: false },
      axisLine: { lineStyle: { color: '#9aa5b1' } },
      ...thin,
    },
    yAxis: {
      type: log ? 'log' : 'value',
      name: `${held.length > 0 ? 'loss' : 'training loss'}${log ? ', logarithmic' : ''}`,
      nameLocation: 'end',
      nameGap: 14,
      min: log ? floor : low >= 0 ? 0 : undefined,
      max: log ? roundUp(Math.max(high, ...raw.map(([, loss]) => loss ?? 0))) : undefined,
      splitLine: { lineStyle: { color: '#e4e7eb' } },
      ...thin,
      axisLabel: { ...thin.axisLabel, formatter: tick },
      nameTextStyle: { ...thin.nameTextStyle, align: 'left', padding: [0, 0, 0, -52] },
    },
    series: [
      line(names[0]!, raw, window > 1 ? LIGHT : STRONG, window > 1 ? 1 : 2),
      ...(window > 1 ? [line(names[1]!, smooth, STRONG, 2.4)] : []),
      ...(held.length > 0 ? [points(held)] : []),
    ],
  };
}

/** What the points of validations are called; the filled ones were the best so far. */
const HELD = 'validation loss';

interface Held {
  readonly value: Point;
  readonly symbol?: string;
}

/** At most VALIDATION_POINTS, among them the best one and the last. */
function thinned(validations: NonNullable<LossChart['validations']>): Held[] {
  const every = Math.ceil(validations.length / VALIDATION_POINTS);
  const best = validations.findLastIndex((each) => each.best);
  return validations
    .filter((_, i) => i === best || (validations.length - 1 - i) % every === 0)
    .map(({ step, loss, best: filled }) => ({
      value: [step, Number.isFinite(loss) ? loss : null],
      symbol: filled ? 'circle' : 'emptyCircle',
    }));
}

/** Validations as points, with a thin line that shows which follows which. */
const points = (data: Held[]): LineSeriesOption => ({
  ...line(HELD, [], VALIDATION, 1),
  data: data as LineSeriesOption['data'],
  showSymbol: true,
  symbolSize: data.length > 60 ? 4 : 7,
  z: 3,
});

const tick = (value: number): string =>
  value === 0 || (value >= 1e-4 && value < 1e5) ? String(Number(value.toPrecision(6))) : value.toExponential(0);

/** The next of 1, 2, 5, 10, 20 …: a logarithmic axis would go on to the next power of ten. */
function roundUp(value: number): number {
  const power = 10 ** Math.floor(Math.log10(value));
  return power * ([1, 2, 5].find((digit) => digit * power >= value) ?? 10);
}

const line = (name: string, data: Point[], color: string, width: number): LineSeriesOption => ({
  type: 'line',
  name,
  data,
  showSymbol: data.length === 1,
  silent: true,
  lineStyle: { color, width, join: 'round' },
  itemStyle: { color },
});

/** Steps averaged at each point: a 25th of the run, odd so that it has a middle. A short run is drawn as it is. */
export function windowOf(steps: number): number {
  if (steps < 50) return 1;
  return 2 * Math.max(2, Math.round(steps / 50)) + 1;
}

/** The centred mean over `window` steps, at most SMOOTH_POINTS of it; near the ends over fewer. */
export function smoothed(losses: readonly number[], window: number): Point[] {
  const half = (window - 1) / 2;
  const sums = [0];
  const broken = [0]; // how many losses so far were not finite
  for (const loss of losses) {
    const finite = Number.isFinite(loss);
    sums.push(sums.at(-1)! + (finite ? loss : 0));
    broken.push(broken.at(-1)! + (finite ? 0 : 1));
  }
  const count = Math.min(losses.length, SMOOTH_POINTS);
  return Array.from({ length: count }, (_, i) => {
    const at = count === 1 ? 0 : Math.round((i * (losses.length - 1)) / (count - 1));
    // At the start, where the loss falls fast, as many steps to the right as there are to the left: a window cut on one
    // side would bend the line. At the end it is flat, and the window may be cut, which keeps the last point calm.
    const left = Math.min(half, at);
    const [from, to] = [at - left, Math.min(at + left + 1, losses.length)];
    return [at + 1, broken[to]! > broken[from]! ? null : (sums[to]! - sums[from]!) / (to - from)];
  });
}

/** At most RAW_POINTS points that keep the height of every peak: the least and the greatest loss of each stretch. */
export function decimate(losses: readonly number[]): Point[] {
  const point = (i: number): Point => [i + 1, Number.isFinite(losses[i]!) ? losses[i]! : null];
  if (losses.length <= RAW_POINTS) return losses.map((_, i) => point(i));
  const stretches = RAW_POINTS / 2;
  const points: Point[] = [];
  for (let k = 0; k < stretches; k++) {
    const from = Math.floor((k * losses.length) / stretches);
    const to = Math.floor(((k + 1) * losses.length) / stretches);
    let [least, greatest] = [from, from];
    for (let i = from; i < to; i++) {
      if (losses[i]! < losses[least]!) least = i;
      if (!(losses[i]! <= losses[greatest]!)) greatest = i; // a NaN wins, and breaks the line
    }
    points.push(point(Math.min(least, greatest)));
    if (least !== greatest) points.push(point(Math.max(least, greatest)));
  }
  return points;
}
