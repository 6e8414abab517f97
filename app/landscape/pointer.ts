import type { Place } from './functions.js';

/* The start as it is moved on the picture: clicked, dragged, or stepped with the arrow keys. */

export interface PointerEvents {
  /** Where on the plane a pointer is. */
  place(event: PointerEvent): Place;
  start(): Place | undefined;
  /** Of what is shown. */
  width(): number;
  moved(to: Place): void;
  /** The space bar. */
  toggle(): void;
}

/** An arrow key moves by so much of the width; with Shift by ten times that. */
const STEP = 1 / 200;
const KEYS: Readonly<Record<string, Place>> = {
  ArrowLeft: [-1, 0],
  ArrowRight: [1, 0],
  ArrowUp: [0, 1],
  ArrowDown: [0, -1],
};

export class Pointer {
  constructor(canvas: HTMLCanvasElement, events: PointerEvents) {
    canvas.setAttribute('role', 'application');
    canvas.setAttribute(
      'aria-label',
      'The landscape with the ways down it. Arrow keys move the start, with Shift faster; the space bar plays.',
    );
    canvas.addEventListener('pointerdown', (event) => {
      if (event.button !== 0) return;
      canvas.setPointerCapture(event.pointerId);
      events.moved(events.place(event));
    });
    canvas.addEventListener('pointermove', (event) => {
      if (canvas.hasPointerCapture(event.pointerId)) events.moved(events.place(event));
    });
    canvas.addEventListener('keydown', (event) => {
      const by = KEYS[event.key];
      const start = events.start();
      if (event.key === ' ') events.toggle();
      else if (by && start) {
        const step = events.width() * STEP * (event.shiftKey ? 10 : 1);
        events.moved([start[0] + step * by[0], start[1] + step * by[1]]);
      } else return;
      event.preventDefault(); // else the page scrolls
    });
  }
}
