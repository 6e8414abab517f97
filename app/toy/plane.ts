import { classColours, mix, type Rgb, rgbOf } from '../shell/colours.js';
import { make } from '../shell/dom.js';

/* Points of two features in classes, and what a network says of the plane around them. */

/** What is shown of the plane. */
export interface PlaneBox {
  readonly left: number;
  readonly right: number;
  readonly bottom: number;
  readonly top: number;
}

/** Outputs of a network on a grid, row by row from the top. */
export interface Field {
  readonly side: number;
  readonly classes: number;
  /** [side * side, classes] */
  readonly values: Float32Array;
}

/** Pixels of the picture on each axis. */
const SIDE = 320;
/** More points than this are thinned out: they would hide the plane. */
const MOST_POINTS = 1500;
/** A sign for each class. */
export const MARKS = ['●', '■', '▲', '◆', '▼', '✚', '◖', '★'];

/** Room for all points, square in no sense of the values: each axis is filled. */
export function boxOf(x: ArrayLike<number>): PlaneBox {
  const ends = (axis: number): [number, number] => {
    let [low, high] = [Infinity, -Infinity];
    for (let i = axis; i < x.length; i += 2) {
      low = Math.min(low, x[i]!);
      high = Math.max(high, x[i]!);
    }
    const room = high > low ? 0.08 * (high - low) : Math.abs(low) || 1;
    return [low - room, high + room];
  };
  const [[left, right], [bottom, top]] = [ends(0), ends(1)];
  return { left, right, bottom, top };
}

/** A picture of the plane on a canvas. */
export class Plane {
  field: Field | undefined;
  #box: PlaneBox = { left: -1, right: 1, bottom: -1, top: 1 };
  #x: ArrayLike<number> = [];
  #labels: ArrayLike<number> = [];
  #classes = 2;

  constructor(private readonly canvas: HTMLCanvasElement) {
    canvas.width = canvas.height = SIDE;
  }

  show(box: PlaneBox, x: ArrayLike<number>, labels: ArrayLike<number>, classes: number): void {
    this.#box = box;
    this.#x = x;
    this.#labels = labels;
    this.#classes = classes;
    this.field = undefined;
    this.draw();
  }

  /** The classes as they are drawn, and the axes. */
  legend(names: readonly string[], axes: readonly string[] = ['first feature', 'second feature']): HTMLElement[] {
    const colours = classColours(names.length);
    const classes = names.map((name, i) => {
      const mark = make('span', { className: 'mark' }, MARKS[i % MARKS.length]!);
      mark.style.color = css(colours[i]!);
      mark.setAttribute('aria-hidden', 'true');
      return make('li', {}, mark, ` ${name}`);
    });
    const { left, right, bottom, top } = this.#box;
    const range = (low: number, high: number) => `${+low.toPrecision(3)} to ${+high.toPrecision(3)}`;
    return [
      ...classes,
      make('li', { className: 'axis' }, `→ ${axes[0]}: ${range(left, right)}`),
      make('li', { className: 'axis' }, `↑ ${axes[1]}: ${range(bottom, top)}`),
    ];
  }

  draw(): void {
    const context = this.canvas.getContext('2d');
    if (!context) return;
    const colours = classColours(this.#classes);
    const ground = rgbOf('--card');
    if (this.field) context.putImageData(paintField(context, this.field, colours, ground, rgbOf('--text')), 0, 0);
    else {
      context.fillStyle = css(ground);
      context.fillRect(0, 0, SIDE, SIDE);
    }
    this.#drawPoints(context, colours, ground);
  }

  /** Where a keyboard would paint. */
  cross({ x, y }: { readonly x: number; readonly y: number }): void {
    const context = this.canvas.getContext('2d');
    if (!context) return;
    const [column, row] = this.#pixel(x, y);
    context.strokeStyle = css(rgbOf('--text'));
    context.lineWidth = 1.5;
    context.beginPath();
    for (const [dx, dy] of [
      [8, 0],
      [0, 8],
    ] as const) {
      context.moveTo(column - dx, row - dy);
      context.lineTo(column + dx, row + dy);
    }
    context.stroke();
  }

  #pixel(x: number, y: number): readonly [number, number] {
    const { left, right, bottom, top } = this.#box;
    return [(SIDE * (x - left)) / (right - left), (SIDE * (top - y)) / (top - bottom)];
  }

