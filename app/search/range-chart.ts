import uPlot from 'uplot';
import type { RangeReport } from '../../src/search/index.js';
import { cssColor } from '../shell/dom.js';
import { rate } from '../shell/format.js';

const HEIGHT = 190;
/** What is more than so many times the first loss is cut at the edge. */
const CUT = 2.5;

interface Mark {
  readonly lr: number;
  readonly color: string;
  readonly dash: readonly number[];
  readonly letter: string;
}

/** Loss by rate, with lines at the rates that matter: each has a colour, a dash and a letter. */
export class RangeChart {
  #plot: uPlot | undefined;
  #report: RangeReport | undefined;

  constructor(private readonly box: HTMLElement) {
    box.setAttribute('role', 'img');
    new ResizeObserver(() => requestAnimationFrame(() => this.#fit())).observe(box);
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => this.#build());
  }

  show(report: RangeReport): void {
    this.#report = report;
    const { steepest, blowUp } = report;
    this.box.setAttribute(
      'aria-label',
      `Loss by learning rate: steepest at ${rate(steepest?.lr)}, diverging at ${rate(blowUp)}. The same figures stand below.`,
    );
    this.#build();
  }

  #fit(): void {
    const width = Math.max(160, this.box.clientWidth);
    if (this.#plot && this.#plot.width !== width) this.#plot.setSize({ width, height: HEIGHT });
  }

  #build(): void {
    this.#plot?.destroy();
    if (!this.#report) return;
    const { points } = this.#report;
    const finite = (value: number) => (Number.isFinite(value) ? value : null);
    const data = [
      points.map(({ lr }) => lr),
      ...[points.map((p) => finite(p.loss)), points.map((p) => finite(p.smooth))],
    ];
    this.#plot = new uPlot(this.#options(this.#report), data as uPlot.AlignedData, this.box);
  }

  #options(report: RangeReport): uPlot.Options {
    const { points } = report;
    const first = points[0]?.smooth ?? 1;
    const low = Math.min(...points.map(({ smooth }) => smooth).filter(Number.isFinite));
    const high = Math.min(CUT * first, Math.max(first, ...points.map(({ smooth }) => smooth).filter(Number.isFinite)));
    const marks = marksOf(report);
    const axis: uPlot.Axis = {
      stroke: cssColor('--muted'),
      font: '11px system-ui, sans-serif',
      grid: { stroke: cssColor('--grid'), width: 1 },
      ticks: { show: false },
    };
    return {
      ...{
        width: Math.max(160, this.box.clientWidth),
        height: HEIGHT,
        legend: { show: false },
        padding: [18, 10, 0, 0],
      },
      cursor: { show: false },
      scales: {
        x: { time: false, distr: 3, range: () => [points[0]!.lr, Math.max(points.at(-1)!.lr, 10 * points[0]!.lr)] },
        y: { range: () => [Math.max(0, low - (high - low) * 0.15), high + (high - low) * 0.1 || 1] },
      },
      axes: [
        // Whole powers of ten are enough in a small chart.
        {
          ...axis,
          size: 26,
          splits: powersBetween,
          filter: (_plot, ticks) => ticks,
          values: (_plot, ticks) => ticks.map(powerText),
        },
        { ...axis, size: 44, space: 36, values: (_plot, ticks) => ticks.map((tick) => String(+tick.toPrecision(3))) },
      ],
      series: [
        {},
        { stroke: cssColor('--curve-faint'), width: 1, points: { show: false } },
        { stroke: cssColor('--curve'), width: 2, points: { show: false } },
      ],
      hooks: { draw: [(plot) => drawMarks(plot, marks)] },
    };
  }
}

const powersBetween = (_plot: uPlot, _axis: number, from: number, to: number): number[] => {
  const [low, high] = [Math.ceil(Math.log10(from) - 1e-9), Math.floor(Math.log10(to) + 1e-9)];
  return Array.from({ length: high - low + 1 }, (_, i) => Number(`1e${low + i}`));
};

const powerText = (tick: number): string => (tick < 1e-3 ? tick.toExponential(0) : String(tick));

function marksOf({ steepest, minimum, blowUp, suggestion }: RangeReport): Mark[] {
  const mark = (lr: number | undefined, color: string, dash: number[], letter: string) =>
    lr === undefined ? [] : [{ lr, color: cssColor(color), dash, letter }];
  return [
    ...mark(steepest?.lr, '--test', [], 'S'),
    ...mark(suggestion, '--good', [6, 3], '✓'),
    ...mark(minimum?.lr, '--muted', [2, 3], 'L'),
    ...mark(blowUp, '--bad', [8, 3, 2, 3], '✗'),
  ];
}

function drawMarks({ ctx, bbox, valToPos }: uPlot, marks: readonly Mark[]): void {
  const ratio = devicePixelRatio;
  ctx.save();
  ctx.font = `600 ${12 * ratio}px system-ui, sans-serif`;
  ctx.textAlign = 'center';
  for (const { lr, color, dash, letter } of marks) {
    const x = Math.round(valToPos(lr, 'x', true));
    ctx.strokeStyle = color;
    ctx.fillStyle = color;
    ctx.lineWidth = 1.5 * ratio;
    ctx.setLineDash(dash.map((length) => length * ratio));
    ctx.beginPath();
    ctx.moveTo(x, bbox.top);
    ctx.lineTo(x, bbox.top + bbox.height);
    ctx.stroke();
    ctx.fillText(letter, x, bbox.top - 5 * ratio);
  }
  ctx.restore();
}
