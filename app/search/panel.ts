import { type MethodName, methods, TRAINING_METRICS, type TrainingMetric } from '../../src/search/index.js';
import type { Texts } from '../experiment/settings.js';
import { make, setText } from '../shell/dom.js';
import { PageError } from '../shell/problem.js';
import type { SearchOf } from './searching.js';
import { SpaceEditor } from './space-editor.js';

/** Those that a page offers first; the rest is for the command line's long searches. */
const METHODS: readonly MethodName[] = ['halving', 'random', 'grid', 'coarse-to-fine', 'hyperband'];
/** Of a search that a person waits for. */
const FIRST = { cpu: { trials: 16, steps: 64 }, gpu: { trials: 48, steps: 256 } } as const;
const MOST = { trials: 500, steps: 100_000 } as const;

/** The settings of the Search view: the space, the method, the budget. */
export class SearchPanel {
  readonly element: HTMLFieldSetElement;
  readonly #editor: SpaceEditor;
  readonly #method = make('select', { id: 'search-method' });
  readonly #metric = make('select', { id: 'search-metric' });
  readonly #trials = textBox('search-trials');
  readonly #steps = textBox('search-steps');
  readonly #seed = textBox('search-seed');
  readonly #problem = make('p', { className: 'problem', id: 'search-problem' });
  readonly #cost = make('p', { className: 'hint', id: 'search-cost' });
  readonly #command = make('pre', { className: 'formula', id: 'search-command' });
  readonly #boxes: Readonly<Record<'trials' | 'steps' | 'seed', HTMLInputElement>>;

  constructor(
    private readonly texts: () => Texts,
    private readonly cpu: () => boolean,
    changed: () => void,
  ) {
    this.#editor = new SpaceEditor(texts, changed);
    this.#boxes = { trials: this.#trials, steps: this.#steps, seed: this.#seed };
    this.#method.append(
      ...METHODS.map((value) => make('option', { value, textContent: `${value}: ${methods[value].row.title}` })),
    );
    this.#metric.append(
      ...TRAINING_METRICS.map((value) => make('option', { value, textContent: `validation ${value}` })),
    );
    this.element = make(
      'fieldset',
      { className: 'card', id: 'search-settings' },
      make('legend', { textContent: 'Search' }),
      this.#editor.element,
      make(
        'div',
        { className: 'controls' },
        ...[
          control('Method', this.#method, 'choice'),
          control('Trials', this.#trials),
          control('Steps of a whole trial', this.#steps),
          control('Compared by', this.#metric),
          control('Seed of the draws', this.#seed),
        ],
      ),
      this.#problem,
      this.#cost,
      make('details', {}, make('summary', { textContent: 'As command' }), this.#command),
    );
    for (const input of [this.#method, this.#metric, this.#trials, this.#steps, this.#seed]) {
      input.setAttribute('aria-describedby', this.#problem.id);
      input.addEventListener('input', () => {
        this.#check();
        changed();
      });
    }
    this.take({});
  }

  /** @throws PageError where something is wrong; its control has the focus then */
  get wanted(): SearchOf {
    const { space } = this.#editor;
    const wrong = this.#wrong();
    if (wrong) {
      this.#boxes[wrong].focus();
      throw new PageError('The budget of the search is wrong.', 'Change what is marked.');
    }
    return {
      ...{ space, method: this.#method.value as MethodName, metric: this.#metric.value as TrainingMetric },
      ...{ trials: this.#number('trials'), steps: this.#number('steps'), seed: this.#number('seed') },
      texts: this.texts(),
    };
  }

  /** The same, without a word where something is wrong. */
  get ready(): SearchOf | undefined {
    return this.#editor.good && !this.#wrong() ? this.wanted : undefined;
  }

  set cost(text: string) {
    setText(this.#cost, text);
  }

  /** Of the command line, the same. */
  set command(text: string) {
    setText(this.#command, text);
  }

  set disabled(on: boolean) {
    this.element.disabled = on;
  }

  /** The experiment or the adapter is another. */
  follow(): void {
    this.#editor.follow();
    const first = this.#first();
    this.#trials.placeholder = String(first.trials);
    this.#steps.placeholder = String(first.steps);
    this.#seed.placeholder = '0';
    this.#check();
  }

  state(): Texts {
    const space = this.#editor.text;
    const typed = Object.entries(this.#boxes).map(([key, { value }]) => [key, value.trim()] as const);
    return {
      ...(space !== undefined && { space }),
      ...(this.#method.value !== METHODS[0] && { method: this.#method.value }),
      ...(this.#metric.value !== 'loss' && { metric: this.#metric.value }),
      ...Object.fromEntries(typed.filter(([, text]) => text !== '')),
    };
  }

  /** @returns keys whose values mean nothing */
  take(state: Texts): string[] {
    const wrong: string[] = [];
    const chosen = (key: string, select: HTMLSelectElement, usual: string) => {
      const known = [...select.options].some(({ value }) => value === state[key]);
      select.value = known ? state[key]! : usual;
      if (state[key] !== undefined && !known) wrong.push(key);
    };
    chosen('method', this.#method, METHODS[0]!);
    chosen('metric', this.#metric, 'loss');
    for (const [key, box] of Object.entries(this.#boxes)) box.value = state[key] ?? '';
    if (!this.#editor.take(state.space)) wrong.push('space');
    this.follow();
    const budget = this.#wrong();
    const known = ['method', 'metric', 'space', ...Object.keys(this.#boxes)];
    return [...wrong, ...(budget ? [budget] : []), ...Object.keys(state).filter((key) => !known.includes(key))];
  }

  #first() {
    return this.cpu() ? FIRST.cpu : FIRST.gpu;
  }

  #number(key: 'trials' | 'steps' | 'seed'): number {
    const typed = this.#boxes[key].value.trim();
    return typed === '' ? (key === 'seed' ? 0 : this.#first()[key]) : Number(typed);
  }

  #wrong(): 'trials' | 'steps' | 'seed' | undefined {
    const good = (key: 'trials' | 'steps' | 'seed') => {
      const value = this.#number(key);
      const [least, most] = key === 'seed' ? [0, 2 ** 32 - 1] : [1, MOST[key]];
      return Number.isInteger(value) && value >= least && value <= most;
    };
    return (['trials', 'steps', 'seed'] as const).find((key) => !good(key));
  }

  #check(): void {
    const wrong = this.#wrong();
    for (const [key, box] of Object.entries(this.#boxes)) box.setAttribute('aria-invalid', String(key === wrong));
    const most = wrong === 'seed' ? 2 ** 32 - 1 : MOST[wrong ?? 'trials'];
    setText(this.#problem, wrong ? `${wrong} must be a whole number from ${wrong === 'seed' ? 0 : 1} to ${most}.` : '');
  }
}

const textBox = (id: string): HTMLInputElement =>
  make('input', { id, type: 'text', inputMode: 'numeric', autocomplete: 'off', spellcheck: false });

function control(text: string, input: HTMLElement, kind = ''): HTMLElement {
  return make('div', { className: `control ${kind}` }, make('label', { htmlFor: input.id, textContent: text }), input);
}
