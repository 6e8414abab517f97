import { byId, make, setText } from '../shell/dom.js';
import type { Lab } from '../shell/views.js';
import { MOST_RUNS } from './book.js';
import { differences, outcomes } from './differences.js';
import { Overlay } from './overlay.js';
import { Row } from './row.js';
import type { Run } from './run.js';
import './shelf.css';
import { RunStore } from './store.js';

/** While a run goes, curves and figures follow this often; the view that trains has its own, quicker ones. */
const FOLLOW_MS = 1000;
/** Rows that are there before 'show all': a long list would push the page away. */
const FIRST_ROWS = 8;

/** All runs, under every view. */
export class Shelf {
  readonly #rows = new Map<Run, Row>();
  readonly #list = make('ul', { className: 'shelf-runs' });
  readonly #more = make('button', { type: 'button', className: 'button quiet small', hidden: true });
  readonly #note = make('p', { className: 'shelf-note' });
  readonly #undo = make('button', { type: 'button', className: 'button small', hidden: true }, 'Undo');
  readonly #kept = make('p', { className: 'hint' });
  readonly #overlay = new Overlay();
  readonly #table = make('table', {});
  readonly #tableBox = make('section', { className: 'scroll', tabIndex: 0, hidden: true }, this.#table);
  #all = false;
  #back: (() => void) | undefined;
  #inSight = false;

  constructor(
    private readonly box: HTMLElement,
    private readonly lab: Lab,
  ) {
    this.#note.setAttribute('role', 'status');
    this.#tableBox.setAttribute('aria-label', 'Where the shown runs differ');
    setText(this.#kept, `The last ${MOST_RUNS} runs are kept in this browser; pinned ones stay.`);
    const title = make('h2', { id: 'shelf-title', tabIndex: -1 }, 'Runs');
    const told = make('div', { className: 'shelf-told' }, this.#note, this.#undo);
    const head = make('div', { className: 'shelf-head' }, make('div', {}, title, this.#kept), told);
    this.box.append(
      make(
        'div',
        { className: 'card shelf-card' },
        head,
        this.#list,
        this.#more,
        this.#overlay.element,
        this.#tableBox,
      ),
    );
    this.#undo.addEventListener('click', () => this.#takeBack());
    this.#more.addEventListener('click', () => {
      this.#all = !this.#all;
      this.#follow();
    });
    lab.runs.onChange(() => this.#follow());
    new IntersectionObserver(([entry]) => {
      this.#inSight = entry?.isIntersecting ?? false;
      if (this.#inSight) this.#draw();
    }).observe(this.#overlay.element);
    setInterval(() => {
      if (!lab.runs.runs.some(({ going }) => going)) return;
      for (const [run, row] of this.#rows) if (run.going) row.follow();
      if (this.#inSight) this.#draw();
    }, FOLLOW_MS);
    this.#follow();
    void this.#open();
  }

  async #open(): Promise<void> {
    const opened = await RunStore.open((why) => {
      const reason = why instanceof Error ? why.message || why.name : String(why);
      setText(this.#kept, `Runs stay in this tab only: the browser does not keep them (${reason}).`);
    });
    if (opened) this.lab.runs.keep(opened.store, opened.runs);
  }

  get #runs(): readonly Run[] {
    return this.lab.runs.runs;
  }

  #follow(): void {
    const newest = [...this.#runs].reverse();
    this.box.hidden = newest.length === 0 && this.#back === undefined;
    const seen = newest.filter((run, i) => this.#all || i < FIRST_ROWS || run.shown || run.pinned || run.going);
    for (const run of this.#rows.keys()) if (!newest.includes(run)) this.#rows.delete(run);
    for (const run of seen) {
      if (!this.#rows.has(run)) this.#rows.set(run, new Row(run, this.#actions));
      this.#rows.get(run)!.follow();
    }
    place(
      this.#list,
      seen.map((run) => this.#rows.get(run)!.element),
    );
    const hidden = newest.length - seen.length;
    this.#more.hidden = hidden === 0 && !this.#all;
    setText(this.#more, this.#all ? 'Show fewer' : `Show all ${newest.length} runs`);
    this.box.dataset.runs = String(newest.length);
    // While a run goes, what nobody sees is not drawn; it is when it comes into sight.
    if (this.#inSight || !newest.some(({ going }) => going)) this.#draw();
  }

  #draw(): void {
    const shown = [...this.#runs].filter((run) => run.shown);
    this.#overlay.show(shown);
    this.#tableBox.hidden = shown.length < 2;
    if (shown.length >= 2) this.#fill(shown);
  }

  #fill(shown: readonly Run[]): void {
    const rows = [...differences(shown), ...outcomes(shown)];
    // The same text is not written again: a screen reader would begin anew.
    const text = JSON.stringify([shown.map(({ name }) => name), rows]);
    if (this.#table.dataset.text === text) return;
    this.#table.dataset.text = text;
    const heads = shown.map((run) => make('th', { scope: 'col' }, run.name));
    this.#table.replaceChildren(
      make('thead', {}, make('tr', {}, make('td', {}), ...heads)),
      make(
        'tbody',
        {},
        ...rows.map(({ label, values }) =>
          make('tr', {}, make('th', { scope: 'row' }, label), ...values.map((value) => make('td', {}, value))),
        ),
      ),
    );
  }

  readonly #actions = {
    show: (run: Run, on: boolean) => {
      this.lab.runs.show(run, on);
      this.#overlay.show(this.#runs.filter((each) => each.shown));
    },
    changed: () => this.lab.runs.changed(),
    open: (run: Run) => void this.lab.open('train', { experiment: run.about.settings }),
    drop: (run: Run) => this.#drop(run),
    said: (text: string) => this.#say(text),
  };

  #drop(run: Run): void {
    if (run.going) {
      this.#say('A run that goes on stays; stop it first.');
      return;
    }
    this.#back = this.lab.runs.drop(run);
    this.#say(`${run.name} is dropped.`);
    this.#undo.hidden = false;
    this.#undo.focus(); // the pressed button is gone, and the focus with it
    this.#follow();
  }

  #takeBack(): void {
    this.#back?.();
    this.#back = undefined;
    this.#say('It is back.');
    byId('shelf-title').focus();
    this.#follow();
  }

  #say(text: string): void {
    setText(this.#note, text);
    this.#undo.hidden = true;
  }
}

/** Brings the children into order without taking away what may have the focus. */
function place(list: HTMLElement, children: readonly HTMLElement[]): void {
  const wanted = new Set(children);
  for (const child of [...list.children]) if (!wanted.has(child as HTMLElement)) child.remove();
  children.forEach((child, i) => {
    if (list.children[i] !== child) list.insertBefore(child, list.children[i] ?? null);
  });
}
