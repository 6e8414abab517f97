/** A card per scenario: its charts and its table, drawn anew after each of its cases. */
import { CustomChart } from 'echarts/charts';
import { GridComponent, TitleComponent } from 'echarts/components';
import { type EChartsType, init, use } from 'echarts/core';
import { SVGRenderer } from 'echarts/renderers';
import type { Report } from '../../harness/bench/contract.js';
import { chartOption } from '../../harness/bench/report/chart.js';
import { type BenchChart, benchCharts } from '../../harness/bench/report/layout.js';
import { summarize } from '../../harness/bench/report/summary.js';
import { SCENARIOS } from '../../harness/bench/scenarios/index.js';
import { plural } from '../../harness/common/format.js';
import { byId, make, setText } from '../dom.js';
import { tableOf } from './table.js';

use([CustomChart, GridComponent, TitleComponent, SVGRenderer]);

/** Names, bars and labels need this much; a narrower window scrolls the chart. */
const LEAST_WIDTH = 600;

/** A layout settles within this after a window was resized. */
const RESIZE_MS = 150;

interface Card {
  readonly count: HTMLElement;
  readonly charts: HTMLElement;
  readonly table: HTMLElement;
  instances: EChartsType[];
  /** The cases that the table shows. */
  shown: number;
}

export class Results {
  readonly #cards = new Map<string, Card>();
  #report: Report | undefined;
  #width = 0;
  readonly #empty = byId('empty');

  constructor() {
    let timer: ReturnType<typeof setTimeout> | undefined;
    window.addEventListener('resize', () => {
      clearTimeout(timer);
      timer = setTimeout(() => this.#resized(), RESIZE_MS);
    });
  }

  clear(): void {
    for (const { instances } of this.#cards.values()) for (const instance of instances) instance.dispose();
    this.#cards.clear();
    this.#report = undefined;
    byId('results').replaceChildren(this.#empty);
  }

  /** Draws what a report holds; of the scenario `only` where no other has changed. */
  show(report: Report, only?: string): void {
    this.#report = report;
    const charts = benchCharts(report).map(here);
    for (const scenario of new Set(report.cases.map(({ spec }) => spec.scenario))) {
      if (only !== undefined && scenario !== only) continue;
      const card = this.#cards.get(scenario) ?? this.#add(scenario);
      const cases = report.cases.filter(({ spec }) => spec.scenario === scenario).map(summarize);
      setText(card.count, plural(cases.length, 'case'));
      if (cases.length !== card.shown) card.table.replaceChildren(tableOf(cases, `Times of ${scenario}`));
      card.shown = cases.length;
      this.#draw(
        card,
        charts.filter((chart) => chart.scenario === scenario),
      );
    }
  }

  #draw(card: Card, charts: readonly BenchChart[]): void {
    for (const instance of card.instances) instance.dispose();
    this.#width = byId('results').clientWidth;
    const room = Math.max(LEAST_WIDTH, card.charts.clientWidth);
    const drawn = charts.map((chart) => {
      const { option, width, height } = chartOption(chart, room);
      const box = make('div', { className: 'chart', role: 'img', ariaLabel: `${chart.title}. ${SAME}` });
      Object.assign(box.style, { width: `${width}px`, height: `${height}px` });
      return { box, option, size: { renderer: 'svg', width, height } as const };
    });
    card.charts.replaceChildren(...drawn.map(({ box }) => box));
    card.charts.hidden = drawn.length === 0;
    card.instances = drawn.map(({ box, option, size }) => {
      const instance = init(box, null, size);
      instance.setOption(option);
      return instance;
    });
  }

  #add(scenario: string): Card {
    const count = make('small', {});
    // Reached by keyboard, since a narrow window scrolls it.
    const charts = make('section', { className: 'charts', tabIndex: 0 });
    charts.setAttribute('aria-label', `Charts of ${scenario}`);
    const table = make('div', {});
    const title = make('h2', { id: `result-${scenario}` }, scenario, ' ', count);
    const help = make('p', { className: 'hint' }, SCENARIOS[scenario]?.help ?? '');
    const element = make('section', { className: 'card result' }, title, help, charts, table);
    element.setAttribute('aria-labelledby', title.id);
    this.#empty.remove();
    byId('results').append(element);
    const card: Card = { count, charts, table, instances: [], shown: 0 };
    this.#cards.set(scenario, card);
    return card;
  }

  #resized(): void {
    // Phones call it a resize when their address bar goes.
    if (this.#report && byId('results').clientWidth !== this.#width) this.show(this.#report);
  }
}

/** In a page there is no other place to tell it from; and in the dark, what is dark on paper is bright. */
const here = (chart: BenchChart): BenchChart => ({
  ...chart,
  title: chart.title.replace(`, ${chart.place}`, ''),
  subtitle: chart.subtitle.replace('dark core', 'core'),
});

const SAME = 'The same figures stand in the table below.';

/** Until the browser has painted; a hidden tab does not. */
export const painted = (): Promise<void> =>
  new Promise((resolve) => {
    const later = setTimeout(resolve, 300);
    requestAnimationFrame(() =>
      setTimeout(() => {
        clearTimeout(later);
        resolve();
      }),
    );
  });
