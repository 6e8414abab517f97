import type uPlot from 'uplot';
import { cssColor } from '../shell/dom.js';
import { linearTicks, logTicks, type Measure, tickTexts } from './ticks.js';
import type { ChartMark, Line, LinesOptions } from './types.js';

/* What uPlot is told: axes, scales, the look of lines, marks. The chart around it is in lines.ts. */

/** What a plot draws; a function where it changes while the plot stays. */
export interface Marked {
  readonly lines: readonly Line[];
  marks(): readonly ChartMark[];
  readonly measures: { readonly x: Measure; readonly y: Measure };
  current(): Marked['measures'];
  zoomed(): boolean;
  axes(): Pick<LinesOptions, 'x' | 'y'>;
}

const FONT = '12px system-ui, sans-serif';
/** Pixels between two labels. */
const SPACE = { x: 76, y: 34 } as const;
/** Of a character of a label. */
const CHARACTER = 6.8;

export function axesOf(state: Marked): Pick<uPlot.Options, 'axes' | 'scales'> {
  const grid = cssColor('--grid');
  const axis = (name: 'x' | 'y'): uPlot.Axis => ({
    stroke: cssColor('--muted'),
    font: FONT,
    labelFont: FONT,
    grid: { stroke: grid, width: 1 },
    ticks: { show: false },
    space: SPACE[name],
    splits: (plot, _axis, min, max) => {
      const most = Math.max(
        2,
        Math.floor(plot.bbox[name === 'x' ? 'width' : 'height'] / devicePixelRatio / SPACE[name]),
      );
      return state.axes()[name].log ? logTicks(min, max, most) : linearTicks(min, max, most);
    },
    values: (_plot, plotted) => {
      const values = plotted.map((each) => state.current()[name].value(each));
      return tickTexts(values);
    },
  });
  return {
    axes: [
      { ...axis('x'), size: 30, label: state.axes().x.label, labelSize: 20, labelGap: 0 },
      {
        ...axis('y'),
        size: (_plot, texts) => Math.max(36, 14 + CHARACTER * Math.max(0, ...(texts ?? []).map((text) => text.length))),
      },
    ],
    scales: { x: { time: false, auto: false }, y: { range: (_plot, min, max) => rangeOf(state, min, max) } },
  };
}

/** Of y, in plotted units: linear from 0, so that a curve's height means what it seems to; logarithmic to round numbers. */
function rangeOf(state: Marked, min: number | null, max: number | null): uPlot.Range.MinMax {
  const { log, from, to } = state.axes().y;
  const measure = state.current().y;
  if (min === null || max === null) return log ? [-1, 1] : [0, 1];
  if (log) {
    const round = (at: number, to: (value: number) => number) => {
      const power = Math.floor(at);
      return power + Math.log10(to(+(10 ** (at - power)).toFixed(9)));
    };
    const [low, high] = [round(min, Math.floor), round(max, Math.ceil)];
    return [low, high > low ? high : low + 1];
  }
  const margin = 0.05 * (max - min || Math.abs(max) || 1);
  if (state.zoomed() && max > min) return [min - margin, max + margin];
  const low = from !== undefined ? measure.plot(from)! : min >= 0 ? 0 : min - margin;
  const high = Math.max(max > low ? max + 0.05 * (max - low) : low + 1, to === undefined ? low : measure.plot(to)!);
  return [low, high];
}

/** Series, bands and marks. */
export function frameOf(
  state: Marked,
): Pick<uPlot.Options, 'series' | 'bands' | 'legend' | 'padding'> & { hooks: uPlot.Hooks.Arrays } {
  const series: uPlot.Series[] = [{}];
  const bands: uPlot.Band[] = [];
  for (const { color, band, dash, dots, width = 2.25 } of state.lines) {
    if (band) {
      const faint = cssColor(band.color);
      bands.push({ series: [series.length + 1, series.length], fill: faint });
      series.push(...[0, 1].map(() => ({ stroke: faint, width: 1, points: { show: false } })));
    }
    const stroke = cssColor(color);
    series.push({
      stroke,
      width,
      ...(dash && dash.length > 0 && { dash: [...dash] }),
      points: dots ? { show: true, size: 8, fill: stroke, stroke: cssColor('--card'), width: 1.5 } : { show: isolated },
    });
  }
  if (series.length === 1) series.push({});
  return {
    series,
    bands,
    legend: { show: false },
    padding: [14, 24, 0, 0],
    hooks: { draw: [(plot) => drawMarks(plot, state)] } as uPlot.Hooks.Arrays,
  };
}

/** A line of one point would not be seen. */
const isolated: uPlot.Series.Points.Show = (plot, index) =>
  (plot.data[index] as (number | null | undefined)[]).filter((value) => typeof value === 'number').length === 1;

/** Characters of a mark's text that are drawn; the whole stands in the text under the cursor. */
const MARK_TEXT = 28;

function drawMarks(plot: uPlot, state: Marked): void {
  const { ctx, bbox } = plot;
  const ratio = devicePixelRatio;
  ctx.save();
  ctx.beginPath();
  ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
  ctx.clip();
  ctx.strokeStyle = ctx.fillStyle = cssColor('--muted');
  ctx.lineWidth = ratio;
  ctx.setLineDash([3 * ratio, 3 * ratio]);
  ctx.font = `${11 * ratio}px system-ui, sans-serif`;
  ctx.textBaseline = 'top';
  let free = Number.NEGATIVE_INFINITY;
  for (const { x, text } of state.marks()) {
    const plotted = state.current().x.plot(x);
    if (plotted === null) continue;
    const at = Math.round(plot.valToPos(plotted, 'x', true));
    if (at < bbox.left || at > bbox.left + bbox.width) continue;
    ctx.beginPath();
    ctx.moveTo(at, bbox.top);
    ctx.lineTo(at, bbox.top + bbox.height);
    ctx.stroke();
    if (at < free) continue; // its text would lie on the one before
    const short = text.length > MARK_TEXT ? `${text.slice(0, MARK_TEXT - 1)}…` : text;
    const width = ctx.measureText(short).width;
    const left = at + width + 6 * ratio > bbox.left + bbox.width;
    ctx.textAlign = left ? 'right' : 'left';
    ctx.fillText(short, at + (left ? -4 : 4) * ratio, bbox.top + 2 * ratio);
    free = at + width + 10 * ratio;
  }
  ctx.restore();
}
