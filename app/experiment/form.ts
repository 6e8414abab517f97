import { describeField } from '../../src/index.js';
import { byId, make, setText } from '../shell/dom.js';
import { problemOf } from '../shell/problem.js';
import {
  CONTROLS,
  CONVENTION,
  type Control,
  complete,
  describeRule,
  RULE_CONTROL,
  RULE_KEY,
  ruleControls,
  type Texts,
} from './controls.js';
import { type Problems, parse, type Settings } from './settings.js';

type Input = HTMLInputElement | HTMLSelectElement;

/** What belongs to one control on the page. */
interface Entry {
  control: Control;
  readonly row: HTMLElement;
  /** Two for a pair. */
  readonly inputs: readonly Input[];
  readonly below: HTMLElement;
  readonly problem: HTMLElement;
}

/**
 * The form. It is built from the tables in controls.ts and, for the optimizer, from the row of the chosen rule:
 * a rule that is added to the library appears here with its controls, their defaults, ranges and messages.
 */
export class SettingsForm {
  #entries = new Map<string, Entry>();
  #problems: Problems = new Map();
  #rule = RULE_CONTROL.initial;
  /** What stood in the form when a rule was left. */
  #left = new Map<string, Texts>();

  /** @param changed Called after every change that a person makes. */
  constructor(private readonly changed: () => void) {
    for (const [group, controls] of Object.entries(CONTROLS)) {
      byId(`${group}-controls`).append(...controls.map((control) => this.#add(control)));
    }
    byId('rule-controls').append(this.#add(RULE_CONTROL));
    this.#buildRule(RULE_CONTROL.initial);
    byId('settings').addEventListener('input', (event) => {
      const { name, value } = event.target as Input;
      if (name === RULE_KEY) this.#buildRule(value);
      if (name === CONVENTION) this.#takeDefaults();
      if (name !== '') this.#refresh();
    });
    this.#refresh(false);
  }

  get texts(): Texts {
    return Object.fromEntries([...this.#entries].map(([key, entry]) => [key, textOf(entry)]));
  }

  set texts(given: Texts) {
    const texts = complete(given);
    this.#buildRule(texts[RULE_KEY]!);
    for (const [key, entry] of this.#entries) write(entry, texts[key] ?? entry.control.initial);
    this.#refresh(false);
  }

  /** The settings, or undefined while something is wrong. */
  get settings(): Settings | undefined {
    return parse(this.texts).settings;
  }

  /** Puts the focus where something is wrong. */
  focusProblem(): void {
    const [key] = this.#problems.keys();
    this.#entries.get(key ?? '')?.inputs[0]?.focus();
  }

  #refresh(tell = true): void {
    const { texts } = this;
    this.#problems = parse(texts).problems;
    for (const [key, { control, row, inputs, below, problem }] of this.#entries) {
      const error = this.#problems.get(key);
      const { message, fix } = error === undefined ? { message: '', fix: '' } : problemOf(error);
      setText(problem, error === undefined ? '' : `${message} ${fix}`);
      // What does not apply is not shown.
      if (control.applies) row.hidden = !control.applies(texts);
      if (control.describe) setText(below, control.describe(texts[key]!));
      for (const input of inputs) input.setAttribute('aria-invalid', String(error !== undefined));
    }
    for (const element of document.querySelectorAll<HTMLElement>('[data-for]')) {
      element.hidden = element.dataset.for !== texts.data;
    }
    if (tell) this.changed();
  }

  /** Another convention has other defaults: they take the place of those that nobody changed. */
  #takeDefaults(): void {
    for (const control of ruleControls(this.texts)) {
      const entry = this.#entries.get(control.key)!;
      if (textOf(entry) === entry.control.initial) write(entry, control.initial);
      entry.control = control;
    }
  }

  /** The controls of a rule replace those of the one before; what stood in them comes back with the rule. */
  #buildRule(name: string): void {
    this.#left.set(this.#rule, this.texts);
    this.#rule = name;
    const row = describeRule(name);
    for (const key of this.#entries.keys()) if (key.startsWith(`${RULE_KEY}.`)) this.#entries.delete(key);
    byId('option-controls').replaceChildren(
      ...ruleControls({ [RULE_KEY]: name }).map((control) => {
        const element = this.#add(control);
        const before = this.#left.get(name)?.[control.key];
        if (before !== undefined) write(this.#entries.get(control.key)!, before);
        return element;
      }),
    );
    setText(byId('formula'), row.formula.join('\n'));
    setText(byId('rule-use'), row.use);
    const link = make(
      'a',
      { href: row.paper, target: '_blank', rel: 'noopener noreferrer' },
      `The paper on ${row.title}`,
    );
    byId('paper').replaceChildren(...(link.protocol === 'https:' ? [link] : [row.paper]));
  }

  #add(control: Control): HTMLElement {
    const { key, label, kind, field, hint, name } = control;
    const range = field && kind !== 'choice' ? describeField(field) : '';
    const id = `control-${key.replaceAll('.', '-')}`;
    const problem = make('p', { className: 'problem', id: `${id}-problem` });
    const inputs = kind === 'choice' ? [select(control, id)] : boxes(control, id);
    for (const input of inputs) {
      input.setAttribute('aria-describedby', `${id}-hint ${id}-problem`);
      if (range !== '') input.title = range;
    }
    const caption = [label, ...(name ? [' ', make('code', {}, name)] : [])];
    const explained = hint !== undefined || control.describe !== undefined;
    const below = make('p', { className: range && !explained ? 'range' : 'hint', id: `${id}-hint` }, hint ?? range);
    const row = make('div', { className: `control ${kind}` });
    if (kind === 'tuple') {
      const title = make('span', { className: 'label', id: `${id}-label` }, ...caption);
      const group = make('div', { className: 'tuple-boxes' }, ...inputs);
      group.setAttribute('role', 'group');
      group.setAttribute('aria-labelledby', `${id}-label`);
      inputs.forEach((input, i) => {
        input.setAttribute('aria-label', `${label}, ${PLACES[i]} value`);
      });
      row.append(title, group, below, problem);
    } else if (kind === 'flag') {
      row.append(make('label', { htmlFor: id }, inputs[0]!, make('span', {}, ...caption)), below, problem);
    } else {
      row.append(make('label', { htmlFor: id }, ...caption), inputs[0]!, below, problem);
    }
    const entry = { control, row, inputs, below, problem };
    this.#entries.set(key, entry);
    write(entry, control.initial);
    return row;
  }
}

/** Names of the boxes of a tuple. */
const PLACES = ['first', 'second', 'third'];

function select({ key, choices = [] }: Control, id: string): HTMLSelectElement {
  const options = choices.map(([value, label]) => make('option', { value }, label));
  return make('select', { id, name: key }, ...options);
}

function boxes({ key, kind, keys, initial, placeholder = '' }: Control, id: string): HTMLInputElement[] {
  if (kind === 'flag') return [make('input', { id, name: key, type: 'checkbox' })];
  // Not type 'number': it hides from the page what was typed, so that nothing could be said about it.
  const box = (suffix: string) =>
    make('input', {
      id: id + suffix,
      name: key,
      type: 'text',
      inputMode: keys ?? 'text',
      placeholder,
      autocomplete: 'off',
      spellcheck: false,
    });
  return kind === 'tuple' ? initial.split(',').map((_, i) => box(i === 0 ? '' : `-${PLACES[i]}`)) : [box('')];
}

function textOf({ control, inputs }: Entry): string {
  if (control.kind === 'flag') return String((inputs[0] as HTMLInputElement).checked);
  return inputs.map((input) => input.value.trim()).join(',');
}

function write({ control, inputs }: Entry, text: string): void {
  if (control.kind === 'flag') (inputs[0] as HTMLInputElement).checked = text === 'true';
  else if (control.kind === 'tuple') {
    const parts = text.split(',');
    inputs.forEach((input, i) => {
      input.value = parts[i] ?? '';
    });
  } else if (control.kind === 'choice' && !control.choices?.some(([value]) => value === text)) {
    inputs[0]!.value = control.initial; // a link from another version; main.ts says so
  } else inputs[0]!.value = text;
}
