import { checkSpace, type Parameter, type Space } from '../../src/search/index.js';
import type { Texts } from '../experiment/settings.js';
import { isOff, make, setOff, setText } from '../shell/dom.js';
import { PageError, problemOf } from '../shell/problem.js';
import {
  boxesOf,
  firstSpace,
  makeParameter,
  readSpace,
  SCALES,
  type Scale,
  type Searchable,
  scaleOf,
  searchables,
  spaceText,
} from './space.js';

interface Row {
  readonly element: HTMLElement;
  readonly name: HTMLSelectElement;
  readonly scale: HTMLSelectElement;
  readonly boxes: HTMLElement;
  readonly problem: HTMLElement;
}

/** Which settings are searched, and over what ranges: a row for each. */
export class SpaceEditor {
  readonly element = make('div', { className: 'space' });
  readonly #list = make('ol', { className: 'space-rows' });
  readonly #add = make('button', { type: 'button', className: 'button small', textContent: 'Add a setting' });
  #rows: Row[] = [];
  /** Whether it is the one that goes with the experiment, untouched. */
  #untouched = true;

  /**
   * @param texts the experiment: its rule has settings of its own
   * @param changed after every change that a person makes
   */
  constructor(
    private readonly texts: () => Texts,
    private readonly changed: () => void,
  ) {
    this.element.append(this.#list, this.#add);
    this.element.addEventListener('input', () => this.#touched());
    this.#add.addEventListener('click', () => {
      const free = this.#known().find(({ name }) => !this.#rows.some((row) => row.name.value === name));
      if (!free || isOff(this.#add)) return;
      this.#insert(free.name, free.first).name.focus();
      this.#touched();
    });
    this.take(undefined);
  }

  /** @throws PageError; its box has the focus then */
  get space(): Space {
    const wrong = this.#rows.find((row) => this.#read(row) === undefined);
    if (wrong) {
      wrong.boxes.querySelector('input')?.focus();
      throw new PageError('A range of the search is wrong.', 'Change the one that is marked.');
    }
    if (this.#rows.length === 0) throw new PageError('No setting is searched.', 'Add one at least.');
    return checkSpace(Object.fromEntries(this.#rows.map((row) => [row.name.value, this.#read(row)!])));
  }

  get good(): boolean {
    return this.#rows.length > 0 && this.#rows.every((row) => this.#read(row) !== undefined);
  }

  /** As a link has it; undefined where nothing was changed. */
  get text(): string | undefined {
    return this.#untouched || !this.good ? undefined : spaceText(this.space);
  }

  /** @param text undefined for the first one. @returns whether it was understood */
  take(text: string | undefined): boolean {
    let space: Space | undefined;
    try {
      space = text === undefined ? undefined : readSpace(text);
    } catch {}
    const known = new Set(this.#known().map(({ name }) => name));
    const good = text === undefined || (space !== undefined && Object.keys(space).every((name) => known.has(name)));
    this.#untouched = text === undefined || !good;
    this.#fill(this.#untouched ? firstSpace(this.texts()) : space!);
    return good;
  }

  /** The experiment is another: settings of a rule that is gone go with it. */
  follow(): void {
    if (this.#untouched) {
      if (spaceText(firstSpace(this.texts())) !== this.#shownText()) this.#fill(firstSpace(this.texts()));
      return;
    }
    const known = new Set(this.#known().map(({ name }) => name));
    if (this.#rows.every(({ name }) => known.has(name.value))) return;
    const kept = this.#rows.filter(({ name }) => known.has(name.value));
    this.#fill(
      Object.fromEntries(kept.flatMap((row) => [[row.name.value, this.#read(row)]]).filter(([, each]) => each)),
    );
  }

  #shownText(): string {
    return this.good ? spaceText(this.space) : '';
  }

  #known(): Searchable[] {
    return searchables(this.texts());
  }

  #touched(): void {
    this.#untouched = false;
    this.#refresh();
    this.changed();
  }

  #fill(space: Space): void {
    this.#rows = [];
    this.#list.replaceChildren();
    for (const [name, parameter] of Object.entries(space)) this.#insert(name, parameter);
    this.#refresh();
  }

  #insert(name: string, parameter: Parameter): Row {
    const select = make('select', {});
    select.append(...this.#known().map((each) => make('option', { value: each.name, textContent: each.label })));
    select.value = name;
    const scale = make('select', { className: 'space-scale' });
    scale.append(...Object.entries(SCALES).map(([value, textContent]) => make('option', { value, textContent })));
    const boxes = make('div', { className: 'space-boxes' });
    const remove = make('button', { type: 'button', className: 'button quiet small space-remove', textContent: '×' });
    const problem = make('p', { className: 'problem' });
    const element = make('li', {}, select, remove, scale, boxes, problem);
    const row: Row = { element, name: select, scale, boxes, problem };
    this.#rows.push(row);
    this.#list.append(element);
    this.#put(row, parameter);
    select.addEventListener('input', () => {
      const chosen = this.#known().find((each) => each.name === select.value);
      if (chosen) this.#put(row, chosen.first);
    });
    scale.addEventListener('input', () => this.#rescale(row));
    remove.addEventListener('click', () => {
      const at = this.#rows.indexOf(row);
      this.#rows.splice(at, 1);
      element.remove();
      this.#touched();
      (this.#rows[at] ?? this.#rows.at(-1))?.name.focus();
      if (this.#rows.length === 0) this.#add.focus();
    });
    return row;
  }

  /** Puts a parameter into a row's boxes. */
  #put(row: Row, parameter: Parameter): void {
    row.scale.value = scaleOf(parameter);
    // What has no numbers has no range either.
    const words = parameter.kind === 'choice' && parameter.values.some((value) => typeof value !== 'number');
    for (const option of row.scale.options) option.disabled = words && option.value !== 'values';
    this.#fillBoxes(row, boxesOf(parameter));
  }

  #fillBoxes(row: Row, texts: readonly string[]): void {
    const label = row.name.selectedOptions[0]?.textContent ?? '';
    const names = texts.length === 1 ? ['Values'] : ['From', 'To'];
    const boxes = texts.map((value, i) => {
      const box = make('input', { value, type: 'text', autocomplete: 'off', spellcheck: false });
      box.inputMode = texts.length === 1 ? 'text' : 'decimal';
      box.setAttribute('aria-label', `${names[i]} of ${label}`);
      return box;
    });
    row.boxes.replaceChildren(...(boxes.length === 2 ? [boxes[0]!, 'to', boxes[1]!] : boxes));
  }

  /** Values become a range from the least to the greatest, and a range its ends. */
  #rescale(row: Row): void {
    const texts = [...row.boxes.querySelectorAll('input')].flatMap(({ value }) =>
      value.split(/[\s,|]+/).filter(Boolean),
    );
    if (row.scale.value === 'values') {
      this.#fillBoxes(row, [texts.join(', ')]);
      return;
    }
    const numbers = texts.map(Number).filter(Number.isFinite);
    this.#fillBoxes(row, numbers.length > 1 ? [String(Math.min(...numbers)), String(Math.max(...numbers))] : ['', '']);
  }

  /** Undefined where something is wrong with it. */
  #read(row: Row): Parameter | undefined {
    try {
      return this.#parameter(row);
    } catch {
      return undefined;
    }
  }

  #parameter(row: Row): Parameter {
    const whole = this.#known().find(({ name }) => name === row.name.value)?.whole ?? false;
    const boxes = [...row.boxes.querySelectorAll('input')].map(({ value }) => value);
    const made = makeParameter(whole, row.scale.value as Scale, boxes);
    return checkSpace({ [row.name.value]: made })[row.name.value]!;
  }

  #refresh(): void {
    for (const row of this.#rows) {
      let text = '';
      const twice = this.#rows.filter(({ name }) => name.value === row.name.value).length > 1;
      try {
        this.#parameter(row);
        if (twice) text = 'It is there twice: remove one.';
      } catch (error) {
        const { message, fix } = problemOf(error);
        text = `${message} ${fix}`;
      }
      setText(row.problem, text);
      for (const box of row.boxes.querySelectorAll('input')) box.setAttribute('aria-invalid', String(text !== ''));
      row.name.setAttribute('aria-label', 'Setting');
      const label = row.name.selectedOptions[0]?.textContent ?? '';
      row.scale.setAttribute('aria-label', `Scale of ${label}`);
      row.element.querySelector('.space-remove')!.setAttribute('aria-label', `Remove ${label}`);
    }
    setOff(this.#add, this.#rows.length >= this.#known().length);
  }
}
