/** What the pictures of a search have in common. */
import { init, use } from 'echarts/core';
import type { Direction, Parameter, Space, Trial } from '../../../src/search/index.js';
import { isLog } from '../../../src/search/index.js';
import type { Metric } from '../lines.js';

/** What is drawn. */
export interface SearchChart {
  readonly title: string;
  readonly subtitle: string;
  readonly trials: readonly Trial[];
  readonly space: Space;
  readonly direction: Direction;
  readonly metric: Metric;
}

export const FONT = "system-ui, 'Segoe UI', Helvetica, Arial, sans-serif";
export const [INK, MUTED, RULE, AXIS] = ['#1f2933', '#616e7c', '#e4e7eb', '#9aa5b1'];
export const [STRONG, FAILED, PRUNED] = ['#0b4f9e', '#c53030', '#b8c1cc'];

/** From the best to the worst: dark blue, green, yellow, pale (viridis, reversed: readable in grey, and by those who see few colours). */
const SCALE = ['#440154', '#414487', '#2a788e', '#22a884', '#7ad151', '#d8e219'];

/** The colour at `share` of the scale. */
export function colourAt(share: number): string {
  const at = Math.min(Math.max(share, 0), 1) * (SCALE.length - 1);
  const [from, to] = [SCALE[Math.floor(at)]!, SCALE[Math.ceil(at)]!];
  const mix = (i: number) => {
    const [a, b] = [from, to].map((each) => Number.parseInt(each.slice(i, i + 2), 16)) as [number, number];
    return Math.round(a + (b - a) * (at - Math.floor(at)));
  };
  return `rgb(${mix(1)},${mix(3)},${mix(5)})`;
}
export const GRADIENT = SCALE;

/** A chart as SVG, drawn by ECharts without a browser. */
export function drawn(
  parts: Parameters<typeof use>[0],
  option: Record<string, unknown>,
  width: number,
  height: number,
): string {
  use(parts);
  const instance = init(null, null, { renderer: 'svg', ssr: true, width, height });
  try {
    instance.setOption(option);
    return instance.renderToSVGString();
  } finally {
    instance.dispose();
  }
}

export function heading(title: string, subtitle: string, width: number) {
  const room = { width: width - 48, overflow: 'truncate', fontFamily: FONT } as const;
  return {
    backgroundColor: '#ffffff',
    textStyle: { fontFamily: FONT },
    animation: false,
    title: {
      ...{ text: title, subtext: subtitle, left: 24, top: 18, itemGap: 8, padding: 0 },
      textStyle: { ...room, color: INK, fontSize: 19, fontWeight: 600 },
      subtextStyle: { ...room, color: MUTED, fontSize: 13.5, lineHeight: 19 },
    },
  };
}

export const words = (x: number, y: number, text: string, style: object = {}) => ({
  ...{ type: 'text' as const, x, y, silent: true },
  style: { text, fontFamily: FONT, fontSize: 12, fill: MUTED, ...style },
});

/** A number of an axis: 0.01, 1e-5. */
export const tick = (value: number): string =>
  value === 0 || (Math.abs(value) >= 1e-3 && Math.abs(value) < 1e5)
    ? String(Number(value.toPrecision(4)))
    : value.toExponential(1).replace('.0e', 'e');

/** Values whose largest is so many times their smallest read better on a logarithmic axis. */
const LOG_FROM = 20;

/** The axis of values: its ends, and whether it is logarithmic. What lies far off the better half is cut at the edge. */
export function valueAxis(trials: readonly Trial[], direction: Direction) {
  const values = trials.flatMap(({ value }) => (value === null ? [] : [value])).sort((a, b) => a - b);
  if (values.length === 0) return { log: false, min: 0, max: 1 };
  const [low, high] = [values[0]!, values.at(-1)!];
  const half = values[Math.floor(values.length / 2)]!;
  if (direction === 'maximize') return { log: false, min: Math.max(0, low), max: Math.max(high, low + 1e-6) };
  // Losses of trials that all but diverged would press the others together.
  const max = Math.min(high, 4 * Math.max(half, low));
  const log = low > 0 && max / low > LOG_FROM;
  return {
    log,
    min: log ? oneTwoFive(low, false) : Math.min(low, 0),
    max: log ? oneTwoFive(max, true) : digitUp(Math.max(max, low + 1e-6)),
  };
}

/** The next of 1, 2, 5, 10, 20 … upwards or downwards. */
function oneTwoFive(value: number, up: boolean): number {
  const power = 10 ** Math.floor(Math.log10(value));
  const steps = [1, 2, 5, 10].map((digit) => Number((digit * power).toPrecision(1)));
  return up ? steps.find((step) => step >= value)! : steps.findLast((step) => step <= value)!;
}

/** The next number of one digit, 7.4 as 8. */
function digitUp(value: number): number {
  const power = 10 ** Math.floor(Math.log10(Math.abs(value)));
  return Number((Math.ceil(value / power) * power).toPrecision(2));
}

/** An axis of a parameter, as ECharts has it. */
export function parameterAxis(name: string, parameter: Parameter) {
  const label = { color: MUTED, fontSize: 11, fontFamily: FONT, hideOverlap: true };
  if (parameter.kind === 'choice')
    return { name, type: 'category' as const, data: parameter.values.map(String), axisLabel: label };
  const { low: min, high: max } = parameter;
  return {
    name,
    type: isLog(parameter) ? ('log' as const) : ('value' as const),
    min,
    max,
    axisLabel: { ...label, formatter: tick },
  };
}

/** A parameter's value on such an axis. */
export const onAxis = (parameter: Parameter, value: unknown): number | string =>
  parameter.kind === 'choice' ? String(value) : (value as number);
