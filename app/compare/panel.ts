import { colorOf, swatch } from '../charts/palette.js';
import type { Texts } from '../experiment/settings.js';
import { make, setText } from '../shell/dom.js';
import { rate } from '../shell/format.js';
import { PageError } from '../shell/problem.js';
import {
  CHOICES,
  type Choice,
  choicesText,
  defaultRate,
  FIRST,
  MOST_MEMBERS,
  RATES,
  type Rates,
  readChoices,
  readRate,
  titleOf,
} from './members.js';

/** What the person compares. */
export interface Wanted {
  readonly choices: readonly Choice[];
  readonly rates: Rates;
  /** Of 'equal'. */
  readonly lr: number;
}

const FIRST_LR = '0.01';

interface Row {
  readonly element: HTMLElement;
  readonly select: HTMLSelectElement;
  readonly lr: HTMLInputElement;
  readonly problem: HTMLElement;
}

/** The settings of the Compare view: which rules, and what rates. */
export class ComparePanel {
  readonly element: HTMLFieldSetElement;
  readonly #rows: Row[] = [];
  readonly #list = make('ol', { className: 'compare-members' });
  readonly #add = make('button', { type: 'button', className: 'button small', textContent: 'Add an optimizer' });
  readonly #rates = make('select', { id: 'compare-rates' });
  readonly #lr = textBox('compare-lr', FIRST_LR);
  readonly #lrRow: HTMLElement;
  readonly #lrProblem = make('p', { className: 'problem', id: 'compare-lr-problem' });
  readonly #note = make('p', { className: 'hint', id: 'compare-cost' });

