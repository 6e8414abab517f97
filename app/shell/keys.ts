import type { View } from './views.js';

/** A dialog and a list that is open close with Escape. */
const ESCAPES = 'input, select, textarea, dialog, [contenteditable]';
/** What can have the focus by Tab: it has a use for the space bar, if only to scroll. */
const SPACES = `${ESCAPES}, button, a, summary, [tabindex]:not([tabindex="-1"])`;

/** Space starts, pauses and goes on; Escape stops; Enter in a field of the form starts. */
export function listenToKeys(view: () => View | undefined): void {
  document.addEventListener('keydown', (event) => {
    if (event.defaultPrevented || event.repeat || event.ctrlKey || event.altKey || event.metaKey) return;
    const { key } = event;
    const within = (selector: string) => event.target instanceof Element && event.target.closest(selector) !== null;
    if (key === ' ' && !within(SPACES)) {
      event.preventDefault(); // else the page scrolls
      view()?.toggle();
    } else if (key === 'Escape' && !within(ESCAPES)) view()?.stop();
    else if (key === 'Enter' && !event.isComposing && within('#settings input:not([type="file"])')) {
      event.preventDefault();
      view()?.start?.();
    }
  });
}
