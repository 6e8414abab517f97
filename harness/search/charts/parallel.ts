/** Parallel coordinates: a line for each trial, through the values of its parameters to what it came to. */
import { ParallelChart } from 'echarts/charts';
import { GraphicComponent, ParallelComponent, TitleComponent } from 'echarts/components';
import { SVGRenderer } from 'echarts/renderers';
import { ranked } from '../../../src/search/index.js';
import {
  AXIS,
  colourAt,
  drawn,
  FAILED,
  heading,
  INK,
  MUTED,
  onAxis,
  parameterAxis,
  type SearchChart,
  STRONG,
  tick,
  valueAxis,
  words,
} from './style.js';

const [WIDTH, HEIGHT] = [1080, 560];

export const parallelSvg = (chart: SearchChart): string =>
  drawn(
    [ParallelChart, ParallelComponent, TitleComponent, GraphicComponent, SVGRenderer],
    parallelOption(chart),
    WIDTH,
    HEIGHT,
  );

/** The chart's description, apart from its drawing, for tests. */
export function parallelOption({ title, subtitle, trials, space, direction, metric }: SearchChart) {
  const order = ranked(
    trials.filter(({ state }) => state !== 'running'),
    direction,
  );
  const names = Object.entries(space);
  const axis = valueAxis(order, direction);
  const finite = order.filter(({ value }) => value !== null).length;
  const clipped = (value: number | null) =>
    value === null ? (direction === 'minimize' ? axis.max : axis.min) : Math.min(Math.max(value, axis.min), axis.max);
  // The worst first, so that the best lies on top.
  const lines = order.map((trial, rank) => {
    const failed = trial.value === null;
    const color = failed ? FAILED : colourAt(finite > 1 ? rank / (finite - 1) : 0);
    const width = rank === 0 ? 3.5 : 1.2;
    const opacity = rank === 0 ? 1 : failed ? 0.35 : 0.9 - (0.55 * rank) / Math.max(finite, 1);
    return {
      value: [...names.map(([name, parameter]) => onAxis(parameter, trial.params[name])), clipped(trial.value)],
      lineStyle: { color, width, opacity },
    };
  });
  return {
    ...heading(
      title,
      `${subtitle}\nThe darker, the better; the best is thick, what failed red. Axes as they are searched; what is far off the better half ends at the edge.`,
      WIDTH,
    ),
    parallel: {
      ...{ left: 70, right: 90, top: 142, bottom: 52 },
      parallelAxisDefault: {
        nameLocation: 'start',
        nameGap: 18,
        nameTextStyle: { color: INK, fontSize: 13, fontWeight: 600 },
        axisLine: { lineStyle: { color: AXIS } },
        axisTick: { lineStyle: { color: AXIS } },
        axisLabel: { color: MUTED, fontSize: 11 },
      },
    },
    parallelAxis: [
      ...names.map(([name, parameter], dim) => ({ dim, ...parameterAxis(name, parameter) })),
      {
        ...{ dim: names.length, name: metric, type: axis.log ? 'log' : 'value', min: axis.min, max: axis.max },
        // The best above, whichever way that is.
        inverse: direction === 'minimize',
        nameTextStyle: { color: STRONG, fontSize: 13, fontWeight: 600 },
        axisLabel: { color: MUTED, fontSize: 11, formatter: tick },
      },
    ],
    series: [{ type: 'parallel', smooth: false, silent: true, data: lines.reverse() }],
    graphic: finite === 0 ? [words(WIDTH / 2, 300, 'every trial failed', { align: 'center', fontSize: 16 })] : [],
  };
}