  /** @param changed after every change that a person makes */
  constructor(private readonly changed: () => void) {
    this.#rates.append(...Object.entries(RATES).map(([value, textContent]) => make('option', { value, textContent })));
    this.#lr.setAttribute('aria-describedby', this.#lrProblem.id);
    this.#lrRow = make('div', { className: 'control' }, label('compare-lr', 'Rate'), this.#lr, this.#lrProblem);
    const rates = make('div', { className: 'control choice' }, label('compare-rates', 'Rates'), this.#rates);
    this.element = make(
      'fieldset',
      { className: 'card' },
      make('legend', { textContent: 'Optimizers' }),
      make('div', {}, this.#list, this.#add),
      make('div', { className: 'controls' }, rates, this.#lrRow),
      this.#note,
    );
    this.element.addEventListener('input', () => this.#refresh());
    this.#add.addEventListener('click', () => {
      if (this.#rows.length >= MOST_MEMBERS) return;
      const used = new Set(this.#rows.map(({ select }) => select.value));
      this.#insert({ name: CHOICES.find(([name]) => !used.has(name))?.[0] ?? 'sgd' }).select.focus();
      this.#refresh();
    });
    this.take({});
  }

  /** @throws PageError where something is wrong */
  get wanted(): Wanted {
    const rates = this.#rates.value as Rates;
    const wrong = this.#wrong();
    if (wrong) {
      wrong.focus();
      throw new PageError('A rate of the comparison is wrong.', 'Type a number above 0, such as 0.01.');
    }
    if (this.#rows.length === 0) throw new PageError('There is no optimizer to compare.', 'Add one at least.');
    return { choices: this.#choices(), rates, lr: readRate(this.#lr.value) ?? 0 };
  }

  get choices(): readonly Choice[] {
    return this.#choices();
  }

  get rates(): Rates {
    return this.#rates.value as Rates;
  }

  set note(text: string) {
    setText(this.#note, text);
  }

  set disabled(on: boolean) {
    this.element.disabled = on;
  }

  state(): Texts {
    const rules = choicesText(this.#choices());
    return {
      ...(rules !== choicesText(FIRST) && { rules }),
      ...(this.rates !== 'default' && { rates: this.rates }),
      ...(this.#lr.value !== FIRST_LR && { lr: this.#lr.value }),
    };
  }

  /** @returns keys whose values mean nothing */
  take({ rules, rates, lr }: Texts): string[] {
    const choices = rules === undefined ? FIRST : readChoices(rules);
    const known = rates === undefined || Object.hasOwn(RATES, rates);
    this.#list.replaceChildren();
    this.#rows.length = 0;
    for (const choice of choices ?? FIRST) this.#insert(choice);
    this.#rates.value = known ? (rates ?? 'default') : 'default';
    this.#lr.value = lr ?? FIRST_LR;
    this.#refresh(false);
    return [...(choices ? [] : ['rules']), ...(known ? [] : ['rates']), ...(isRate(this.#lr.value) ? [] : ['lr'])];
  }

  #choices(): Choice[] {
    return this.#rows.map(({ select, lr }) => {
      const typed = readRate(lr.value);
      return { name: select.value, ...(typed !== undefined && { lr: typed }) };
    });
  }

  /** The first box whose text is no rate. */
  #wrong(): HTMLInputElement | undefined {
    const row = this.#rows.find(({ lr }) => lr.value.trim() !== '' && !isRate(lr.value));
    return row?.lr ?? (this.rates === 'equal' && !isRate(this.#lr.value) ? this.#lr : undefined);
  }

  #insert({ name, lr }: Choice): Row {
    const select = make('select', {});
    select.append(...CHOICES.map(([value, textContent]) => make('option', { value, textContent })));
    select.value = name;
    const box = textBox('', lr === undefined ? '' : String(lr));
    const remove = make('button', { type: 'button', className: 'button quiet small', textContent: '×' });
    const problem = make('p', { className: 'problem' });
    const element = make('li', {}, make('span', { className: 'compare-look' }), select, box, remove, problem);
    const row = { element, select, lr: box, problem };
    this.#rows.push(row);
    this.#list.append(element);
    remove.addEventListener('click', () => {
      const at = this.#rows.indexOf(row);
      this.#rows.splice(at, 1);
      element.remove();
      this.#refresh();
      (this.#rows[at] ?? this.#rows.at(-1))?.select.focus();
      if (this.#rows.length === 0) this.#add.focus();
    });
    return row;
  }

  #refresh(tell = true): void {
    this.#rows.forEach(({ element, select, lr, problem }, i) => {
      element.firstElementChild!.replaceChildren(swatch(i));
      element.style.setProperty('--look', `var(${colorOf(i)})`);
      const title = titleOf(select.value);
      select.setAttribute('aria-label', `Optimizer ${i + 1}`);
      lr.setAttribute('aria-label', `Rate of ${title}`);
      const usual = defaultRate(select.value);
      lr.disabled = usual === undefined;
      lr.placeholder =
        usual === undefined
          ? 'none'
          : this.rates === 'default'
            ? rate(usual)
            : this.rates === 'equal'
              ? this.#lr.value
              : 'tuned';
      const wrong = lr.value.trim() !== '' && !isRate(lr.value);
      lr.setAttribute('aria-invalid', String(wrong));
      setText(problem, wrong ? 'A rate is a number above 0.' : '');
      element.querySelector('button')!.setAttribute('aria-label', `Remove ${title}`);
    });
    this.#add.setAttribute('aria-disabled', String(this.#rows.length >= MOST_MEMBERS));
    this.#add.title = this.#rows.length >= MOST_MEMBERS ? `At most ${MOST_MEMBERS} are compared.` : '';
    this.#lrRow.hidden = this.rates !== 'equal';
    const wrong = this.rates === 'equal' && !isRate(this.#lr.value);
    this.#lr.setAttribute('aria-invalid', String(wrong));
    setText(this.#lrProblem, wrong ? 'A rate is a number above 0.' : '');
    if (tell) this.changed();
  }
}

const isRate = (text: string): boolean => readRate(text) !== undefined;

const label = (htmlFor: string, textContent: string) => make('label', { htmlFor, textContent });

const textBox = (id: string, value: string): HTMLInputElement =>
  make('input', { id, value, type: 'text', inputMode: 'decimal', autocomplete: 'off', spellcheck: false });
