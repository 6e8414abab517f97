import { make } from '../shell/dom.js';
import { EXPORTS } from './exports.js';
import type { Run } from './run.js';

let count = 0;

/** The button of a run's exports, and what it opens. */
export function exportMenu(run: Run, { said }: { said(text: string): void }): HTMLElement[] {
  const id = `export-${count++}`;
  const button = make('button', { type: 'button', className: 'button quiet small' }, 'Export');
  const menu = make('div', { className: 'shelf-menu', id });
  // The browser closes it at Escape and at a press beside it, and gives the focus back.
  menu.popover = 'auto';
  button.popoverTargetElement = menu;
  menu.addEventListener('beforetoggle', (event) => {
    if ((event as ToggleEvent).newState !== 'open') return;
    button.setAttribute('aria-label', `Export ${run.name}`);
    menu.replaceChildren(
      ...EXPORTS.map(({ label, hint, missing, act }) => {
        const why = missing?.(run);
        const text = make('small', {}, why ?? hint);
        const item = make('button', { type: 'button', className: 'shelf-item' }, make('span', {}, label), text);
        item.setAttribute('aria-disabled', String(why !== undefined));
        item.addEventListener('click', async () => {
          if (why !== undefined) return;
          menu.hidePopover();
          try {
            said(await act(run));
          } catch (error) {
            said(`${label}: ${error instanceof Error ? error.message : String(error)}`);
          }
        });
        return item;
      }),
    );
  });
  menu.addEventListener('toggle', (event) => {
    if ((event as ToggleEvent).newState === 'open') settle(menu, button);
  });
  return [button, menu];
}

/** Puts the menu beside its button, within the window. */
function settle(menu: HTMLElement, button: HTMLElement): void {
  const near = button.getBoundingClientRect();
  const { width, height } = menu.getBoundingClientRect();
  const below = near.bottom + 4 + height <= innerHeight;
  menu.style.left = `${Math.max(8, Math.min(near.left, innerWidth - width - 8))}px`;
  menu.style.top = `${Math.max(8, below ? near.bottom + 4 : near.top - height - 4)}px`;
  menu.querySelector('button')?.focus();
}
