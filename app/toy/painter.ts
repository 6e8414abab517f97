import { make, setText } from '../shell/dom.js';
import { count } from '../shell/format.js';
import { PAINTED_CLASSES, type PaintedPoints } from './painted.js';
import { MARKS, Plane } from './plane.js';
import './painter.css';

const BOX = { left: -1, right: 1, bottom: -1, top: 1 } as const;
/** How far the pointer goes from one point to the next, and how far points stray from its way. */
const [GAP, SPREAD] = [0.05, 0.04];
/** How far an arrow key moves the cross. */
const STEP = 0.1;

/** A square to paint points in: by mouse, finger and pen, or with a cross that arrows move. */
export class Painter {
  readonly #canvas = make('canvas', { className: 'plane painter', tabIndex: 0 });
  readonly #plane = new Plane(this.#canvas);
  readonly #note = make('p', { className: 'hint' });
  readonly #classes: readonly HTMLInputElement[];
  /** Where the last point of the stroke under way was painted. */
  #last: readonly [number, number] | undefined;
  #cross = { x: 0, y: 0 };

  constructor(
    place: HTMLElement,
    private readonly points: PaintedPoints,
  ) {
    this.#classes = PAINTED_CLASSES.map((name, i) =>
      make('input', { type: 'radio', name: '', value: name, checked: i === 0, className: 'visually-hidden' }),
    );
    const choices = this.#classes.map((input, i) => {
      const mark = make('span', {}, MARKS[i]!);
      mark.setAttribute('aria-hidden', 'true');
      mark.style.color = `var(--run-${i})`;
      input.addEventListener('change', () => this.#choose(i));
      return make('label', { className: 'paint-class' }, input, mark, ` ${PAINTED_CLASSES[i]}`);
    });
    const group = make('div', { className: 'paint-classes' }, ...choices);
    group.setAttribute('role', 'radiogroup');
    group.setAttribute('aria-label', 'Class to paint');
    const button = (text: string, action: () => void) => {
      const made = make('button', { type: 'button', className: 'button small' }, text);
      made.addEventListener('click', action);
      return made;
    };
    const buttons = [button('Undo', () => this.points.undo()), button('Clear', () => this.points.clear())];
    this.#note.setAttribute('role', 'status');
    const keys = make(
      'p',
      { className: 'hint', id: 'painter-keys' },
      'By keyboard: arrows move the cross, Enter paints a point, 1 to 4 choose the class. A link cannot carry these points.',
    );
    this.#canvas.setAttribute('role', 'application');
    this.#canvas.setAttribute('aria-label', 'Square to paint points in');
    this.#canvas.setAttribute('aria-describedby', keys.id);
    place.append(group, this.#canvas, make('div', { className: 'pad-buttons' }, ...buttons), this.#note, keys);
    this.#listen();
    this.show();
  }

  get #label(): number {
    return Math.max(
      0,
      this.#classes.findIndex(({ checked }) => checked),
    );
  }

  /** A group of its own: the form has no name for it, which would make it a setting. */
  #choose(chosen: number): void {
    for (const [i, input] of this.#classes.entries()) input.checked = i === chosen;
  }

  show(): void {
    const { all, obstacle } = this.points;
    this.#plane.show(
      BOX,
      all.flatMap(({ x, y }) => [x, y]),
      all.map(({ label }) => label),
      PAINTED_CLASSES.length,
    );
    if (document.activeElement === this.#canvas) this.#plane.cross(this.#cross);
    const each = PAINTED_CLASSES.map((name, i) => [name, all.filter(({ label }) => label === i).length] as const);
    const words = each.filter(([, number]) => number > 0).map(([name, number]) => `${count(number)} ${name}`);
    setText(this.#note, obstacle === '' ? `${count(all.length)} points: ${words.join(', ')}.` : obstacle);
  }

  #listen(): void {
    const canvas = this.#canvas;
    canvas.addEventListener('pointerdown', (event) => {
      if (event.button !== 0) return;
      canvas.setPointerCapture(event.pointerId);
      this.#paint(this.#place(event), 'new');
    });
    canvas.addEventListener('pointermove', (event) => {
      if (!this.#last || !canvas.hasPointerCapture(event.pointerId)) return;
      const [x, y] = this.#place(event);
      if (Math.hypot(x - this.#last[0], y - this.#last[1]) >= GAP) this.#paint([x, y], 'same');
    });
    for (const end of ['pointerup', 'pointercancel'] as const) {
      canvas.addEventListener(end, () => {
        this.#last = undefined;
      });
    }
    canvas.addEventListener('keydown', (event) => this.#key(event));
    for (const change of ['focus', 'blur'] as const) canvas.addEventListener(change, () => this.show());
  }

  #place({ clientX, clientY }: PointerEvent): readonly [number, number] {
    const { left, top, width, height } = this.#canvas.getBoundingClientRect();
    return [(2 * (clientX - left)) / width - 1, 1 - (2 * (clientY - top)) / height];
  }

  #paint([x, y]: readonly [number, number], stroke: 'new' | 'same'): void {
    this.#last = [x, y];
    // A line of a brush is no cloud: points of a stroke stray to its sides.
    const stray = stroke === 'new' ? 0 : SPREAD;
    const near = (at: number) => Math.min(Math.max(at + stray * (2 * Math.random() - 1), -1), 1);
    this.points.add({ x: near(x), y: near(y), label: this.#label }, stroke);
  }

  #key(event: KeyboardEvent): void {
    const moves: Record<string, readonly [number, number]> = {
      ArrowLeft: [-STEP, 0],
      ArrowRight: [STEP, 0],
      ArrowUp: [0, STEP],
      ArrowDown: [0, -STEP],
    };
    const move = moves[event.key];
    const chosen = ['1', '2', '3', '4'].indexOf(event.key);
    if (move) {
      const [x, y] = [this.#cross.x + move[0], this.#cross.y + move[1]].map((at) => Math.min(Math.max(at, -1), 1));
      this.#cross = { x: +x!.toFixed(2), y: +y!.toFixed(2) };
      this.show();
      setText(this.#note, `Cross at ${this.#cross.x}, ${this.#cross.y}; class ${PAINTED_CLASSES[this.#label]}.`);
    } else if (chosen >= 0) {
      this.#choose(chosen);
      setText(this.#note, `Class ${PAINTED_CLASSES[chosen]}.`);
    } else if (event.key === 'Enter' || event.key === ' ')
      this.points.add({ ...this.#cross, label: this.#label }, 'new');
    else return;
    event.preventDefault(); // the page would scroll, or the form be sent
  }
}
