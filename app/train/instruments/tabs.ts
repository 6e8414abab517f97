import { make } from '../../shell/dom.js';

export interface Tab {
  readonly key: string;
  readonly title: string;
  readonly element: HTMLElement;
}

/** Tabs as a screen reader knows them: one stop for the Tab key, arrows between them. */
export class Tabs<T extends Tab> {
  readonly list: HTMLElement;
  readonly panels: readonly HTMLElement[];
  readonly #buttons: readonly HTMLButtonElement[];
  current: T;

  /** @param chosen a person chose a tab */
  constructor(
    id: string,
    private readonly tabs: readonly T[],
    chosen: (key: string) => void,
  ) {
    this.current = tabs[0]!;
    this.#buttons = tabs.map(({ key, title }) => {
      const button = make('button', { type: 'button', id: `${id}-${key}-tab`, className: 'tab' }, title);
      button.setAttribute('role', 'tab');
      button.setAttribute('aria-controls', `${id}-${key}`);
      button.addEventListener('click', () => chosen(key));
      return button;
    });
    this.panels = tabs.map(({ key, element }) => {
      const panel = make('div', { id: `${id}-${key}`, className: 'tab-panel', hidden: true }, element);
      panel.setAttribute('role', 'tabpanel');
      panel.setAttribute('aria-labelledby', `${id}-${key}-tab`);
      return panel;
    });
    this.list = make('div', { className: 'tabs' }, ...this.#buttons);
    this.list.setAttribute('role', 'tablist');
    this.list.setAttribute('aria-label', 'Instruments');
    this.list.addEventListener('keydown', (event) => this.#move(event));
  }

  /** @param fitting those that there are; the others are not to be seen */
  show(fitting: readonly T[], current: T): void {
    this.current = current;
    for (const [i, tab] of this.tabs.entries()) {
      const [button, on] = [this.#buttons[i]!, tab === current];
      button.hidden = !fitting.includes(tab);
      button.setAttribute('aria-selected', String(on));
      button.tabIndex = on ? 0 : -1;
      this.panels[i]!.hidden = !on;
    }
  }

  #move(event: KeyboardEvent): void {
    const there = this.#buttons.filter(({ hidden }) => !hidden);
    const at = there.indexOf(event.target as HTMLButtonElement);
    const moves: Record<string, number> = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: there.length - 1 };
    const to = moves[event.key];
    if (at < 0 || to === undefined) return;
    event.preventDefault();
    const next = there[(to + there.length) % there.length]!;
    next.focus();
    next.click();
  }
}
