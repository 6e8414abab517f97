import { make } from './dom.js';

/** What the card of a view that runs something begins with: title, state, two buttons, progress. Ids begin with the view's name. */
export function viewCard(view: string, title: string, second: { readonly id: string; readonly text: string }) {
  const status = make('p', { className: 'status', id: `${view}-status` });
  const primary = make('button', { type: 'button', className: 'button primary', id: `${view}-start` });
  const { id, text } = second;
  const secondary = make('button', { type: 'button', className: 'button', id: `${view}-${id}`, textContent: text });
  const progress = make('progress', { max: 1, value: 0, id: `${view}-progress` });
  progress.setAttribute('aria-label', `Progress of the ${title.toLowerCase()}`);
  const state = make('div', { className: 'run-state' }, make('h2', { textContent: title }), status);
  const head = make('div', { className: 'run-head' }, state, make('div', { className: 'buttons' }, primary, secondary));
  return { card: make('div', { className: 'card run' }, head, progress), status, primary, secondary, progress };
}
