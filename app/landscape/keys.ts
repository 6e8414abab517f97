import { make } from '../shell/dom.js';
import { CONTENDERS } from './contenders.js';
import { ARROWS } from './scene.js';

/* What the signs on the picture mean, and whose arrows they are. */

const SVG = 'http://www.w3.org/2000/svg';

function sign(
  width: number,
  shapes: readonly (readonly [tag: string, attributes: Readonly<Record<string, string>>])[],
) {
  const svg = document.createElementNS(SVG, 'svg');
  for (const [name, value] of Object.entries({ width: String(width), height: '16', 'aria-hidden': 'true' }))
    svg.setAttribute(name, value);
  for (const [tag, attributes] of shapes) {
    const shape = document.createElementNS(SVG, tag);
    for (const [name, value] of Object.entries(attributes)) shape.setAttribute(name, value);
    svg.append(shape);
  }
  return svg;
}

const line = { stroke: 'currentColor', 'stroke-width': '2', fill: 'none' };
const start = () => sign(18, [['circle', { cx: '9', cy: '8', r: '6', ...line }]]);
const star = () =>
  sign(18, [
    [
      'path',
      {
        d: 'M9 1l2 5h5l-4 3.4 1.6 5.6L9 11.6 4.4 15 6 9.4 2 6h5z',
        fill: '#facc15',
        stroke: '#1f2933',
        'stroke-width': '1',
      },
    ],
  ]);
const saddle = () => sign(18, [['path', { d: 'M4 3l10 10M14 3L4 13', ...line }]]);

function arrow({ color, dash }: (typeof ARROWS)[keyof typeof ARROWS]) {
  const svg = sign(34, [
    ['path', { d: 'M1 8h28', ...line, 'stroke-dasharray': dash.join(' ') }],
    ['path', { d: 'M25 3l6 5-6 5', ...line }],
  ]);
  svg.style.color = `var(${color})`;
  return svg;
}

const SIGNS = [
  ['start', start],
  ['minimum', star],
  ['saddle', saddle],
] as const;

export class Keys {
  readonly element: HTMLElement;
  readonly #select: HTMLSelectElement;

  /** @param selected told of another whose arrows are wanted; '' for nobody's */
  constructor(selected: (key: string) => void) {
    const options = CONTENDERS.map(({ key, title }) => make('option', { value: key, textContent: title }));
    this.#select = make(
      'select',
      { id: 'land-arrows' },
      make('option', { value: '', textContent: 'nobody' }),
      ...options,
    );
    this.#select.addEventListener('change', () => selected(this.#select.value));
    this.element = make(
      'div',
      { className: 'land-keys' },
      ...SIGNS.map(([text, made]) => make('span', {}, made(), ` ${text}`)),
      make('label', { htmlFor: this.#select.id }, 'Arrows of', this.#select),
      ...Object.values(ARROWS).map((each) => make('span', {}, arrow(each), ` ${each.title}`)),
    );
  }

  choose(key: string): void {
    this.#select.value = key;
  }
}
