import type { JobData } from '../../../harness/train/data.js';
import type { Dataset, Trainer } from '../../../src/index.js';
import { paintImage } from '../../shell/colours.js';
import { make, setText } from '../../shell/dom.js';
import { count, percent } from '../../shell/format.js';
import type { Instrument } from './instrument.js';
import { classNames, givesProbabilities, isImages, labelsOf, largest } from './samples.js';

/** Larger tables than this nobody reads. */
const MOST_CLASSES = 26;
/** Samples of a cell that are shown. */
const MOST_SHOWN = 24;

/** What the network said of each sample of the test, at one step. */
interface Answers {
  readonly step: number;
  readonly said: Uint32Array;
  readonly outputs: Float32Array;
}

/** True class by predicted class, over the test data; a cell opens the samples in it. */
export class Confusion implements Instrument {
  readonly key = 'confusion';
  readonly title = 'Confusion';
  readonly when = 'test';
  readonly #note = make('p', { className: 'hint' }, 'True class by predicted class, after the first test of a run.');
  readonly #table = make('table', { className: 'confusion' });
  readonly #box = make('section', { className: 'scroll confusion-box', hidden: true, tabIndex: 0 }, this.#table);
  readonly #title = make('h4', { tabIndex: -1 });
  readonly #list = make('ul', { className: 'samples' });
  readonly #opened = make('section', { className: 'opened', hidden: true }, this.#title, this.#list);
  readonly element = make('div', {}, this.#note, this.#box, this.#opened);
  #cells: HTMLButtonElement[] = [];
  #test: Dataset | undefined;
  #answers: Answers | undefined;
  #open: readonly [truth: number, said: number] | undefined;

  constructor() {
    this.#box.setAttribute('aria-label', 'Confusion matrix');
    this.#table.addEventListener('keydown', (event) => this.#move(event));
  }

  fits = (data: JobData | undefined): boolean =>
    data === undefined || (labelsOf(data.test) !== undefined && classNames(data.test).length <= MOST_CLASSES);

  began({ test }: JobData): void {
    this.#test = test;
    this.#answers = undefined;
    this.#open = undefined;
    this.#build(classNames(test));
    this.#box.hidden = this.#opened.hidden = true;
    setText(this.#note, 'True class by predicted class, after the first test.');
  }

  async refresh(trainer: Trainer, { test }: JobData): Promise<void> {
    const { step } = trainer;
    if (this.#answers?.step === step || this.#test !== test) return;
    const outputs = await trainer.predict(test);
    this.#answers = { step, outputs, said: largest(outputs, classNames(test).length) };
    this.#fill(test, this.#answers);
    this.#box.hidden = false;
    if (this.#open) this.#show(...this.#open, false);
  }

  /** The table of a run; its cells stay, whatever counts come into them, so that none loses the focus. */
  #build(names: readonly string[]): void {
    this.#cells = [];
    const corner = make('td', { className: 'corner' }, 'said →');
    const head = names.map((name) => make('th', { scope: 'col' }, name));
    const rows = names.map((name, truth) => {
      const cells = names.map((other, said) => {
        const cell = make('button', { type: 'button', tabIndex: truth + said === 0 ? 0 : -1 });
        cell.addEventListener('click', () => this.#show(truth, said, true));
        cell.title = `${name}, said ${other}`;
        this.#cells.push(cell);
        return make('td', { className: truth === said ? 'right' : 'wrong' }, cell);
      });
      return make('tr', {}, make('th', { scope: 'row' }, name), ...cells, make('td', { className: 'sum' }));
    });
    const sum = make('th', { scope: 'col' }, 'recall');
    this.#table.replaceChildren(
      make(
        'caption',
        { className: 'visually-hidden' },
        'Samples of the test by true class (rows) and predicted class (columns)',
      ),
      make('thead', {}, make('tr', {}, corner, ...head, sum)),
      make('tbody', {}, ...rows),
    );
  }

  #fill(test: Dataset, { step, said }: Answers): void {
    const labels = labelsOf(test)!;
    const classes = classNames(test).length;
    const counts = new Uint32Array(classes * classes);
    said.forEach((answer, i) => {
      counts[labels[i]! * classes + answer]!++;
    });
    let right = 0;
    for (let truth = 0; truth < classes; truth++) {
      const row = counts.subarray(truth * classes, (truth + 1) * classes);
      const all = row.reduce((sum, each) => sum + each, 0);
      right += row[truth]!;
      row.forEach((number, answer) => {
        const cell = this.#cells[truth * classes + answer]!;
        setText(cell, count(number));
        cell.dataset.count = String(number);
        // By row: classes may differ in size.
        cell.style.setProperty('--share', String(all === 0 ? 0 : number / all));
      });
      setText(
        this.#table.tBodies[0]!.rows[truth]!.lastElementChild as HTMLElement,
        percent(all === 0 ? undefined : row[truth]! / all),
      );
    }
    setText(
      this.#note,
      `After step ${count(step)}: ${count(right)} of ${count(test.samples)} test samples right, ${percent(right / test.samples)}. ` +
        'A cell opens its samples.',
    );
  }

  /** Arrows go from cell to cell. */
  #move(event: KeyboardEvent): void {
    const classes = Math.sqrt(this.#cells.length);
    const at = this.#cells.indexOf(event.target as HTMLButtonElement);
    const [row, column] = [Math.floor(at / classes), at % classes];
    const moves: Record<string, number> = {
      ArrowLeft: column > 0 ? at - 1 : at,
      ArrowRight: column < classes - 1 ? at + 1 : at,
      ArrowUp: row > 0 ? at - classes : at,
      ArrowDown: row < classes - 1 ? at + classes : at,
      Home: row * classes,
      End: (row + 1) * classes - 1,
    };
    const to = this.#cells[moves[event.key] ?? -1];
    if (at < 0 || !to) return;
    event.preventDefault();
    this.#cells[at]!.tabIndex = -1;
    to.tabIndex = 0;
    to.focus();
  }

  #show(truth: number, said: number, pressed: boolean): void {
    const [test, answers] = [this.#test, this.#answers];
    if (!test || !answers) return;
    this.#open = [truth, said];
    const names = classNames(test);
    const labels = labelsOf(test)!;
    const sure = (i: number) => answers.outputs[i * names.length + said]!;
    const inside = [...answers.said.keys()].filter((i) => labels[i] === truth && answers.said[i] === said);
    // What was said with most confidence is most wrong, and what was said with least is most nearly so.
    inside.sort((a, b) => (truth === said ? sure(a) - sure(b) : sure(b) - sure(a)));
    const what = truth === said ? `${names[truth]}, and said so` : `${names[truth]}, said ${names[said]}`;
    const more =
      inside.length > MOST_SHOWN ? `, ${MOST_SHOWN} of them ${truth === said ? 'the least' : 'the most'} sure` : '';
    setText(this.#title, `${count(inside.length)} × ${what}, after step ${count(answers.step)}${more}`);
    this.#list.replaceChildren(
      ...inside
        .slice(0, MOST_SHOWN)
        .map((i) => sampleOf(test, i, givesProbabilities(test) ? percent(sure(i)) : sure(i).toFixed(3))),
    );
    this.#opened.hidden = false;
    if (pressed) this.#title.focus({ preventScroll: false });
  }
}

/** A sample as a picture, or its first values, with how sure the network was. */
function sampleOf(test: Dataset, i: number, sure: string): HTMLElement {
  const values = test.x.subarray(i * test.features, (i + 1) * test.features);
  const text = make('span', { className: 'sample-text' }, sure, ' ', make('small', {}, `no. ${count(i + 1)}`));
  if (!isImages(test)) {
    const some = [...values.subarray(0, 4)].map((value) => String(+value.toPrecision(4)));
    return make('li', {}, make('code', {}, `${some.join(', ')}${values.length > 4 ? ' …' : ''}`), text);
  }
  const canvas = make('canvas', { className: 'seen' });
  canvas.setAttribute('role', 'img');
  canvas.setAttribute('aria-label', `Test image ${i + 1}`);
  paintImage(canvas, values, ...test.image);
  return make('li', {}, canvas, text);
}
