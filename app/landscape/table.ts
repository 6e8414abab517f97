import { digits } from '../../harness/common/svg.js';
import { make, setText } from '../shell/dom.js';
import { count, rate } from '../shell/format.js';
import { CONTENDERS } from './contenders.js';
import { drawMark, lookOf } from './style.js';
import type { Goal, Way, Ways } from './ways.js';

/* All contenders with what came of their ways: the picture's legend, and where they are chosen. */

interface Row {
  readonly element: HTMLTableRowElement;
  readonly shown: HTMLInputElement;
  readonly swatch: HTMLCanvasElement;
  readonly lr: HTMLInputElement | undefined;
  readonly steps: HTMLElement;
  readonly value: HTMLElement;
  readonly state: HTMLElement;
}

export interface TableEvents {
  /** Another choice of those that are drawn. */
  shown(keys: readonly string[]): void;
  /** A rate was typed; '' for none of its own. */
  rated(key: string, text: string): void;
}

const SWATCH = { width: 46, height: 16 } as const;

export class ContenderTable {
  readonly element: HTMLElement;
  readonly #rows = new Map<string, Row>();
  readonly #steps = make('th', { scope: 'col', textContent: 'Steps' });

  constructor(private readonly events: TableEvents) {
    const head = make(
      'tr',
      {},
      make('th', { scope: 'col' }, make('span', { className: 'visually-hidden', textContent: 'Drawn' })),
      make('th', { scope: 'col', textContent: 'Optimizer' }),
      make('th', { scope: 'col', textContent: 'Rate' }),
      this.#steps,
      make('th', { scope: 'col', textContent: 'Final f' }),
      make('th', { scope: 'col', textContent: 'End' }),
    );
    const rows = CONTENDERS.map(({ key, title, rated }) => this.#row(key, title, rated));
    const all = (label: string, keys: () => readonly string[]) => {
      const button = make('button', { type: 'button', className: 'button quiet small', textContent: label });
      button.addEventListener('click', () => events.shown(keys()));
      return button;
    };
    const keys = CONTENDERS.map(({ key }) => key);
    this.element = make(
      'div',
      { className: 'land-table' },
      make(
        'div',
        { className: 'land-table-head' },
        make('h3', { textContent: 'Optimizers' }),
        all('All', () => keys),
        all('None', () => []),
      ),
      make(
        'section',
        { className: 'scroll', ariaLabel: 'Optimizers and what came of their ways', tabIndex: 0 },
        make('table', {}, make('thead', {}, head), make('tbody', {}, ...rows)),
      ),
    );
  }

  #row(key: string, title: string, rated: boolean): HTMLTableRowElement {
    const shown = make('input', { type: 'checkbox', id: `land-show-${key}` });
    const swatch = make('canvas', { ariaHidden: 'true' });
    const lr = rated
      ? make('input', {
          ...{ type: 'text', inputMode: 'decimal', autocomplete: 'off', spellcheck: false },
          ...{ className: 'land-rate', ariaLabel: `Rate of ${title}`, name: `lr.${key}` },
        })
      : undefined;
    const [steps, value, state] = [make('td'), make('td'), make('td', { className: 'land-state' })];
    const element = make(
      'tr',
      {},
      make('td', {}, shown),
      make('th', { scope: 'row' }, make('label', { htmlFor: shown.id }, swatch, title)),
      make('td', {}, lr ?? '–'),
      ...[steps, value, state],
    );
    shown.addEventListener('change', () => this.events.shown(this.#checked()));
    lr?.addEventListener('change', () => this.events.rated(key, lr.value));
    this.#rows.set(key, { element, shown, swatch, lr, steps, value, state });
    return element;
  }

  #checked(): string[] {
    return [...this.#rows].filter(([, { shown }]) => shown.checked).map(([key]) => key);
  }

  /** What is chosen; rates that were typed stand in their fields. */
  choose(shown: ReadonlySet<string>, selected: string, rates: Readonly<Record<string, string>>): void {
    for (const [key, row] of this.#rows) {
      row.shown.checked = shown.has(key);
      row.element.classList.toggle('selected', key === selected);
      row.element.classList.toggle('off', !shown.has(key));
      if (row.lr && document.activeElement !== row.lr) row.lr.value = rates[key] ?? '';
    }
  }

  /** Nothing is known of them now. */
  clear(): void {
    for (const row of this.#rows.values()) {
      for (const cell of [row.steps, row.value, row.state]) setText(cell, '');
      row.element.classList.remove('diverged');
    }
  }

  show({ ways, failed, goal }: Ways, most: number): void {
    setText(
      this.#steps,
      goal.kind === 'beyond' ? 'Steps off the saddle' : goal.kind === 'below' ? 'Steps to the target' : 'Steps',
    );
    for (const way of ways) this.#showWay(way, goal, most);
    for (const [key, why] of failed) {
      const row = this.#rows.get(key);
      if (!row) continue;
      setText(row.steps, '–');
      setText(row.value, '–');
      setText(row.state, why);
    }
  }

  #showWay(way: Way, goal: Goal, most: number): void {
    const row = this.#rows.get(way.key);
    if (!row) return;
    const { stays, first, diverged, values } = way;
    if (row.lr) row.lr.placeholder = rate(way.lr);
    setText(row.steps, diverged || stays === undefined ? '–' : count(stays));
    row.steps.title =
      first !== undefined && first !== stays ? `First there after ${count(first)}, and left again.` : '';
    setText(row.value, digits(values[values.length - 1]!));
    setText(row.state, stateOf(way, goal, most));
    row.element.classList.toggle('diverged', diverged);
  }

  /** The swatches, in the colours of the page as they are now. */
  paint(): void {
    const ratio = Math.min(devicePixelRatio || 1, 2);
    for (const [i, { swatch }] of [...this.#rows.values()].entries()) {
      swatch.width = SWATCH.width * ratio;
      swatch.height = SWATCH.height * ratio;
      const context = swatch.getContext('2d');
      if (!context) continue;
      const { colour, dash, mark } = lookOf(i);
      context.scale(ratio, ratio);
      context.strokeStyle = colour;
      context.fillStyle = colour;
      context.lineWidth = 2.4;
      context.setLineDash([...dash]);
      context.beginPath();
      context.moveTo(1, SWATCH.height / 2);
      context.lineTo(SWATCH.width - 8, SWATCH.height / 2);
      context.stroke();
      context.setLineDash([]);
      context.lineWidth = 0.5;
      drawMark(context, mark, SWATCH.width - 9, SWATCH.height / 2, 5);
    }
  }
}

/** Why they ended by themselves. */
const STOPS = {
  gradient: 'the gradient is 0',
  flat: 'f no longer falls',
  linesearch: 'no length lowers f',
  nonfinite: 'f is not finite',
} as const;

function stateOf({ diverged, stays, steps, stopped, values }: Way, goal: Goal, most: number): string {
  if (diverged) return 'diverged';
  if (stopped) return `ended after ${count(steps)}: ${STOPS[stopped]}`;
  if (goal.kind === 'below') return stays === undefined ? `not within ${count(most)}` : 'reached';
  if (goal.kind === 'beyond' && values[values.length - 1] === Number.NEGATIVE_INFINITY) return 'left, to -∞';
  if (goal.kind === 'beyond') return stays === undefined ? `not within ${count(most)}` : 'left';
  return '';
}