  #drawPoints(context: CanvasRenderingContext2D, colours: readonly Rgb[], ground: Rgb): void {
    const points = this.#x.length / 2;
    const stride = Math.max(1, Math.ceil(points / MOST_POINTS));
    const size = points / stride > 400 ? 2.2 : 3.4;
    context.lineWidth = 1;
    context.strokeStyle = css(ground);
    for (let i = 0; i < points; i += stride) {
      const label = this.#labels[i]!;
      const [x, y] = this.#pixel(this.#x[2 * i]!, this.#x[2 * i + 1]!);
      context.fillStyle = css(colours[label] ?? ground);
      outline(context, label, x, y, size);
      context.fill();
      context.stroke();
    }
  }
}

const css = (colour: Rgb): string => `rgb(${colour.join(' ')})`;

/** A mark for each class: colour alone tells nothing to some. */
function outline(context: CanvasRenderingContext2D, label: number, x: number, y: number, size: number): void {
  context.beginPath();
  const corners = [0, 4, 3, 4, 3][label % 5]!;
  if (corners === 0) {
    context.arc(x, y, size, 0, 2 * Math.PI);
    return;
  }
  const turn = [0, Math.PI / 4, -Math.PI / 2, 0, Math.PI / 2][label % 5]!;
  for (let i = 0; i < corners; i++) {
    const a = turn + (2 * Math.PI * i) / corners;
    context.lineTo(x + 1.35 * size * Math.cos(a), y + 1.35 * size * Math.sin(a));
  }
  context.closePath();
}

/** Each pixel in the mix of its classes' colours, the more the surer; a line where another class becomes the likeliest. */
function paintField(
  context: CanvasRenderingContext2D,
  { side, classes, values }: Field,
  colours: readonly Rgb[],
  ground: Rgb,
  line: Rgb,
): ImageData {
  const image = context.createImageData(SIDE, SIDE);
  const best = new Uint8Array(SIDE * SIDE);
  const at = new Float32Array(classes);
  for (let pixel = 0; pixel < SIDE * SIDE; pixel++) {
    const [column, row] = [pixel % SIDE, Math.floor(pixel / SIDE)];
    // Bilinear between the middles of the cells.
    const u = Math.min(Math.max(((column + 0.5) / SIDE) * side - 0.5, 0), side - 1);
    const v = Math.min(Math.max(((row + 0.5) / SIDE) * side - 0.5, 0), side - 1);
    const [i, j] = [Math.min(Math.floor(u), side - 2), Math.min(Math.floor(v), side - 2)];
    const [fu, fv] = [u - i, v - j];
    let [sum, top] = [0, 0];
    for (let c = 0; c < classes; c++) {
      const cell = (j * side + i) * classes + c;
      const above = values[cell]! * (1 - fu) + values[cell + classes]! * fu;
      const below = values[cell + side * classes]! * (1 - fu) + values[cell + (side + 1) * classes]! * fu;
      at[c] = Math.min(Math.max(above * (1 - fv) + below * fv, 0), 1);
      sum += at[c]!;
      if (at[c]! > at[top]!) top = c;
    }
    best[pixel] = top;
    for (let channel = 0; channel < 3; channel++) {
      let mixed = 0;
      for (let c = 0; c < classes; c++) mixed += (at[c]! / (sum || 1)) * (colours[c]?.[channel] ?? 0);
      // Unsure is pale: at an even split nothing but the ground is left.
      const sure = sum > 0 ? (at[top]! / sum - 1 / classes) / (1 - 1 / classes) : 0;
      image.data[4 * pixel + channel] = ground[channel]! + (mixed - ground[channel]!) * 0.4 * sure;
    }
    image.data[4 * pixel + 3] = 255;
  }
  drawLine(image, best, mix(line, ground, 0.2));
  return image;
}

function drawLine({ data }: ImageData, best: Uint8Array, line: Rgb): void {
  for (let pixel = 0; pixel < SIDE * SIDE; pixel++) {
    const ends = pixel % SIDE < SIDE - 1 && best[pixel] !== best[pixel + 1];
    const turns = pixel < SIDE * (SIDE - 1) && best[pixel] !== best[pixel + SIDE];
    if (ends || turns) data.set([...line, 255], 4 * pixel);
  }
}
