import { LineChart } from '../charts/lines.js';
import { colorOf, dashOf, swatch } from '../charts/palette.js';
import type { Texts } from '../experiment/settings.js';
import type { Run } from '../runs/run.js';
import { make, setText } from '../shell/dom.js';
import { bytes, count, loss, percent, rate } from '../shell/format.js';
import type { Descent } from './reached.js';

/* What a comparison has come to: the curves, and the table with the target that the person chooses. */

/** A member with what it measured. */
export interface Result {
  readonly title: string;
  readonly lr: number | undefined;
  readonly stateBytes: number;
  readonly run: Run;
  readonly descent: Descent;
}

const TARGETS = { loss: 'loss at most', accuracy: 'test accuracy at least' } as const;
type TargetKind = keyof typeof TARGETS;
const FIRST_ACCURACY = '80';
const DRAW_MS = 150;

export class Results {
  readonly element = make('div', { className: 'compare-results' });
  #results: readonly Result[] = [];
  #timer: ReturnType<typeof setTimeout> | undefined;
  #drawn = 0;
  readonly #chart: LineChart;
  readonly #shown = select('compare-shown', { loss: 'Loss', accuracy: 'Test accuracy', test: 'Test loss' });
  readonly #by = select('compare-by', { step: 'by step', seconds: 'by seconds' });
  readonly #log = make('input', { type: 'checkbox', id: 'compare-log' });
  readonly #kind = select('compare-target-kind', TARGETS);
  readonly #target = make('input', {
    ...{ type: 'text', id: 'compare-target', inputMode: 'decimal', autocomplete: 'off', spellcheck: false },
  });
  readonly #problem = make('p', { className: 'problem', id: 'compare-target-problem' });
  readonly #rows = make('tbody', { id: 'compare-rows' });
  readonly #box: HTMLElement;
  readonly #note = make('p', { className: 'hint' });

  /**
   * @param open a member alone, in the Train view
   * @param changed the person chose another target
   */
  constructor(
    private readonly open: (result: Result) => void,
    changed: () => void,
  ) {
    const plot = make('div', { id: 'compare-chart' });
    this.#kind.setAttribute('aria-label', 'Kind of target');
    this.#target.setAttribute('aria-label', 'Target');
    this.#target.setAttribute('aria-describedby', this.#problem.id);
    const head = ['Optimizer', 'Rate', 'Loss', 'Accuracy', 'To target', 'State', ''].map((textContent) =>
      make('th', { scope: 'col', textContent }),
    );
    const table = make('table', {}, make('thead', {}, make('tr', {}, ...head)), this.#rows);
    const scroll = make('section', { className: 'scroll compare-table', tabIndex: 0 }, table);
    scroll.setAttribute('aria-label', 'What each optimizer came to');
    const target = make('div', { className: 'compare-target' }, 'Target:', this.#kind, this.#target, this.#problem);
    this.#box = make('div', { className: 'compare-figures', hidden: true }, target, scroll, this.#note);
    this.element.append(
      make(
        'div',
        { className: 'chart-head' },
        make('div', { className: 'compare-axes' }, this.#shown, this.#by),
        make('label', { className: 'toggle' }, this.#log, ' Log scale'),
      ),
      plot,
      this.#box,
    );
    this.#shown.setAttribute('aria-label', 'What the chart shows');
    this.#by.setAttribute('aria-label', 'Along which axis');
    this.#chart = new LineChart(plot, {
      ...{ label: 'Curves of the comparison', x: { label: 'Step', from: 0 }, y: { label: 'Loss' } },
      empty: 'The curves appear here.',
    });
    for (const control of [this.#shown, this.#by, this.#log]) control.addEventListener('input', () => this.#axes());
    for (const control of [this.#kind, this.#target])
      control.addEventListener('input', () => {
        this.#table();
        changed();
      });
    this.#table();
  }

  state(): Texts {
    const target = this.#target.value.trim();
    return { ...(target !== '' && { target: `${this.#kind.value}:${target}` }) };
  }

  take({ target = 'loss:' }: Texts): string[] {
    const [kind = '', value = ''] = target.split(':');
    const good = Object.hasOwn(TARGETS, kind) && (value === '' || Number(value) > 0);
    this.#kind.value = good ? kind : 'loss';
    this.#target.value = good ? value : '';
    this.#table();
    return good ? [] : ['target'];
  }

  show(results: readonly Result[], note: string): void {
    this.#results = results;
    setText(this.#note, note);
    this.#box.hidden = results.length === 0;
    this.#chart.reset();
    this.#table();
    this.update(); // another plot is as much work as all the members on the shelf: a task of its own
  }

  /** Draws what came in, not at each frame: eight curves and a table take long enough to be felt. */
  update(): void {
    if (this.#timer !== undefined) return;
    const wait = Math.max(0, DRAW_MS - (performance.now() - this.#drawn));
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#chart.update(() => {
        this.#drawn = performance.now();
        this.#draw();
        this.#table();
      });
    }, wait);
  }

  #axes(): void {
    const labels = { loss: 'Loss', accuracy: 'Test accuracy, %', test: 'Test loss' } as const;
    this.#chart.set({
      x: { label: this.#by.value === 'step' ? 'Step' : 'Seconds', from: 0 },
      y: { label: labels[this.#shown.value as keyof typeof labels], log: this.#log.checked },
    });
    this.#draw();
  }

  #draw(): void {
    const bySeconds = this.#by.value === 'seconds';
    const shown = this.#shown.value;
    this.#chart.show(
      this.#results.map(({ title, run }, i) => {
        const look = { label: title, color: colorOf(i), dash: dashOf(i), width: 2 };
        if (shown === 'loss') {
          const { steps, seconds, smooth } = run.history;
          return { ...look, x: bySeconds ? seconds : steps, y: smooth };
        }
        const x = run.tests.map((test) => (bySeconds ? test.seconds : test.step));
        const y = run.tests.map((test) => (shown === 'test' ? test.loss : percentOf(test.accuracy)));
        return { ...look, x, y, dots: true };
      }),
    );
  }

  /** The target in the unit of what it is compared with; undefined while it is none. */
  #wanted(): { readonly kind: TargetKind; readonly value: number | undefined } {
    const kind = this.#kind.value as TargetKind;
    const typed = this.#target.value.trim();
    this.#target.placeholder = kind === 'loss' ? 'half of the first' : FIRST_ACCURACY;
    const value = Number(typed.replace('%', ''));
    const wrong = typed !== '' && !(value > 0 && (kind === 'loss' || value <= 100));
    this.#target.setAttribute('aria-invalid', String(wrong));
    setText(this.#problem, wrong ? (kind === 'loss' ? 'A loss above 0.' : 'Percent: above 0, at most 100.') : '');
    if (wrong) return { kind, value: undefined };
    if (kind === 'accuracy') return { kind, value: (typed === '' ? Number(FIRST_ACCURACY) : value) / 100 };
    const [first] = this.#results;
    return { kind, value: typed === '' ? first && (first.descent.first ?? Number.NaN) / 2 : value };
  }

  #table(): void {
    const { kind, value } = this.#wanted();
    const reached = ({ descent, run }: Result) => {
      if (value === undefined) return undefined;
      if (kind === 'loss') return descent.reached(value);
      return run.tests.find(({ accuracy = 0 }) => accuracy >= value);
    };
    while (this.#rows.rows.length > this.#results.length) this.#rows.deleteRow(-1);
    this.#results.forEach((result, i) => {
      const row = this.#rows.rows[i] ?? this.#addRow(i);
      const { run, descent, title, lr, stateBytes } = result;
      const test = run.tests.at(-1);
      const at = reached(result);
      const over = run.status === 'diverged' ? ' (diverged)' : '';
      const cells = [
        lr === undefined ? 'none' : rate(lr),
        Number.isNaN(descent.loss) && over === '' ? '–' : loss(descent.loss),
        percent(test?.accuracy),
        at
          ? `${count(at.step)} ${at.step === 1 ? 'step' : 'steps'}, ${at.seconds.toFixed(at.seconds < 10 ? 2 : 1)} s`
          : 'not reached',
        bytes(stateBytes),
      ];
      setText(row.cells[0]!.querySelector('span')!, title + over);
      for (const [column, text] of cells.entries()) setText(row.cells[column + 1]!, text);
      row.dataset.status = run.status;
    });
  }

  #addRow(i: number): HTMLTableRowElement {
    const row = this.#rows.insertRow();
    row.append(
      make('th', { scope: 'row' }, swatch(i), make('span', {})),
      ...Array.from({ length: 5 }, () => make('td', {})),
    );
    const button = make('button', { type: 'button', className: 'button quiet small', textContent: 'Open in Train' });
    button.addEventListener('click', () => {
      const result = this.#results[i];
      if (result) this.open(result);
    });
    row.append(make('td', {}, button));
    return row;
  }
}

const percentOf = (share: number | undefined): number | null => (share === undefined ? null : 100 * share);

function select(id: string, choices: Readonly<Record<string, string>>): HTMLSelectElement {
  const options = Object.entries(choices).map(([value, textContent]) => make('option', { value, textContent }));
  return make('select', { id }, ...options);
}
