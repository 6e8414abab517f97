/** Slices: for each parameter, what trials came to by its value. */
import { ScatterChart } from 'echarts/charts';
import { GraphicComponent, GridComponent, TitleComponent } from 'echarts/components';
import { SVGRenderer } from 'echarts/renderers';
import { importanceOf, type Trial } from '../../../src/search/index.js';
import {
  AXIS,
  drawn,
  FAILED,
  heading,
  INK,
  MUTED,
  onAxis,
  PRUNED,
  parameterAxis,
  RULE,
  type SearchChart,
  STRONG,
  tick,
  valueAxis,
  words,
} from './style.js';

const WIDTH = 1080;
const COLUMNS = 3;
const [TOP, PANEL, LEFT] = [120, 250, 76];
const CELL = (WIDTH - LEFT - 24) / COLUMNS;

const heightOf = (parameters: number) => TOP + PANEL * Math.ceil(parameters / COLUMNS) + 16;

export const slicesSvg = (chart: SearchChart): string =>
  drawn(
    [ScatterChart, GridComponent, TitleComponent, GraphicComponent, SVGRenderer],
    slicesOption(chart),
    WIDTH,
    heightOf(Object.keys(chart.space).length),
  );

/** The chart's description, apart from its drawing, for tests. */
export function slicesOption({ title, subtitle, trials, space, direction, metric }: SearchChart) {
  const done = trials.filter(({ state }) => state !== 'running');
  const axis = valueAxis(done, direction);
  const importance = new Map(importanceOf(done, space, direction).map(({ name, r2 }) => [name, r2]));
  const worst = direction === 'minimize' ? axis.max : axis.min;
  const kinds: { name: string; color: string; symbol: string; size: number; of: (trial: Trial) => boolean }[] = [
    {
      name: 'failed',
      color: FAILED,
      symbol: 'path://M0,0L8,8M8,0L0,8',
      size: 7,
      of: ({ state }) => state === 'failed',
    },
    { name: 'ended before', color: PRUNED, symbol: 'circle', size: 6, of: ({ state }) => state === 'pruned' },
    { name: 'trained to the end', color: STRONG, symbol: 'circle', size: 8, of: ({ state }) => state === 'complete' },
  ];
  const [grid, xAxis, yAxis, series, graphic]: object[][] = [[], [], [], [], []];
  Object.entries(space).forEach(([name, parameter], i) => {
    const left = LEFT + (i % COLUMNS) * CELL;
    const top = TOP + PANEL * Math.floor(i / COLUMNS);
    grid!.push({ left, top: top + 24, width: CELL - 40, height: PANEL - 84 });
    const line = { lineStyle: { color: AXIS } };
    xAxis!.push({
      ...parameterAxis('', parameter),
      gridIndex: i,
      splitLine: { show: false },
      axisLine: { onZero: false, ...line },
    });
    yAxis!.push({
      ...{
        type: axis.log ? 'log' : 'value',
        gridIndex: i,
        min: axis.min,
        max: axis.max,
        splitLine: { lineStyle: { color: RULE } },
      },
      axisLabel: { show: i % COLUMNS === 0, color: MUTED, fontSize: 11, formatter: tick },
    });
    graphic!.push(
      words(left, top, name, { fontSize: 13, fontWeight: 600, fill: INK }),
      words(left + CELL - 40, top + 2, `importance ${(importance.get(name) ?? 0).toFixed(2)}`, {
        align: 'right',
        fontSize: 11,
      }),
    );
    for (const { name: kind, color, symbol, size, of } of kinds)
      series!.push({
        ...{
          type: 'scatter',
          name: kind,
          xAxisIndex: i,
          yAxisIndex: i,
          silent: true,
          symbol,
          symbolSize: size,
          clip: false,
        },
        itemStyle:
          symbol === 'circle' ? { color, opacity: 0.8 } : { color: 'none', borderColor: color, borderWidth: 1.5 },
        data: done
          .filter(of)
          .map(({ params, value }) => [
            onAxis(parameter, params[name]),
            value === null ? worst : Math.min(Math.max(value, axis.min), axis.max),
          ]),
      });
  });
  return {
    ...heading(title, `${subtitle}\nValidation ${metric} of each trial by one parameter; ${legend(done)}.`, WIDTH),
    ...{ grid, xAxis, yAxis, series, graphic },
  };
}

function legend(trials: readonly Trial[]): string {
  const has = (state: Trial['state']) => trials.some((trial) => trial.state === state);
  const parts = [
    'blue: trained to the end',
    ...(has('pruned') ? ['grey: ended before, by its last value'] : []),
    ...(has('failed') ? ['red: failed, at the edge'] : []),
  ];
  return parts.join('; ');
}
