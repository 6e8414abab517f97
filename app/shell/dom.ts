/** Small helpers around the DOM. Text goes in as text: nothing here parses markup. */

/** The element with this id; a missing one is a mistake in index.html. */
export function byId<T extends HTMLElement = HTMLElement>(id: string): T {
  const element = document.getElementById(id);
  if (!element) throw new Error(`index.html has no #${id}`);
  return element as T;
}

type Child = Node | string;

/** A new element with properties and children. */
export function make<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  properties: Partial<HTMLElementTagNameMap[K]> = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  Object.assign(element, properties);
  element.append(...children);
  return element;
}

/** Sets an element's text only when it differs: writing it again would make the browser lay out the page again. */
export function setText(element: HTMLElement, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}

/** A custom property of the page's style sheet, as it is now (it differs between light and dark). */
export const cssColor = (name: string): string =>
  getComputedStyle(document.documentElement).getPropertyValue(name).trim();

/**
 * Turns a button on or off. Not by `disabled`: the browser would take the focus from it, and a person at the keyboard would
 * begin at the top of the page again. Its listener asks `isOff`.
 */
export function setOff(button: HTMLElement, off: boolean): void {
  button.setAttribute('aria-disabled', String(off));
}

export const isOff = (button: EventTarget | null): boolean =>
  button instanceof HTMLElement && button.getAttribute('aria-disabled') === 'true';

/** Enter in a text box of a part of the page does what its main button does. */
export function onEnter(part: HTMLElement, act: () => void): void {
  part.addEventListener('keydown', (event) => {
    if (event.key !== 'Enter' || event.isComposing || !(event.target instanceof HTMLInputElement)) return;
    event.preventDefault();
    act();
  });
}
