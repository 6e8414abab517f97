import { axesOf } from '../../harness/search/charts/heat-map.js';
import { tick } from '../../harness/search/charts/style.js';
import { metricText } from '../../harness/search/lines.js';
import { isLog, type Parameter, ranked, type Trial, unitOf, type Value, valueAt } from '../../src/search/index.js';
import { colorOf, type Drawn, inkOn, type Look } from './look.js';

/* A heat map of two parameters: the best trial in each cell. With rate and batch the rule of linear scaling is drawn in. */

const MOST_CELLS = 8;

/** Cells of an axis: values where there are few, else stretches of equal length on it. */
function cellsOf(name: string, parameter: Parameter, trials: readonly Trial[]) {
  const values = [...new Set(trials.map(({ params }) => params[name]!))];
  if (parameter.kind === 'choice' || values.length <= MOST_CELLS) {
    const all: readonly Value[] =
      parameter.kind === 'choice' ? parameter.values : values.sort((a, b) => (a as number) - (b as number));
    return { middles: all, cell: ({ params }: Trial) => all.indexOf(params[name]!), stretches: false };
  }
  const count = Math.max(3, Math.min(MOST_CELLS, Math.round(Math.sqrt(2 * trials.length))));
  const middles = Array.from({ length: count }, (_, i) =>
    Number((valueAt(parameter, (i + 0.5) / count) as number).toPrecision(2)),
  );
  const cell = ({ params }: Trial) => Math.min(Math.floor(unitOf(parameter, params[name]!) * count), count - 1);
  return { middles, cell, stretches: true };
}
type Cells = ReturnType<typeof cellsOf>;

/** Where a value lies on an axis of categories, in cells and parts of them. */
function placeOf({ middles, stretches }: Cells, parameter: Parameter, value: number): number {
  if (stretches) return unitOf(parameter, value) * middles.length - 0.5;
  const numbers = middles as readonly number[];
  const on = (x: number) => Math.log(x);
  const above = numbers.findIndex((each) => each >= value);
  const [a, b] = above <= 0 ? [0, 1] : [above - 1, above];
  if (numbers.length < 2) return 0;
  return a + (on(value) - on(numbers[a]!)) / (on(numbers[b]!) - on(numbers[a]!));
}

export function heatOption(drawn: Drawn, look: Look, width: number) {
  const trials = drawn.trials.filter(({ state, value }) => state !== 'running' || value !== null);
  const names = axesOf({ ...drawn, trials, title: '', subtitle: '' });
  if (!names || trials.length === 0) return undefined;
  const { space, direction, metric } = drawn;
  const [x, y] = names.map((name) => cellsOf(name, space[name]!, trials)) as [Cells, Cells];
  const order = ranked(trials, direction);
  const finite = order.filter(({ value }) => value !== null).length;
  const best = new Map<string, number>();
  for (const [rank, trial] of order.entries()) {
    const key = `${x.cell(trial)}:${y.cell(trial)}`;
    if (!best.has(key)) best.set(key, rank);
  }
  const axis = ({ middles }: Cells, name: string) => ({
    ...{ type: 'category', data: middles.map((each) => (typeof each === 'number' ? tick(each) : String(each))) },
    ...{ name: `${name}${isLog(space[name]!) ? ' (log)' : ''}`, nameLocation: 'middle' },
    nameTextStyle: { color: look.text, fontSize: 12, fontWeight: 600 },
    axisLine: { lineStyle: { color: look.axis } },
    axisTick: { show: false },
    axisLabel: { color: look.muted, fontSize: 11, hideOverlap: true },
  });
  const line = names[0] === 'lr' && names[1] === 'batch' ? scalingLine(drawn, x, y, order[0]) : [];
  return {
    grid: { left: 62, right: 16, top: 16, bottom: 46 },
    xAxis: { ...axis(x, names[0]), nameGap: 28 },
    yAxis: { ...axis(y, names[1]), nameGap: 42 },
    series: [
      {
        ...{
          type: 'custom',
          silent: true,
          data: [...best].map(([key, rank]) => [...key.split(':').map(Number), rank]),
        },
        renderItem: (_: unknown, api: Api) => {
          const trial = order[api.value(2)]!;
          const share = finite > 1 ? api.value(2) / (finite - 1) : 0;
          const failed = trial.value === null;
          const [cx, cy] = api.coord([api.value(0), api.value(1)]);
          const [w, h] = api.size([1, 1]);
          const text = width / x.middles.length < 46 ? '' : metricText(metric, trial.value);
          return {
            type: 'group',
            children: [
              {
                type: 'rect',
                shape: { x: cx - w / 2 + 1, y: cy - h / 2 + 1, width: w - 2, height: h - 2, r: 3 },
                style: failed
                  ? { fill: 'none', stroke: look.bad, lineDash: [3, 3] }
                  : { fill: colorOf(share, look.dark) },
              },
              {
                ...{ type: 'text', x: cx, y: cy },
                style: {
                  ...{ text, align: 'center', verticalAlign: 'middle', fontSize: Math.min(12, w / 5) },
                  fill: failed ? look.bad : inkOn(share, look.dark),
                },
              },
            ],
          };
        },
      },
      {
        ...{ type: 'custom', silent: true, clip: true, data: line.length > 0 ? [[0, 0]] : [] },
        renderItem: (_: unknown, api: Api) => {
          const [[x1, y1], [x2, y2]] = [api.coord([0, 0]), api.coord([1, 1])];
          const at = ([cx, cy]: readonly [number, number]) => [x1 + cx * (x2 - x1), y1 + cy * (y2 - y1)];
          return {
            type: 'polyline',
            shape: { points: line.map(at) },
            style: { stroke: look.text, lineWidth: 2, lineDash: [7, 4], fill: 'none' },
          };
        },
      },
    ],
  };
}

interface Api {
  value(i: number): number;
  coord(at: readonly number[]): [number, number];
  size(of: readonly number[]): [number, number];
}

/** Rates that go up with the batch as far as it does, through the best trial: lr / batch stays. In cells. */
function scalingLine({ space }: Drawn, x: Cells, y: Cells, best: Trial | undefined): (readonly [number, number])[] {
  if (!best || best.value === null || x.middles.length < 2 || y.middles.length < 2) return [];
  const [lr, batch] = [best.params.lr as number, best.params.batch as number];
  return y.middles.map((middle) => {
    const rate = (lr * (middle as number)) / batch;
    return [placeOf(x, space.lr!, rate), placeOf(y, space.batch!, middle as number)] as const;
  });
}
