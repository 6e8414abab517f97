import { swatch } from '../charts/palette.js';
import { make, setText } from '../shell/dom.js';
import { count, loss, percent } from '../shell/format.js';
import { secondsText } from './differences.js';
import { exportMenu } from './menu.js';
import type { Run, RunStatus } from './run.js';

/** What can be done with a run. */
export interface RowActions {
  show(run: Run, on: boolean): void;
  changed(): void;
  open(run: Run): void;
  drop(run: Run): void;
  /** @param text what was done, or why not */
  said(text: string): void;
}

const STATUS: Record<RunStatus, string> = {
  running: 'running',
  paused: 'paused',
  done: 'finished',
  stopped: 'stopped',
  diverged: 'diverged',
  failed: 'broken off',
};
const LONGEST_NAME = 80;

/** A run on the shelf. It is built once and told to follow: what has the focus stays. */
export class Row {
  readonly element: HTMLElement;
  readonly #shown = make('input', { type: 'checkbox' });
  readonly #line = make('span', { className: 'shelf-line' });
  readonly #name = make('input', { type: 'text', className: 'shelf-name', maxLength: LONGEST_NAME });
  readonly #figures = make('p', { className: 'shelf-figures' });
  readonly #pin = make('button', { type: 'button', className: 'button quiet small' }, 'Pin');
  readonly #drop = make('button', { type: 'button', className: 'button quiet small' }, 'Drop');
  #look = -1;

  constructor(
    readonly run: Run,
    actions: RowActions,
  ) {
    this.#name.autocomplete = 'off';
    this.#name.spellcheck = false;
    this.#name.setAttribute('aria-label', 'Name of the run');
    const open = make('button', { type: 'button', className: 'button quiet small' }, 'Open in Train');
    this.element = make(
      'li',
      { className: 'shelf-run' },
      make('label', { className: 'shelf-show' }, this.#shown, this.#line),
      make(
        'div',
        { className: 'shelf-what' },
        this.#name,
        this.#figures,
        make('p', { className: 'shelf-caption' }, run.about.caption),
      ),
      make('div', { className: 'shelf-buttons' }, this.#pin, open, ...exportMenu(run, actions), this.#drop),
    );
    this.#shown.addEventListener('change', () => actions.show(run, this.#shown.checked));
    this.#name.addEventListener('change', () => {
      run.name = this.#name.value.trim() || run.about.name;
      this.#name.value = run.name;
      actions.changed();
    });
    this.#pin.addEventListener('click', () => {
      run.pinned = !run.pinned;
      actions.changed();
    });
    open.addEventListener('click', () => actions.open(run));
    this.#drop.addEventListener('click', () => actions.drop(run));
    this.follow();
  }

  follow(): void {
    const { run } = this;
    this.#shown.checked = run.shown;
    this.#shown.setAttribute('aria-label', `Show ${run.name} in the chart`);
    if (this.#look !== run.look) this.#line.replaceChildren(swatch(run.look));
    this.#look = run.look;
    this.#line.dataset.shown = String(run.shown);
    if (document.activeElement !== this.#name) this.#name.value = run.name;
    this.#pin.setAttribute('aria-pressed', String(run.pinned));
    setText(this.#pin, run.pinned ? 'Pinned' : 'Pin');
    // The name behind what is seen: there are as many of these buttons as runs.
    for (const button of [this.#pin, this.#drop])
      button.setAttribute('aria-label', `${button.textContent} ${run.name}`);
    this.#drop.setAttribute('aria-disabled', String(run.going));
    setText(this.#figures, figuresOf(run));
  }

  focus(): void {
    this.#drop.focus();
  }
}

function figuresOf(run: Run): string {
  const { loss: tested, accuracy } = run.tests.at(-1) ?? {};
  return [
    STATUS[run.status],
    `loss ${loss(run.history.loss)}`,
    ...(tested === undefined ? [] : [`test loss ${loss(tested)}`]),
    ...(accuracy === undefined ? [] : [`accuracy ${percent(accuracy)}`]),
    `${count(run.step)} steps`,
    `${secondsText(run.seconds)} s`,
  ].join(' · ');
}
