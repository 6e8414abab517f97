import { cssColor, make } from '../../shell/dom.js';

/** Pixels of the pad on each side, and of the pen across: what a digit that fills the pad needs to look as MNIST's do. */
const SIDE = 280;
const PEN = 24;

type Point = readonly [number, number];

/** Something to draw on, with mouse, finger or pen. */
export class Pad {
  readonly side = SIDE;
  readonly canvas = make('canvas', { className: 'pad', width: SIDE, height: SIDE });
  /** In black on nothing: the picture of it is coloured by the theme. */
  readonly #ink = make('canvas', { width: SIDE, height: SIDE });
  #strokes: Point[][] = [];
  #pointer: number | undefined;

  /** @param changed another line is there, or one less */
  constructor(private readonly changed: () => void) {
    const { canvas } = this;
    canvas.setAttribute('role', 'img');
    canvas.setAttribute(
      'aria-label',
      'Pad: draw a digit with the mouse, a finger or a pen. By keyboard, choose a test image below.',
    );
    canvas.addEventListener('pointerdown', (event) => {
      if (this.#pointer !== undefined || event.button !== 0) return;
      this.#pointer = event.pointerId;
      canvas.setPointerCapture(event.pointerId);
      this.#strokes.push([this.#place(event)]);
      this.#draw();
    });
    canvas.addEventListener('pointermove', (event) => {
      if (event.pointerId !== this.#pointer) return;
      // A browser sums up what moved between two frames.
      const events = event.getCoalescedEvents?.() ?? [];
      this.#strokes.at(-1)!.push(...(events.length > 0 ? events : [event]).map((each) => this.#place(each)));
      this.#draw();
    });
    for (const end of ['pointerup', 'pointercancel'] as const) {
      canvas.addEventListener(end, (event) => {
        if (event.pointerId === this.#pointer) this.#pointer = undefined;
      });
    }
    this.repaint();
  }

  get inked(): boolean {
    return this.#strokes.length > 0;
  }

  undo(): void {
    this.#strokes.pop();
    this.#draw();
  }

  clear(): void {
    this.#strokes = [];
    this.#draw();
  }

  /** Shows an image in place of a drawing. */
  put(image: ArrayLike<number>, height: number, width: number): void {
    this.#strokes = [];
    const context = this.#clear();
    const scale = SIDE / Math.max(height, width);
    for (let i = 0; i < height * width; i++) {
      context.globalAlpha = image[i]! / 255;
      context.fillRect((i % width) * scale, Math.floor(i / width) * scale, scale, scale);
    }
    context.globalAlpha = 1;
    this.repaint();
  }

  /** How much each pixel is inked, 0 to 255. */
  ink(): Uint8Array {
    const { data } = this.#ink.getContext('2d')!.getImageData(0, 0, SIDE, SIDE);
    return Uint8Array.from({ length: SIDE * SIDE }, (_, i) => data[4 * i + 3]!);
  }

  /** In the colours of the theme. */
  repaint(): void {
    const context = this.canvas.getContext('2d')!;
    context.globalCompositeOperation = 'source-over';
    context.clearRect(0, 0, SIDE, SIDE);
    context.drawImage(this.#ink, 0, 0);
    context.globalCompositeOperation = 'source-in';
    context.fillStyle = cssColor('--text');
    context.fillRect(0, 0, SIDE, SIDE);
  }

  #place({ clientX, clientY }: PointerEvent): Point {
    const { left, top, width, height } = this.canvas.getBoundingClientRect();
    return [((clientX - left) / width) * SIDE, ((clientY - top) / height) * SIDE];
  }

  #clear(): CanvasRenderingContext2D {
    const context = this.#ink.getContext('2d', { willReadFrequently: true })!;
    context.clearRect(0, 0, SIDE, SIDE);
    return context;
  }

  #draw(): void {
    const context = this.#clear();
    context.lineWidth = PEN;
    context.lineCap = context.lineJoin = 'round';
    for (const stroke of this.#strokes) {
      context.beginPath();
      context.moveTo(...(stroke[0] as [number, number]));
      for (const [x, y] of stroke.length > 1 ? stroke : [stroke[0]!, stroke[0]!]) context.lineTo(x, y);
      context.stroke();
    }
    this.repaint();
    this.changed();
  }
}
