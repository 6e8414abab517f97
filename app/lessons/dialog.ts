import './lessons.css';
import { byId, make } from '../shell/dom.js';
import { toLink } from '../shell/link.js';
import { gradientCheck } from './gradient-check.js';
import { LESSONS, type Lesson } from './lessons.js';

let dialog: HTMLDialogElement | undefined;

/** Opens the list of lessons. The browser keeps the focus in it, closes it by Escape, and gives the focus back. */
export function showLessons(): void {
  dialog ??= build();
  if (!dialog.open) dialog.showModal();
}

function build(): HTMLDialogElement {
  const title = make('h2', { id: 'lessons-title' }, 'Lessons');
  const close = make('button', { type: 'button', className: 'button quiet small' }, 'Close');
  const about = make(
    'p',
    { className: 'hint' },
    'Two sentences each, and experiments to look at them by. A link prepares one, and starts nothing; the address can be copied.',
  );
  const element = make('dialog', { className: 'lessons', id: 'lessons-dialog' });
  element.setAttribute('aria-labelledby', title.id);
  const leave = () => element.close();
  element.append(
    make('div', { className: 'lessons-head' }, title, close),
    about,
    make('ol', {}, ...LESSONS.map((lesson) => item(lesson, leave))),
  );
  close.addEventListener('click', leave);
  // On what lies behind it.
  element.addEventListener('click', ({ target }) => target === element && element.close());
  document.body.append(element);
  return element;
}

/** @param followed a link was followed */
function item({ id, title, text, experiments, command }: Lesson, followed: () => void): HTMLElement {
  const links = experiments.map(({ label, view, experiment = {}, state = {} }) => {
    const link = make('a', { href: toLink({ view, experiment, state }) }, label);
    link.addEventListener('click', (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey) return; // to another tab: the list stays
      followed();
      byId('main').focus();
    });
    return make('li', {}, link);
  });
  const element = make('li', { id: `lesson-${id}` }, make('h3', {}, title), make('p', {}, text));
  if (links.length > 0) element.append(make('ul', { className: 'lesson-links' }, ...links));
  if (id === 'gradient-check') element.append(gradientCheck());
  element.append(make('p', { className: 'hint' }, 'In a terminal: ', make('code', {}, command)));
  return element;
}
