import uPlot from 'uplot';
import './lines.css';
import { make, setText } from '../shell/dom.js';
import { axesOf, frameOf, type Marked } from './plot.js';
import { LOG_MEASURE, linearMeasure, type Measure, tickTexts } from './ticks.js';
import type { ChartMark, Line, LinesOptions } from './types.js';

export type { Axis, ChartMark, Line, LinesOptions } from './types.js';

/*
 * Lines over one axis, as every view draws them: uPlot with a logarithmic scale that is readable over any range, a zoom that
 * the pointer drags and the keyboard steps, and what lies under the cursor as text.
 */

/** At most this often: on a CPU adapter every frame drawn is taken from the training. */
const FRAME_MS = 33;
const HEIGHT = { wide: 340, narrow: 240 } as const;
/** Share of what is seen that one press of + or - takes or adds at each side. */
const KEY_ZOOM = 0.25;

type Range = readonly [min: number, max: number];

export class LineChart {
  #options: LinesOptions;
  #lines: readonly Line[] = [];
  #marks: readonly ChartMark[] = [];
  /** In values; undefined shows everything. */
  #zoom: Range | undefined;
  /** Where the cursor is, in values. */
  #at: number | undefined;
  #plot: uPlot | undefined;
  #measures: Marked['measures'] = { x: linearMeasure(1), y: linearMeasure(1) };
  #shape = '';
  #frame = 0;
  #drawn = 0;
  readonly #box: HTMLElement;
  readonly #values = make('p', { className: 'lines-values' });
  readonly #reset = make('button', { type: 'button', className: 'button quiet small', hidden: true }, 'Show all');
  readonly #empty = make('p', { className: 'lines-empty' });

