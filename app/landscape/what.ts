import { make } from '../shell/dom.js';

/* What is looked at: functions, or the experiment's network. */

const WORDS = { functions: 'Functions', network: 'The real network' } as const;
export type What = keyof typeof WORDS;

export class Choice {
  readonly element: HTMLElement;
  readonly #inputs = new Map<What, HTMLInputElement>();

  constructor(changed: (what: What) => void) {
    const options = (Object.keys(WORDS) as What[]).map((what) => {
      const input = make('input', { type: 'radio', name: 'land-what', value: what, id: `land-what-${what}` });
      input.addEventListener('change', () => changed(what));
      this.#inputs.set(what, input);
      return make('label', { htmlFor: input.id }, input, WORDS[what]);
    });
    this.element = make(
      'fieldset',
      { className: 'card land-what' },
      make('legend', { textContent: 'Landscape of' }),
      make('div', { className: 'land-what-options' }, ...options),
    );
  }

  get value(): What {
    return this.#inputs.get('network')!.checked ? 'network' : 'functions';
  }

  set value(what: What) {
    this.#inputs.get(what)!.checked = true;
  }
}
