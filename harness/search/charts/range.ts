/** The picture of a range test: loss by rate, with what is said of it. */
import { LineChart } from 'echarts/charts';
import { GridComponent, MarkLineComponent, TitleComponent } from 'echarts/components';
import { SVGRenderer } from 'echarts/renderers';
import type { RangeReport } from '../../../src/search/index.js';
import { AXIS, drawn, FAILED, FONT, heading, MUTED, RULE, STRONG, tick } from './style.js';

export interface RangeChart {
  readonly title: string;
  readonly subtitle: string;
  readonly report: RangeReport;
}

const [WIDTH, HEIGHT] = [960, 500];
/** What is more than so many times the first loss is cut at the edge. */
const CUT = 2.5;

export const rangeSvg = (chart: RangeChart): string =>
  drawn([LineChart, GridComponent, TitleComponent, MarkLineComponent, SVGRenderer], rangeOption(chart), WIDTH, HEIGHT);

/** The chart's description, apart from its drawing, for tests. */
export function rangeOption({ title, subtitle, report }: RangeChart) {
  const { points, minimum, steepest, suggestion, blowUp, kind } = report;
  const finite = points.filter(({ smooth }) => Number.isFinite(smooth));
  const top = CUT * Math.max(finite[0]?.smooth ?? 1, minimum?.smooth ?? 0);
  const cut = (value: number) => (Number.isFinite(value) ? Math.min(value, top) : top);
  const mark = (name: string, x: number | undefined, color: string, type: 'solid' | 'dashed') =>
    x === undefined ? [] : [{ xAxis: x, name, lineStyle: { color, type, width: 1.4 }, label: { color } }];
  const label = { color: MUTED, fontSize: 12 };
  const line = (data: unknown[], color: string, width: number, more: object = {}) => ({
    ...{
      type: 'line',
      silent: true,
      showSymbol: false,
      data,
      lineStyle: { color, width },
      itemStyle: { color },
      ...more,
    },
  });
  const said =
    kind === 'sweep'
      ? 'Light: the loss of each step, whose rate is a little higher than that of the one before; dark: smoothed.'
      : 'Each point is a network that was trained with one rate: its smoothed loss at the end; what is not finite lies at the edge.';
  const marks = [
    ...mark('lowest', minimum?.lr, STRONG, 'dashed'),
    ...mark('steepest', steepest?.lr, MUTED, 'dashed'),
    ...mark('suggestion', suggestion === minimum?.lr ? undefined : suggestion, '#2f855a', 'solid'),
    ...mark(kind === 'sweep' ? 'blows up' : 'fails', blowUp, FAILED, 'dashed'),
  ].map((each, i) => ({ ...each, label: { ...each.label, distance: [0, 2 + 14 * (i % 3)] } }));
  const markLine = {
    // Else positions are rounded to two decimals.
    ...{ silent: true, symbol: 'none', data: marks, precision: 12 },
    label: { position: 'end', rotate: 0, fontSize: 11.5, fontFamily: FONT, formatter: '{b}' },
  };
  return {
    ...heading(title, `${subtitle}\n${said}`, WIDTH),
    grid: { left: 76, right: 36, top: 158, bottom: 62 },
    xAxis: {
      ...{
        type: 'log',
        name: 'learning rate',
        nameLocation: 'middle',
        nameGap: 32,
        min: points[0]?.lr,
        max: points.at(-1)?.lr,
      },
      ...{ nameTextStyle: { color: MUTED, fontSize: 13 }, axisLabel: { ...label, formatter: tick, hideOverlap: true } },
      ...{ splitLine: { show: false }, axisLine: { onZero: false, lineStyle: { color: AXIS } } },
    },
    yAxis: {
      ...{
        type: 'value',
        name: 'loss',
        min: 0,
        max: Number(top.toPrecision(2)),
        splitLine: { lineStyle: { color: RULE } },
      },
      ...{ nameTextStyle: { color: MUTED, fontSize: 13 }, axisLabel: { ...label, formatter: tick } },
    },
    series: [
      ...(kind === 'sweep'
        ? [
            line(
              points.map(({ lr, loss }) => [lr, cut(loss)]),
              '#a9c9ec',
              1,
            ),
          ]
        : []),
      line(
        points.map(({ lr, smooth }) => [lr, cut(smooth)]),
        STRONG,
        2.4,
        {
          ...(kind === 'parallel' && { showSymbol: true, symbolSize: 7 }),
          markLine,
        },
      ),
    ],
  };
}