  /** @param box The element to fill. */
  constructor(box: HTMLElement, options: LinesOptions) {
    this.#options = options;
    this.#box = make('div', { className: 'lines-plot', tabIndex: 0 });
    // A slider along x: what a screen reader knows how to move and to read.
    this.#box.setAttribute('role', 'slider');
    box.classList.add('lines');
    box.append(this.#box, this.#empty, make('div', { className: 'lines-foot' }, this.#reset, this.#values));
    this.#reset.addEventListener('click', () => {
      this.#box.focus(); // the button goes, and the focus would go with it
      this.#zoomTo(undefined);
    });
    this.#box.addEventListener('keydown', (event) => this.#key(event));
    // At the next frame: a size set inside the observer's own call would call it again.
    new ResizeObserver(() => requestAnimationFrame(() => this.#fit())).observe(box);
    // Colours come from the style sheet, and the canvas does not notice when they change.
    for (const query of ['(prefers-color-scheme: dark)', '(forced-colors: active)'])
      matchMedia(query).addEventListener('change', () => this.#build());
    this.#draw();
  }

  /** Changes what is given; the zoom of another x axis is meaningless, and goes. */
  set(options: Partial<LinesOptions>): void {
    if (options.x && options.x.label !== this.#options.x.label) this.#forgetPlace();
    this.#options = { ...this.#options, ...options };
    this.#shape = '';
    this.#draw();
  }

  /** Shows other lines at once. */
  show(lines: readonly Line[], marks: readonly ChartMark[] = []): void {
    this.#lines = lines;
    this.#marks = marks;
    this.#draw();
  }

  /** Forgets zoom and cursor: what comes is another thing. */
  reset(): void {
    this.#forgetPlace();
    this.#draw();
  }

  /**
   * Asks for a redraw at the next frame; a hidden tab has no frames, and catches up with the first one it gets.
   *
   * @param read called just before, where the lines are made only then
   */
  update(read?: () => void): void {
    if (this.#frame !== 0) return;
    const frame = (now: number) => {
      if (now - this.#drawn < FRAME_MS) {
        this.#frame = requestAnimationFrame(frame);
        return;
      }
      this.#frame = 0;
      this.#drawn = now;
      if (read) read();
      else this.#draw();
    };
    this.#frame = requestAnimationFrame(frame);
  }

  get zoomed(): boolean {
    return this.#zoom !== undefined;
  }

  /** The chart as it is on the screen. */
  get canvas(): HTMLCanvasElement | undefined {
    return this.#plot?.ctx.canvas;
  }

  // ------------------------------------------------------------------------------------------------------------- drawing

  #draw(): void {
    const { x, y, empty = '' } = this.#options;
    const extent = this.#extent();
    this.#measures = {
      x: x.log ? LOG_MEASURE : linearMeasure(extent[1]),
      y: y.log ? LOG_MEASURE : linearMeasure(largest(this.#lines)),
    };
    const shape = JSON.stringify([
      this.#lines.map(({ label: _, x: __, y: ___, band, ...look }) => [look, band?.color]),
      x.log,
      y.log,
    ]);
    if (shape !== this.#shape || !this.#plot) {
      this.#shape = shape;
      this.#build();
    } else {
      this.#plot.setData(this.#data(), false);
      this.#place();
    }
    setText(this.#empty, this.#lines.some((line) => line.x.length > 0) ? '' : empty);
    this.#tell();
  }

  /** Another plot: how lines look is fixed when one is made. */
  #build(): void {
    this.#plot?.destroy();
    const state: Marked = {
      lines: this.#lines,
      marks: () => this.#marks,
      measures: this.#measures,
      current: () => this.#measures,
      zoomed: () => this.zoomed,
      axes: () => this.#options,
    };
    this.#plot = new uPlot(
      {
        ...this.#size(),
        ...axesOf(state),
        ...frameOf(state),
        cursor: {
          y: false,
          points: { show: false },
          drag: { x: true, y: false, setScale: false },
          bind: {
            dblclick: () => () => {
              this.#zoomTo(undefined);
              return null;
            },
          },
        },
        hooks: {
          ...frameOf(state).hooks,
          setCursor: [(plot) => this.#hover(plot)],
          setSelect: [(plot) => this.#drag(plot)],
        },
      },
      this.#data(),
      this.#box,
    );
    this.#place();
  }

  #data(): uPlot.AlignedData {
    const { x, y } = this.#measures;
    const plotted = (values: ArrayLike<number | null>, measure: Measure) =>
      Array.from(values, (value) => measure.plot(value));
    const tables = this.#lines.map((line): uPlot.AlignedData => {
      const columns = line.band ? [line.band.low, line.band.high, line.y] : [line.y];
      return [plotted(line.x, x) as number[], ...columns.map((column) => plotted(column, y))];
    });
    if (tables.length === 0) return [[], []];
    if (tables.length === 1) return tables[0]!;
    // 1: a null stays a gap, and what another line's x adds is none.
    return uPlot.join(
      tables,
      tables.map((table) => table.map(() => 1)),
    );
  }

  /** The first and the last x of all lines. */
  #extent(): Range {
    const { from, to = Number.NEGATIVE_INFINITY } = this.#options.x;
    let [min, max] = [from ?? Number.POSITIVE_INFINITY, to];
    for (const { x } of this.#lines) {
      if (x.length === 0) continue;
      if (from === undefined) min = Math.min(min, x[0]!);
      max = Math.max(max, x[x.length - 1]!);
    }
    if (!(max > min)) return Number.isFinite(min) ? [min, min + 1] : [0, 1];
    return [min, max];
  }

  /** Brings what is to be seen on the plot, and redraws it. */
  #place(): void {
    const plot = this.#plot;
    if (!plot) return;
    const [min, max] = (this.#zoom ?? this.#extent()).map((value) => this.#measures.x.plot(value) ?? 0);
    plot.setScale('x', { min: min!, max: max! });
    this.#reset.hidden = !this.zoomed;
  }

  #fit(): void {
    const size = this.#size();
    if (this.#plot && (this.#plot.width !== size.width || this.#plot.height !== size.height)) this.#plot.setSize(size);
  }

  #size(): { width: number; height: number } {
    const width = Math.max(200, Math.floor(this.#box.clientWidth));
    return { width, height: this.#options.height ?? (width < 560 ? HEIGHT.narrow : HEIGHT.wide) };
  }

  // ------------------------------------------------------------------------------------------------------ cursor and zoom

  #hover(plot: uPlot): void {
    const { left, idx } = plot.cursor;
    const inside = left !== undefined && left !== null && left >= 0 && idx !== null && idx !== undefined;
    if (inside) this.#at = this.#nearest(this.#measures.x.value(plot.data[0][idx]!));
    else if (document.activeElement !== this.#box) this.#at = undefined;
    this.#tell();
  }

  #drag(plot: uPlot): void {
    const { left, width } = plot.select;
    if (width < 4) return;
    const value = (pixel: number) => this.#measures.x.value(plot.posToVal(pixel, 'x'));
    plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
    this.#zoomTo([value(left), value(left + width)]);
  }

  #zoomTo(range: Range | undefined): void {
    const [min, max] = this.#extent();
    const inside: Range | undefined = range && [Math.max(min, range[0]), Math.min(max, range[1])];
    const whole = !inside || (inside[0] <= min && inside[1] >= max);
    if (!whole && !(inside[1] > inside[0])) return;
    this.#zoom = whole ? undefined : inside;
    this.#place();
  }

  #key(event: KeyboardEvent): void {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    const [min, max] = this.#zoom ?? this.#extent();
    const places = this.#places().filter((x) => x >= min && x <= max);
    const index = places.findIndex((x) => x >= (this.#at ?? min));
    const stride = Math.max(1, Math.round(places.length / 50));
    const at = index < 0 ? places.length - 1 : index;
    const moves: Readonly<Record<string, number>> = {
      ArrowLeft: at - 1,
      ArrowDown: at - 1,
      ArrowRight: this.#at === undefined ? at : at + 1,
      ArrowUp: at + 1,
      PageDown: at - stride,
      PageUp: at + stride,
      Home: 0,
      End: places.length - 1,
    };
    const to = moves[event.key];
    const part = KEY_ZOOM * (max - min);
    const middle = this.#at ?? (min + max) / 2;
    if (to !== undefined) this.#moveTo(places[Math.min(Math.max(to, 0), places.length - 1)]);
    else if (event.key === '+' || event.key === '=') this.#zoomTo([middle - part, middle + part]);
    else if (event.key === '-') this.#zoomTo([min - part, max + part]);
    else if (event.key === '0') this.#zoomTo(undefined);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  /** Every x where a line has a point. */
  #places(): number[] {
    const places = new Set<number>();
    for (const { x } of this.#lines) for (let i = 0; i < x.length; i++) places.add(x[i]!);
    return [...places].sort((a, b) => a - b);
  }

  /** The x of a point: what comes back from the plot is rounded. */
  #nearest(value: number): number {
    const near = this.#lines.flatMap(({ x }) => {
      const at = indexAt(x, value);
      return [x[at], x[at + 1]].filter((each) => each !== undefined);
    });
    return near.reduce((best, x) => (Math.abs(x - value) < Math.abs(best - value) ? x : best), near[0] ?? value);
  }

