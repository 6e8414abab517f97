import uPlot from 'uplot';
import { cssColor } from './dom.js';
import { count, loss } from './format.js';
import type { LossHistory } from './history.js';

/** At most this often: on a CPU adapter every frame drawn is taken from the training. */
const FRAME_MS = 33;

const HEIGHT = { wide: 340, narrow: 240 } as const;

/** The loss curve: what every step lost, its smoothed course, and the loss on the test data. */
export class LossChart {
  #plot: uPlot | undefined;
  #history: LossHistory;
  #log = false;
  #frame = 0;
  #drawn = 0;

  /**
   * @param box The element to fill.
   * @param onHover Gets the values under the pointer as one line of text, or '' when it leaves.
   */
  constructor(
    private readonly box: HTMLElement,
    history: LossHistory,
    private readonly onHover: (text: string) => void,
  ) {
    this.#history = history;
    this.#build();
    // At the next frame: a size set inside the observer's own call would call it again.
    new ResizeObserver(() => requestAnimationFrame(() => this.#fit())).observe(box);
    // Colours come from the style sheet, and the canvas does not notice when they change.
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => this.#build());
  }

  set log(on: boolean) {
    this.#log = on;
    this.#build();
  }

  show(history: LossHistory): void {
    this.#history = history;
    this.#draw();
  }

  /** Asks for a redraw at the next frame; a hidden tab has no frames, and catches up with the first one it gets. */
  update(): void {
    if (this.#frame !== 0) return;
    const frame = (now: number) => {
      if (now - this.#drawn < FRAME_MS) {
        this.#frame = requestAnimationFrame(frame);
        return;
      }
      this.#frame = 0;
      this.#drawn = now;
      this.#draw();
    };
    this.#frame = requestAnimationFrame(frame);
  }

  #draw(): void {
    this.#plot?.setData(this.#data());
  }

  #data(): uPlot.AlignedData {
    const { columns } = this.#history;
    // On a logarithmic scale a loss of exactly 0 has no place: a gap is the honest picture of it.
    if (!this.#log) return columns as unknown as uPlot.AlignedData;
    const [steps, ...rest] = columns;
    return [steps, ...rest.map((column) => column.map((value) => (value !== null && value > 0 ? value : null)))];
  }

  #fit(): void {
    const { width, height } = this.#size();
    if (this.#plot && (this.#plot.width !== width || this.#plot.height !== height))
      this.#plot.setSize({ width, height });
  }

  #size(): { width: number; height: number } {
    const width = Math.max(200, Math.floor(this.box.clientWidth));
    return { width, height: width < 560 ? HEIGHT.narrow : HEIGHT.wide };
  }

  /** Whether the scale is logarithmic is fixed when a plot is made, so a change makes another. */
  #build(): void {
    this.#plot?.destroy();
    this.#plot = new uPlot(this.#options(), this.#data(), this.box);
  }

  #options(): uPlot.Options {
    const faint = cssColor('--curve-faint');
    const line = cssColor('--curve');
    const axis: uPlot.Axis = {
      stroke: cssColor('--muted'),
      font: '12px system-ui, sans-serif',
      grid: { stroke: cssColor('--grid'), width: 1 },
      ticks: { show: false },
    };
    return {
      ...this.#size(),
      legend: { show: false },
      padding: [12, 12, 0, 0],
      cursor: { y: false, points: { show: false }, drag: { x: false, y: false } },
      scales: {
        x: { time: false, range: (_plot, _min, max) => [0, Math.max(10, max ?? 10)] },
        y: this.#log ? { distr: 3, range: logRange } : { range: linearRange },
      },
      axes: [
        { ...axis, size: 36, space: 70, values: (_plot, ticks) => ticks.map((tick) => count(tick)) },
        {
          ...axis,
          size: 56,
          space: this.#log ? 26 : 40,
          values: (_plot, ticks) => ticks.map((tick) => (tick === null ? '' : String(+tick.toPrecision(3)))),
        },
      ],
      series: [
        {},
        { stroke: faint, width: 1, points: { show: false }, spanGaps: true },
        { stroke: faint, width: 1, points: { show: false }, spanGaps: true },
        { stroke: line, width: 2.25, points: { show: false }, spanGaps: true },
        {
          stroke: cssColor('--test'),
          width: 1.5,
          dash: [4, 4],
          spanGaps: true,
          points: { show: true, size: 8, fill: cssColor('--test'), stroke: cssColor('--card'), width: 1.5 },
        },
      ],
      // Between the lowest and the highest loss of a point; while a point is one step, the two lines are one.
      bands: [{ series: [2, 1], fill: faint }],
      hooks: { setCursor: [(plot) => this.onHover(this.#describe(plot.cursor.idx))] },
    };
  }

  #describe(index: number | null | undefined): string {
    if (index === null || index === undefined) return '';
    const [steps, low, high, smooth, test] = this.#history.columns;
    const step = steps[index];
    if (step === undefined) return '';
    const range = low[index] === high[index] ? loss(high[index]) : `${loss(low[index])} to ${loss(high[index])}`;
    const tested = test[index] === null || test[index] === undefined ? '' : `, test ${loss(test[index])}`;
    return `Step ${count(step)}: loss ${range}, smoothed ${loss(smooth[index])}${tested}`;
  }
}

/** From 0, so that the height of the curve means what it seems to. */
function linearRange(_plot: uPlot, _min: number | null, max: number | null): uPlot.Range.MinMax {
  return [0, max === null || max <= 0 ? 1 : max * 1.05];
}

/** To the next round numbers; whole powers of ten would leave much of the height empty. */
function logRange(_plot: uPlot, min: number | null, max: number | null): uPlot.Range.MinMax {
  if (min === null || max === null || min <= 0) return [0.1, 10];
  const round = (value: number, to: (value: number) => number) => {
    const power = 10 ** Math.floor(Math.log10(value));
    return to(value / power) * power;
  };
  const [low, high] = [round(min, Math.floor), round(max, Math.ceil)];
  return [low, high > low ? high : low * 10];
}
