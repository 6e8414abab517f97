/** A card per scenario: the bars, the report's chart and the table of its cases, drawn anew after each of them. */

import type { Report } from '../../harness/bench/contract.js';
import { type BenchChart, benchCharts } from '../../harness/bench/report/layout.js';
import { summarize } from '../../harness/bench/report/summary.js';
import { SCENARIOS } from '../../harness/bench/scenarios/index.js';
import { plural } from '../../harness/common/format.js';
import { byId, make, setText } from '../shell/dom.js';
import { showProblem } from '../shell/notice.js';
import { casePanel, TIMES } from './panels.js';
import { tableOf } from './table.js';

/** A layout settles within this after a window was resized. */
const RESIZE_MS = 150;

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
    for (const card of this.#cards.values()) card.clear();
    this.#cards.clear();
    this.#report = undefined;
    byId('results').replaceChildren(this.#empty);
  }

  /** What is said above the results: of the file they are from, of a comparison. One of each name. */
  say(element: HTMLElement): void {
    document.getElementById(element.id)?.remove();
    this.#empty.remove();
    byId('results').prepend(element);
  }

  /** Draws what a report holds; of the scenario `only` where no other has changed. */
  show(report: Report, only?: string): void {
    this.#report = report;
    this.#width = byId('results').clientWidth;
    for (const scenario of new Set(report.cases.map(({ spec }) => spec.scenario))) {
      if (only === undefined || scenario === only) this.#card(scenario).show(report);
    }
  }

  #card(scenario: string): Card {
    const found = this.#cards.get(scenario);
    if (found) return found;
    const card = new Card(scenario);
    this.#empty.remove();
    byId('results').append(card.element);
    this.#cards.set(scenario, card);
    return card;
  }

  #resized(): void {
    // Phones call it a resize when their address bar goes.
    if (this.#report && byId('results').clientWidth !== this.#width) this.show(this.#report);
  }
}

class Card {
  readonly element: HTMLElement;
  readonly #count = make('small', {});
  readonly #times: HTMLElement;
  readonly #panels = make('div', {});
  readonly #table = make('div', {});
  // Reached by keyboard, since a narrow window scrolls it.
  readonly #charts = make('section', { className: 'charts', tabIndex: 0 });
  readonly #picture: HTMLDetailsElement;
  #cases = 0;
  #drawn: readonly BenchChart[] = [];
  #dispose = (): void => {};

  constructor(private readonly scenario: string) {
    this.#charts.setAttribute('aria-label', `Charts of ${scenario}`);
    this.#picture = make(
      'details',
      { className: 'picture' },
      make('summary', {}, 'All cases in one chart, logarithmic where times are far apart'),
      this.#charts,
    );
    this.#picture.addEventListener('toggle', () => void this.#draw());
    const title = make('h2', { id: `result-${scenario}` }, scenario, ' ', this.#count);
    const help = make('p', { className: 'hint' }, SCENARIOS[scenario]?.help ?? '');
    const figures = make('details', { className: 'all-figures' }, make('summary', {}, 'All figures'), this.#table);
    this.#times = make('p', { className: 'hint times' }, TIMES);
    this.element = make(
      'section',
      { className: 'card result' },
      title,
      help,
      this.#times,
      this.#panels,
      this.#picture,
      figures,
    );
    this.element.setAttribute('aria-labelledby', title.id);
  }

  show(report: Report): void {
    const cases = report.cases.filter(({ spec }) => spec.scenario === this.scenario).map(summarize);
    setText(this.#count, plural(cases.length, 'case'));
    this.#drawn = benchCharts(report).filter((chart) => chart.scenario === this.scenario);
    this.#picture.hidden = this.#times.hidden = this.#drawn.length === 0;
    if (cases.length !== this.#cases) {
      const places = report.machines.length > 1;
      this.#panels.replaceChildren(...cases.map((each) => casePanel(each, places)));
      this.#table.replaceChildren(tableOf(cases, `Times of ${this.scenario}`));
    }
    this.#cases = cases.length;
    void this.#draw();
  }

  clear(): void {
    this.#dispose();
    this.#dispose = () => {};
  }

  async #draw(): Promise<void> {
    if (!this.#picture.open) return;
    try {
      const { drawCharts } = await import('./picture.js');
      this.clear();
      this.#dispose = drawCharts(this.#charts, this.#drawn);
    } catch (error) {
      showProblem(error, 'The chart cannot be drawn');
    }
  }
}

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
