import { CustomChart, LineChart, ParallelChart } from 'echarts/charts';
import { GridComponent, ParallelComponent } from 'echarts/components';
import { type EChartsType, graphic, init, use } from 'echarts/core';
import { CanvasRenderer } from 'echarts/renderers';
import { turn } from '../shell/turn.js';
import { heatOption } from './heat.js';
import { type Drawn, type Look, lookNow } from './look.js';
import { parallelOption } from './parallel.js';

/* The pictures of a search, by ECharts: loaded with this module, when there is the first trial to draw. */

use([CustomChart, LineChart, ParallelChart, GridComponent, ParallelComponent, CanvasRenderer]);

/** Makes a picture's description; undefined where it would say nothing. */
type Option = (drawn: Drawn, look: Look, width: number) => object | undefined;

const FONT = "system-ui, 'Segoe UI', Helvetica, Arial, sans-serif";
/** At most this often: drawing is taken from the training, on a CPU adapter. */
const DRAW_MS = 400;

/** Both pictures, each in its box; a box whose picture says nothing is hidden. */
export class SearchCharts {
  readonly #charts: readonly {
    readonly box: HTMLElement;
    readonly chart: EChartsType;
    readonly option: Option;
    /** Its axes are there. */
    begun: boolean;
  }[];
  #drawn: Drawn | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #last = 0;

  constructor(parallel: HTMLElement, heat: HTMLElement) {
    const make = (box: HTMLElement, option: Option) => ({
      box,
      option,
      begun: false,
      chart: init(box, null, { renderer: 'canvas', width: width(box), height: HEIGHT }),
    });
    this.#charts = [make(parallel, parallelOption), make(heat, heatOption)];
    for (const { box } of this.#charts) new ResizeObserver(() => requestAnimationFrame(() => this.#fit())).observe(box);
    for (const query of ['(prefers-color-scheme: dark)', '(forced-colors: active)'])
      matchMedia(query).addEventListener('change', () => void this.#draw());
  }

  show(drawn: Drawn): void {
    this.#drawn = drawn;
    if (this.#timer !== undefined) return;
    const wait = Math.max(0, DRAW_MS - (performance.now() - this.#last));
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      void this.#draw();
    }, wait);
  }

  /** One picture behind the other, each in pieces: what ECharts does at once is longer than a frame, the first time by far. */
  async #draw(): Promise<void> {
    this.#last = performance.now();
    for (const each of this.#charts) {
      const { box, chart, option } = each;
      if (!this.#drawn) return;
      const look = lookNow();
      const made = option(this.#drawn, look, width(box));
      box.closest('figure')!.hidden = made === undefined;
      if (!made) continue;
      if (chart.getWidth() !== width(box)) chart.resize({ width: width(box) });
      const textStyle = { fontFamily: FONT, color: look.text };
      const whole = { backgroundColor: 'transparent', textStyle, animation: false, ...made };
      if (!each.begun) await begin(chart, whole);
      each.begun = true;
      chart.setOption(whole, { notMerge: true, lazyUpdate: true }); // drawn with the next frame
      await turn();
    }
  }

  #fit(): void {
    if (this.#charts.some(({ box, chart }) => box.clientWidth > 0 && chart.getWidth() !== width(box)))
      void this.#draw();
  }
}

/** The fonts, each character of which is measured once, then the axes: what is there already takes no time from the lines. */
async function begin(chart: EChartsType, option: object): Promise<void> {
  for (const font of ['11px', '12px', '600 12px']) {
    new graphic.Text({ style: { text: '0', font: `${font} ${FONT}` } }).getBoundingRect();
    await turn();
  }
  chart.setOption({ ...option, series: [] }, { notMerge: true, lazyUpdate: true });
  await turn(TWO_FRAMES_MS);
}

const TWO_FRAMES_MS = 34;
const HEIGHT = 320;
const width = (box: HTMLElement): number => Math.max(260, box.clientWidth);
