/** A heat map of two parameters: the best that a trial came to in each cell. */
import { CustomChart } from 'echarts/charts';
import { GraphicComponent, GridComponent, TitleComponent } from 'echarts/components';
import { SVGRenderer } from 'echarts/renderers';
import {
  importanceOf,
  isLog,
  type Parameter,
  ranked,
  sizeOf,
  type Trial,
  unitOf,
  valueAt,
} from '../../../src/search/index.js';
import { metricText } from '../lines.js';
import { AXIS, colourAt, drawn, FAILED, heading, INK, MUTED, type SearchChart, tick, words } from './style.js';

const [WIDTH, HEIGHT] = [960, 600];
const GRID = { left: 110, right: 150, top: 132, bottom: 66 };
const MOST_CELLS = 10;

/** The rate by the batch, where both are searched; else the two parameters that matter most. Undefined of one parameter. */
export function axesOf({ space, trials, direction }: SearchChart): readonly [string, string] | undefined {
  const names = Object.keys(space);
  if (names.length < 2) return undefined;
  if (names.includes('lr') && names.includes('batch')) return ['lr', 'batch'];
  const [first, second] = importanceOf(trials, space, direction).map(({ name }) => name);
  // The rate along the bottom, where one thinks of it.
  return second === 'lr' ? ['lr', first!] : [first!, second!];
}

interface Axis {
  readonly cells: number;
  readonly labels: readonly string[];
  cell(trial: Trial): number;
}

/** Cells of an axis: values where there are few, else stretches of equal length on it. */
function cellsOf(name: string, parameter: Parameter, trials: readonly Trial[]): Axis {
  const values = [...new Set(trials.map(({ params }) => params[name]!))];
  if (parameter.kind === 'choice' || Math.min(values.length, sizeOf(parameter)) <= MOST_CELLS) {
    const all =
      parameter.kind === 'choice' ? [...parameter.values] : values.sort((a, b) => (a as number) - (b as number));
    const labels = all.map((value) => (typeof value === 'number' ? tick(value) : String(value)));
    return { cells: all.length, labels, cell: ({ params }) => all.indexOf(params[name]!) };
  }
  const cells = Math.max(3, Math.min(MOST_CELLS, Math.round(Math.sqrt(trials.length))));
  const middle = (i: number) => valueAt(parameter, (i + 0.5) / cells) as number;
  const labels = Array.from({ length: cells }, (_, i) => tick(Number(middle(i).toPrecision(2))));
  const cell = ({ params }: Trial) => Math.min(Math.floor(unitOf(parameter, params[name]!) * cells), cells - 1);
  return { cells, labels, cell };
}

export const heatMapSvg = (chart: SearchChart): string | undefined => {
  const option = heatMapOption(chart);
  return (
    option && drawn([CustomChart, GridComponent, TitleComponent, GraphicComponent, SVGRenderer], option, WIDTH, HEIGHT)
  );
};

/** The chart's description, apart from its drawing, for tests. */
export function heatMapOption(chart: SearchChart) {
  const { title, subtitle, space, direction, metric } = chart;
  const names = axesOf(chart);
  const trials = chart.trials.filter(({ state }) => state !== 'running');
  if (!names || trials.length === 0) return undefined;
  const [x, y] = names.map((name) => cellsOf(name, space[name]!, trials)) as [Axis, Axis];
  const order = ranked(trials, direction);
  const finite = order.filter(({ value }) => value !== null).length;
  const cells = new Map<string, { readonly rank: number; readonly trial: Trial; count: number }>();
  for (const [rank, trial] of order.entries()) {
    const key = `${x.cell(trial)}:${y.cell(trial)}`;
    const known = cells.get(key);
    if (known) known.count++;
    else cells.set(key, { rank, trial, count: 1 });
  }
  const data = [...cells].map(
    ([key, { rank, trial, count }]) => [...key.split(':').map(Number), rank, count, trial.value] as const,
  );
  const size = {
    width: (WIDTH - GRID.left - GRID.right) / x.cells,
    height: (HEIGHT - GRID.top - GRID.bottom) / y.cells,
  };
  const axis = (labels: readonly string[], name: string) => ({
    ...{
      type: 'category',
      data: labels,
      name,
      nameLocation: 'middle',
      splitLine: { show: false },
      axisTick: { show: false },
    },
    nameTextStyle: { color: INK, fontSize: 13, fontWeight: 600 },
    axisLine: { lineStyle: { color: AXIS } },
    axisLabel: { color: MUTED, fontSize: 12 },
  });
  const named = (name: string) => `${name}${isLog(space[name]!) ? ', logarithmic' : ''}`;
  return {
    ...heading(
      title,
      `${subtitle}\nThe best validation ${metric} in each cell, and of how many trials; empty where there was none.`,
      WIDTH,
    ),
    grid: GRID,
    xAxis: { ...axis(x.labels, named(names[0])), nameGap: 34 },
    yAxis: { ...axis(y.labels, named(names[1])), nameGap: 66 },
    series: [
      {
        ...{ type: 'custom', silent: true, data },
        renderItem: (_: unknown, api: { value(i: number): number; coord(at: number[]): number[] }) => {
          const [rank, count] = [api.value(2), api.value(3)];
          const [cx, cy] = api.coord([api.value(0), api.value(1)]) as [number, number];
          const trial = order[rank]!;
          const share = finite > 1 ? rank / (finite - 1) : 0;
          const fill = trial.value === null ? '#f6d5d5' : colourAt(share);
          const ink = trial.value === null ? FAILED : share < 0.62 ? '#ffffff' : INK;
          const small = Math.min(13, size.width / 6.2);
          return {
            type: 'group',
            children: [
              {
                type: 'rect',
                shape: {
                  x: cx - size.width / 2 + 1,
                  y: cy - size.height / 2 + 1,
                  width: size.width - 2,
                  height: size.height - 2,
                  r: 3,
                },
                style: { fill },
              },
              words(cx, cy - 8, metricText(metric, trial.value), {
                align: 'center',
                verticalAlign: 'middle',
                fill: ink,
                fontSize: small,
                fontWeight: 600,
              }),
              words(cx, cy + 9, String(count), {
                align: 'center',
                verticalAlign: 'middle',
                fill: ink,
                fontSize: small - 2,
                opacity: 0.85,
              }),
            ],
          };
        },
      },
    ],
    graphic: scaleParts(),
  };
}

/** The scale of colours, beside the map. */
function scaleParts() {
  const [x, top, height, steps] = [WIDTH - GRID.right + 36, GRID.top + 24, 180, 36];
  return [
    ...Array.from({ length: steps }, (_, i) => ({
      ...{ type: 'rect' as const, silent: true, x, y: top + (i * height) / steps },
      shape: { width: 16, height: height / steps + 0.5 },
      style: { fill: colourAt(i / (steps - 1)) },
    })),
    words(x + 24, top - 2, 'best'),
    words(x + 24, top + height - 12, 'worst'),
    words(x, top + height + 12, 'by rank', { fontSize: 11 }),
  ];
}
