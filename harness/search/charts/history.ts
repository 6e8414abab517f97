/** A search's history: the trials as they came, the best so far, and how many were needed. */
import { LineChart, ScatterChart } from 'echarts/charts';
import { GraphicComponent, GridComponent, TitleComponent } from 'echarts/components';
import { SVGRenderer } from 'echarts/renderers';
import { bestOfCurve, compareValues } from '../../../src/search/index.js';
import {
  AXIS,
  drawn,
  FAILED,
  heading,
  INK,
  MUTED,
  PRUNED,
  RULE,
  type SearchChart,
  STRONG,
  tick,
  valueAxis,
  words,
} from './style.js';

const [WIDTH, HEIGHT] = [1080, 480];
const [TOP, BOTTOM] = [140, 62];

export const historySvg = (chart: SearchChart): string =>
  drawn(
    [LineChart, ScatterChart, GridComponent, TitleComponent, GraphicComponent, SVGRenderer],
    historyOption(chart),
    WIDTH,
    HEIGHT,
  );

/** The chart's description, apart from its drawing, for tests. */
export function historyOption({ title, subtitle, trials, direction, metric }: SearchChart) {
  const done = trials.filter(({ state }) => state !== 'running');
  const axis = valueAxis(done, direction);
  const shown = (value: number | null) =>
    value === null ? (direction === 'minimize' ? axis.max : axis.min) : Math.min(Math.max(value, axis.min), axis.max);
  const compare = compareValues(direction);
  let best: number | null = null;
  const line = done.map(({ value, trial }) => {
    if (compare(value, best) < 0) best = value;
    return [trial, best === null ? null : shown(best)];
  });
  const curve = bestOfCurve(done, direction);
  const side = (key: 'best10' | 'median' | 'best90') => curve.map((each) => [each.n, shown(each[key])]);
  const label = { color: MUTED, fontSize: 12 };
  const yAxis = (gridIndex: number) => ({
    ...{ type: axis.log ? 'log' : 'value', gridIndex, min: axis.min, max: axis.max },
    splitLine: { lineStyle: { color: RULE } },
    axisLabel: { ...label, formatter: tick },
  });
  const xAxis = (gridIndex: number, type: string, name: string, min: number) => ({
    ...{ type, gridIndex, name, nameLocation: 'middle', nameGap: 32, min, max: Math.max(done.length, min + 1) },
    ...{
      nameTextStyle: { color: MUTED, fontSize: 13 },
      axisLabel: { ...label, hideOverlap: true },
      splitLine: { show: false },
    },
    axisLine: { onZero: false, lineStyle: { color: AXIS } },
    minInterval: 1,
  });
  const dots = (state: string, color: string) => ({
    ...{ type: 'scatter', silent: true, symbolSize: 6, clip: false, itemStyle: { color, opacity: 0.85 } },
    data: done.filter((trial) => trial.state === state).map(({ trial, value }) => [trial, shown(value)]),
  });
  const path = (data: unknown[], xAxisIndex: number, lineStyle: object, more: object = {}) => ({
    ...{ type: 'line', silent: true, showSymbol: false, xAxisIndex, yAxisIndex: xAxisIndex, data, lineStyle, ...more },
  });
  return {
    ...heading(
      title,
      `${subtitle}\nValidation ${metric}. Blue: trained to the end; grey: ended before; red: failed, at the edge.`,
      WIDTH,
    ),
    grid: [
      { left: 76, width: 520, top: TOP, bottom: BOTTOM },
      { left: 690, width: 362, top: TOP, bottom: BOTTOM },
    ],
    xAxis: [xAxis(0, 'value', 'trial', 0), xAxis(1, 'log', 'trials that a search would have had', 1)],
    yAxis: [yAxis(0), yAxis(1)],
    series: [
      dots('failed', FAILED),
      dots('pruned', PRUNED),
      dots('complete', STRONG),
      path(line, 0, { color: INK, width: 1.6 }, { step: 'end' }),
      path(side('best10'), 1, { color: STRONG, width: 1, type: 'dashed' }),
      path(side('best90'), 1, { color: STRONG, width: 1, type: 'dashed' }),
      path(side('median'), 1, { color: STRONG, width: 2.4 }),
    ],
    graphic: [
      words(76, TOP - 24, 'Trials, and the best so far', { fontSize: 13, fontWeight: 600, fill: INK }),
      words(690, TOP - 24, 'Best of n: median, and one in ten on each side', {
        fontSize: 13,
        fontWeight: 600,
        fill: INK,
      }),
    ],
  };
}
