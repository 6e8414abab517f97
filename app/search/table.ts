import { metricText, valueText } from '../../harness/search/lines.js';
import { importanceOf, ranked, type Space, type Trial } from '../../src/search/index.js';
import { make, setText } from '../shell/dom.js';
import type { SearchOf } from './searching.js';

/** So many trials are listed. */
const SHOWN = 10;
const STATES = { complete: 'whole', pruned: 'given up', failed: 'failed', running: 'going on' } as const;

/** The best trials, each with a button that opens it in Train, and what mattered. */
export class BestTable {
  readonly element = make('div', { className: 'search-best', hidden: true });
  readonly #head = make('tr', {});
  readonly #body = make('tbody', { id: 'search-rows' });
  readonly #note = make('p', { className: 'hint' });
  #trials: readonly Trial[] = [];
  #columns = '';

  constructor(private readonly open: (trial: Trial) => void) {
    const table = make('table', {}, make('thead', {}, this.#head), this.#body);
    const scroll = make('section', { className: 'scroll search-table', tabIndex: 0 }, table);
    scroll.setAttribute('aria-label', 'The best trials');
    this.element.append(make('h3', { textContent: 'Best' }), scroll, this.#note);
  }

  show({ space, metric }: SearchOf, all: readonly Trial[]): void {
    const direction = metric === 'accuracy' ? 'maximize' : 'minimize';
    const done = all.filter(({ step, value, state }) => step > 0 && (value !== null || state === 'failed'));
    this.#trials = ranked(done, direction).slice(0, SHOWN);
    this.element.hidden = this.#trials.length === 0;
    this.#columnsOf(space, metric);
    while (this.#body.rows.length > this.#trials.length) this.#body.deleteRow(-1);
    for (const [i, trial] of this.#trials.entries()) {
      const row = this.#body.rows[i] ?? this.#addRow(i, Object.keys(space).length + 4);
      const cells = [
        String(trial.trial),
        metricText(metric, trial.value),
        `${trial.step} (${STATES[trial.state]})`,
        ...Object.keys(space).map((name) => valueText(trial.params[name])),
      ];
      for (const [column, text] of cells.entries()) setText(row.cells[column]!, text);
      row.title = trial.reason ?? '';
    }
    setText(this.#note, noteOf(space, done, direction));
  }

  #columnsOf(space: Space, metric: string): void {
    const names = ['Trial', `Validation ${metric}`, 'Steps', ...Object.keys(space), ''];
    if (this.#columns === names.join()) return;
    this.#columns = names.join();
    this.#body.replaceChildren();
    this.#head.replaceChildren(...names.map((textContent) => make('th', { scope: 'col', textContent })));
  }

  #addRow(i: number, columns: number): HTMLTableRowElement {
    const row = this.#body.insertRow();
    row.append(make('th', { scope: 'row' }), ...Array.from({ length: columns - 1 }, () => make('td', {})));
    const button = make('button', { type: 'button', className: 'button quiet small', textContent: 'Open in Train' });
    button.addEventListener('click', () => {
      const trial = this.#trials[i];
      if (trial) this.open(trial);
    });
    row.cells[columns - 1]!.append(button);
    return row;
  }
}

/** What mattered, once there is enough to say so. */
function noteOf(space: Space, trials: readonly Trial[], direction: 'minimize' | 'maximize'): string {
  const failed = trials.filter(({ state }) => state === 'failed').length;
  const failures = failed > 0 ? `${failed} of ${trials.length} failed. ` : '';
  if (trials.length < 8 || Object.keys(space).length < 2) return failures;
  const parts = importanceOf(trials, space, direction).map(
    ({ name, r2, chance }) => `${name} ${r2.toFixed(2)} (by chance ${chance.toFixed(2)})`,
  );
  return `${failures}Share of the ranks that one setting alone explains: ${parts.join(', ')}.`;
}
