import { describeField } from '../../src/index.js';
import type { Texts } from '../experiment/settings.js';
import { make, setText } from '../shell/dom.js';
import { problemOf as wordsOf } from '../shell/problem.js';
import { FormulaError } from './formula.js';
import { OWN, usualStart } from './functions.js';
import { DEFAULTS, FIELDS, type Parsed } from './settings.js';

/* The panel beside the picture: what is looked at, from where, at which rates. */

interface Control {
  readonly row: HTMLElement;
  readonly input: HTMLInputElement | HTMLSelectElement;
  readonly problem: HTMLElement;
}

const LABELS: Readonly<Record<string, string>> = {
  problem: 'Function',
  formula: 'f(x, y) =',
  range: 'Picture: from −r to r, r =',
  sigma: 'Noise',
  seed: 'Seed of the noise',
  x: 'Start: x',
  y: 'Start: y',
  steps: 'Steps',
  tolerance: 'Target above the lowest f',
  rates: 'Rates',
  lr: 'Rate of all',
};
const WIDE = ['problem', 'formula', 'range', 'rates'];
const OF_FORMULA = ['formula', 'range'];

export class Panel {
  readonly element: HTMLElement;
  readonly #controls = new Map<string, Control>();
  readonly #own: HTMLButtonElement;

  /** @param changed told of every text that a person changes */
  constructor(changed: (key: string, text: string) => void, ownStart: () => void) {
    const card = (legend: string, ...children: Node[]) =>
      make('fieldset', { className: 'card' }, make('legend', { textContent: legend }), ...children);
    const controls = (...keys: string[]) =>
      make('div', { className: 'controls' }, ...keys.map((key) => this.#control(key, changed)));
    this.#own = make('button', { type: 'button', className: 'button quiet small', textContent: 'The usual start' });
    this.#own.addEventListener('click', ownStart);
    const hint = make('p', {
      className: 'hint',
      textContent: 'Click or drag on the picture, or move the start with the arrow keys there.',
    });
    this.element = make(
      'form',
      { className: 'settings bare', ariaLabel: 'Settings of the landscape', noValidate: true },
      card('Function', controls('problem', 'formula', 'range', 'sigma', 'seed')),
      card('Start', controls('x', 'y'), hint, this.#own),
      card('Rates', controls('rates', 'lr', 'steps', 'tolerance')),
    );
    this.element.addEventListener('submit', (event) => event.preventDefault());
  }

  #control(key: string, changed: (key: string, text: string) => void): HTMLElement {
    const id = `land-${key}`;
    const field = key in FIELDS ? FIELDS[key as keyof typeof FIELDS] : undefined;
    const input =
      field?.kind === 'choice'
        ? make(
            'select',
            { id, name: key },
            ...field.choices.map((value) =>
              make('option', { value, textContent: (field.words as Readonly<Record<string, string>>)[value]! }),
            ),
          )
        : make('input', {
            id,
            name: key,
            type: 'text',
            inputMode: key === 'formula' ? 'text' : 'decimal',
            autocomplete: 'off',
            spellcheck: false,
          });
    const problem = make('p', { className: 'problem', id: `${id}-problem`, hidden: true });
    input.setAttribute('aria-describedby', problem.id);
    if (field) input.title = field.kind === 'choice' ? '' : describeField(field);
    const row = make(
      'div',
      { className: `control ${WIDE.includes(key) ? 'choice' : 'text'}` },
      make('label', { htmlFor: id, textContent: LABELS[key]! }),
      input,
      problem,
    );
    input.addEventListener(field?.kind === 'choice' ? 'change' : 'input', () => changed(key, input.value));
    this.#controls.set(key, { row, input, problem });
    return row;
  }

  show(texts: Texts, { wrong, function: choice }: Parsed): void {
    const start = choice && usualStart(choice);
    for (const [key, { input, problem }] of this.#controls) {
      const text = texts[key] ?? DEFAULTS[key] ?? '';
      if (input.value !== text && document.activeElement !== input) input.value = text;
      const error = wrong.get(key);
      input.setAttribute('aria-invalid', String(error !== undefined));
      problem.hidden = error === undefined;
      tell(problem, error, text);
    }
    for (const [i, axis] of ['x', 'y'].entries()) {
      const { input } = this.#controls.get(axis)!;
      if (input instanceof HTMLInputElement) input.placeholder = start ? String(Number(start[i]!.toPrecision(4))) : '';
    }
    this.#own.hidden = (texts.x ?? '') === '' && (texts.y ?? '') === '';
    const noisy = texts.problem === 'noisyQuadratic';
    for (const key of ['sigma', 'seed']) this.#controls.get(key)!.row.hidden = !noisy;
    for (const key of OF_FORMULA) this.#controls.get(key)!.row.hidden = texts.problem !== OWN;
    this.#controls.get('lr')!.row.hidden = texts.rates !== 'equal';
  }
}

/** What is wrong; of a formula with the place in it, above a caret. */
function tell(element: HTMLElement, error: unknown, text: string): void {
  if (!(error instanceof FormulaError)) {
    const words = error === undefined ? undefined : wordsOf(error);
    setText(element, words ? `${words.message} ${words.fix}` : '');
    return;
  }
  const { message, fix, at } = error;
  // A long formula is cut round the place.
  const first = Math.max(0, at - 18);
  const shown = text.slice(first, first + 32);
  const caret = make('code', {
    className: 'land-caret',
    textContent: `${shown}\n${' '.repeat(at - first)}^`,
    ariaHidden: 'true',
  });
  element.replaceChildren(`${message} ${fix} At character ${at + 1}:`, caret);
}