  #moveTo(x: number | undefined): void {
    const plot = this.#plot;
    const plotted = this.#measures.x.plot(x);
    if (!plot || x === undefined || plotted === null) return;
    this.#at = x;
    plot.setCursor({ left: plot.valToPos(plotted, 'x'), top: 0 }, false);
    this.#tell();
  }

  #forgetPlace(): void {
    this.#zoom = undefined;
    this.#at = undefined;
  }

  // --------------------------------------------------------------------------------------------------------------- in words

  #tell(): void {
    const at = this.#at;
    const text = at === undefined ? '' : (this.#options.describe?.(at) ?? this.#describe(at));
    setText(this.#values, text);
    const [min, max] = this.#extent();
    const { label, x } = this.#options;
    const attributes = {
      'aria-label': `${label}. Arrows: values by ${x.label.toLowerCase()}; plus, minus, 0: zoom`,
      'aria-valuemin': String(min),
      'aria-valuemax': String(max),
      'aria-valuenow': String(at ?? max),
      'aria-valuetext': text === '' ? 'No point chosen' : text,
    };
    for (const [name, value] of Object.entries(attributes))
      if (this.#box.getAttribute(name) !== value) this.#box.setAttribute(name, value);
  }

  #describe(at: number): string {
    const { x } = this.#options;
    const values = this.#lines.flatMap((line) => {
      const value = valueAt(line, at);
      return value === null ? [] : [`${line.label} ${tickTexts([+value.toPrecision(4)])[0]}`];
    });
    const marks = this.#marks.filter((mark) => mark.x === at).map(({ text }) => text);
    return [`${x.label} ${tickTexts([at])[0]}: ${values.join(', ')}`, ...marks].join('; ');
  }
}

/** The line's value at `x`, or at its last point in front of that; null where it has none. */
export function valueAt({ x, y }: Pick<Line, 'x' | 'y'>, at: number): number | null {
  const index = indexAt(x, at);
  return index < 0 || (index === x.length - 1 && at > x[index]!) ? null : (y[index] ?? null);
}

/** The last index whose x is not above `at`; -1 where there is none. */
export function indexAt(x: ArrayLike<number>, at: number): number {
  let [low, high] = [0, x.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (x[middle]! <= at) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

function largest(lines: readonly Line[]): number {
  let most = 0;
  for (const { y, band } of lines)
    for (const values of [y, ...(band ? [band.low, band.high] : [])])
      for (let i = 0; i < values.length; i++) {
        const size = Math.abs(values[i] ?? 0);
        if (size > most && Number.isFinite(size)) most = size;
      }
  return most;
}
