import { ticks } from '../../harness/common/contours.js';
import { digits } from '../../harness/common/svg.js';
import { cssColor } from '../shell/dom.js';
import type { Interval, Place } from './functions.js';
import type { Frame } from './shade.js';
import { drawMark, drawStar, type Look } from './style.js';

/* A part of the plane on a canvas: its ground, ways on it, marks and axes. */

export interface DrawnWay {
  readonly points: ArrayLike<number>;
  readonly look: Look;
  readonly selected: boolean;
}

export interface Arrow {
  readonly from: Place;
  readonly to: Place;
  readonly colour: string;
  readonly dash: readonly number[];
}

interface Size {
  readonly width: number;
  readonly height: number;
}

export interface Scene {
  readonly ways: readonly DrawnWay[];
  /** So many steps of them. */
  readonly step: number;
  /** Where ways begin, ringed; undefined for none. */
  readonly start: Place | undefined;
  readonly minima: readonly Place[];
  readonly saddles: readonly Place[];
  readonly arrows: readonly Arrow[];
}

/** Room of the axes, in CSS pixels. */
const ROOM = { left: 46, right: 8, top: 8, bottom: 26 } as const;
const HEIGHT = { least: 240, most: 560 } as const;
/** Points of a line that lie nearer than so to the one before are left out. */
const NEAR = 0.7;
/** Points that lie so near to the line between those before and behind are left out, too: each corner takes a browser without a GPU long. */
const STRAIGHT = 0.3;
/** So many in a row at most. */
const MOST_STRAIGHT = 32;
/** A line has a rim where there are so many at most: among more it tells nothing apart, and costs as much as the line. */
const MOST_RIMS = 12;
/** A line ends where it leaves the picture by so many pixels: canvases have single precision. */
const FAR = 1e5;
/** Most points of a line. */
const MOST_POINTS = 2048;

export class Plot {
  #window: { readonly x: Interval; readonly y: Interval } = { x: [-1, 1], y: [-1, 1] };
  #ground: HTMLCanvasElement | undefined;
  /** What the ground was painted for. */
  #groundFrame: Frame | undefined;
  #size: Size = { width: 0, height: 0 };

  /** @param stretched each axis has a scale of its own, and the picture is a square where there is room */
  constructor(
    readonly canvas: HTMLCanvasElement,
    private readonly stretched = false,
  ) {}

  /** The part of the plane that is wanted; what is shown has its shape changed to the canvas's, at one scale for both axes. */
  set window(window: { readonly x: Interval; readonly y: Interval }) {
    this.#window = window;
    this.fit();
  }

  /** As wide as its place on the page. @returns whether its size is another */
  fit(): boolean {
    const width = Math.round(this.canvas.parentElement?.clientWidth ?? 0);
    const inner = width - ROOM.left - ROOM.right;
    const [x, y] = this.stretched
      ? [1, 1]
      : [this.#window.x[1] - this.#window.x[0], this.#window.y[1] - this.#window.y[0]];
    const height = Math.round(
      Math.min(Math.max((inner * y) / x, HEIGHT.least), HEIGHT.most, Math.max(inner, HEIGHT.least)),
    );
    const total = height + ROOM.top + ROOM.bottom;
    if (width <= 0 || (this.#size.width === width && this.#size.height === total)) return false;
    this.#size = { width, height: total };
    this.canvas.style.height = `${total}px`;
    this.canvas.width = Math.round(width * this.#ratio);
    this.canvas.height = Math.round(total * this.#ratio);
    return true;
  }

  get #ratio(): number {
    return Math.min(window.devicePixelRatio || 1, 2);
  }

  /** What is shown, with the pixels of the device that it fills. */
  get frame(): Frame {
    const width = this.#size.width - ROOM.left - ROOM.right;
    const height = this.#size.height - ROOM.top - ROOM.bottom;
    const { x, y } = this.#window;
    const pixels = { width: Math.round(width * this.#ratio), height: Math.round(height * this.#ratio) };
    if (this.stretched) return { x, y, ...pixels };
    const scale = Math.max((x[1] - x[0]) / width, (y[1] - y[0]) / height);
    const around = ([from, to]: Interval, side: number): Interval => {
      const middle = (from + to) / 2;
      return [middle - (scale * side) / 2, middle + (scale * side) / 2];
    };
    return { x: around(x, width), y: around(y, height), ...pixels };
  }

  get isShown(): boolean {
    return this.#size.width > ROOM.left + ROOM.right;
  }

  /** The ground as it was painted for a frame; nothing while another is on its way. */
  setGround(pixels: Uint8ClampedArray<ArrayBuffer> | undefined, frame: Frame): void {
    this.#groundFrame = frame;
    if (!pixels) {
      this.#ground = undefined;
      return;
    }
    const ground = document.createElement('canvas');
    [ground.width, ground.height] = [frame.width, frame.height];
    ground.getContext('2d')?.putImageData(new ImageData(pixels, frame.width, frame.height), 0, 0);
    this.#ground = ground;
  }

  /** From the plane to CSS pixels of the canvas. */
  #toPixels(frame: Frame): (x: number, y: number) => Place {
    const { x, y } = frame;
    const [width, height] = [this.#size.width - ROOM.left - ROOM.right, this.#size.height - ROOM.top - ROOM.bottom];
    return (a, b) => [
      ROOM.left + ((a - x[0]) / (x[1] - x[0])) * width,
      ROOM.top + ((y[1] - b) / (y[1] - y[0])) * height,
    ];
  }

  /** Where on the plane a pointer is. */
  placeOf({ clientX, clientY }: { readonly clientX: number; readonly clientY: number }): Place {
    const box = this.canvas.getBoundingClientRect();
    const { x, y } = this.frame;
    const share = (at: number, from: number, side: number) => Math.min(Math.max((at - from) / side, 0), 1);
    const u = share(clientX - box.left, ROOM.left, this.#size.width - ROOM.left - ROOM.right);
    const v = share(clientY - box.top, ROOM.top, this.#size.height - ROOM.top - ROOM.bottom);
    return [x[0] + u * (x[1] - x[0]), y[1] - v * (y[1] - y[0])];
  }

  draw(scene: Scene): void {
    const context = this.canvas.getContext('2d');
    if (!context || !this.isShown) return;
    const { frame } = this;
    const place = this.#toPixels(frame);
    const { width, height } = this.#size;
    const box = [ROOM.left, ROOM.top, width - ROOM.left - ROOM.right, height - ROOM.top - ROOM.bottom] as const;
    context.setTransform(this.#ratio, 0, 0, this.#ratio, 0, 0);
    context.clearRect(0, 0, width, height);
    context.fillStyle = cssColor('--card');
    context.fillRect(0, 0, width, height);
    context.save();
    context.beginPath();
    context.rect(...box);
    context.clip();
    const ground = this.#groundFrame && sameFrame(this.#groundFrame, frame) ? this.#ground : undefined;
    context.fillStyle = cssColor('--land-low');
    context.fillRect(...box);
    if (ground) context.drawImage(ground, ...box);
    for (const way of [...scene.ways].sort((a, b) => Number(a.selected) - Number(b.selected)))
      drawWay(context, way, way.selected || scene.ways.length <= MOST_RIMS, scene.step, place, this.#size);
    marks(context, scene, place);
    for (const arrow of scene.arrows) drawArrow(context, arrow, place);
    context.restore();
    axes(context, frame, box, place);
  }
}

const sameFrame = (a: Frame, b: Frame) => JSON.stringify(a) === JSON.stringify(b);

/** Its pixels up to a step, without those that change nothing, and where it stands. */
function pixelsOf(points: ArrayLike<number>, step: number, place: (x: number, y: number) => Place): Place[] {
  const last = Math.min(step, points.length / 2 - 1);
  const kept: Place[] = [];
  const stride = Math.max(1, Math.ceil(last / MOST_POINTS));
  for (let i = 0; i <= last; i += i + stride > last && i < last ? last - i : stride) {
    const at = place(points[2 * i]!, points[2 * i + 1]!);
    if (!(Math.abs(at[0]) < FAR && Math.abs(at[1]) < FAR)) break;
    const before = kept.at(-1);
    if (!before || i === last || Math.hypot(at[0] - before[0], at[1] - before[1]) >= NEAR) kept.push(at);
  }
  return corners(kept);
}

function corners(points: readonly Place[]): Place[] {
  const kept: Place[] = [];
  let from = 0;
  for (const [i, at] of points.entries()) {
    const [before, next] = [points[from]!, points[i + 1]];
    const between = points.slice(from + 1, i + 1);
    if (i > 0 && next && between.length <= MOST_STRAIGHT && between.every((each) => isNear(each, before, next)))
      continue;
    kept.push(at);
    from = i;
  }
  return kept;
}

/** Whether a point lies on the line between two others, or as good as that. */
function isNear([x, y]: Place, [ax, ay]: Place, [bx, by]: Place): boolean {
  const [dx, dy] = [bx - ax, by - ay];
  const length = Math.hypot(dx, dy);
  const along = ((x - ax) * dx + (y - ay) * dy) / length;
  return along >= 0 && along <= length && Math.abs((x - ax) * dy - (y - ay) * dx) <= STRAIGHT * length;
}

/** What of a line is on the canvas: dashes of what is not would be painted, too. */
function lineWithin(points: readonly Place[], size: Size): Path2D {
  const path = new Path2D();
  let end: Place | undefined;
  for (const [i, to] of points.entries()) {
    const part = within(points[Math.max(0, i - 1)]!, to, size);
    if (!part) continue;
    if (part[0] !== end) path.moveTo(...part[0]);
    path.lineTo(...part[1]);
    end = part[1];
  }
  return path;
}

/** The part of a line that is on the canvas, by Liang and Barsky (1984): points that are stay the same objects. */
function within(from: Place, to: Place, { width, height }: Size): readonly [Place, Place] | undefined {
  let [begin, end] = [0, 1];
  for (const [axis, most] of [width, height].entries()) {
    const [start, run] = [from[axis]!, to[axis]! - from[axis]!];
    if (run === 0 && (start < 0 || start > most)) return undefined;
    if (run === 0) continue;
    const [a, b] = [-start / run, (most - start) / run];
    begin = Math.max(begin, Math.min(a, b));
    end = Math.min(end, Math.max(a, b));
  }
  if (begin > end) return undefined;
  const at = (t: number): Place => [from[0] + t * (to[0] - from[0]), from[1] + t * (to[1] - from[1])];
  return [begin === 0 ? from : at(begin), end === 1 ? to : at(end)];
}

function drawWay(
  context: CanvasRenderingContext2D,
  { points, look, selected }: DrawnWay,
  rim: boolean,
  step: number,
  place: (x: number, y: number) => Place,
  size: Size,
): void {
  const pixels = pixelsOf(points, step, place);
  if (pixels.length === 0) return;
  const path = lineWithin(pixels, size);
  context.lineJoin = 'round';
  context.setLineDash([]);
  if (rim) {
    context.strokeStyle = cssColor('--card');
    context.globalAlpha = 0.6;
    context.lineWidth = selected ? 5 : 3.6;
    context.stroke(path);
    context.globalAlpha = 1;
  }
  context.strokeStyle = look.colour;
  context.lineWidth = selected ? 3 : 1.8;
  context.setLineDash([...look.dash]);
  context.stroke(path);
  context.setLineDash([]);
  context.fillStyle = look.colour;
  context.strokeStyle = cssColor('--card');
  context.lineWidth = 1.2;
  drawMark(context, look.mark, ...pixels.at(-1)!, selected ? 6.5 : 5);
}

function marks(
  context: CanvasRenderingContext2D,
  { start, minima, saddles }: Scene,
  place: (x: number, y: number) => Place,
) {
  const ink = cssColor('--text');
  context.lineWidth = 2.2;
  context.strokeStyle = ink;
  for (const [a, b] of saddles) {
    const [x, y] = place(a, b);
    context.beginPath();
    context.moveTo(x - 5, y - 5);
    context.lineTo(x + 5, y + 5);
    context.moveTo(x + 5, y - 5);
    context.lineTo(x - 5, y + 5);
    context.stroke();
  }
  context.lineWidth = 1;
  context.fillStyle = '#facc15';
  context.strokeStyle = '#1f2933';
  for (const [a, b] of minima) drawStar(context, ...place(a, b), 8);
  if (!start) return;
  const [x, y] = place(...start);
  context.beginPath();
  context.arc(x, y, 8, 0, 2 * Math.PI);
  context.lineWidth = 4.5;
  context.strokeStyle = cssColor('--card');
  context.stroke();
  context.lineWidth = 2.4;
  context.strokeStyle = ink;
  context.stroke();
}

function drawArrow(context: CanvasRenderingContext2D, arrow: Arrow, place: (x: number, y: number) => Place): void {
  const [x, y] = place(...arrow.from);
  const [a, b] = place(...arrow.to);
  const length = Math.hypot(a - x, b - y);
  if (!(length > 1 && length < FAR)) return;
  const angle = Math.atan2(b - y, a - x);
  const head = Math.min(10, length * 0.6);
  const path = new Path2D();
  path.moveTo(x, y);
  path.lineTo(a, b);
  const tip = new Path2D();
  for (const turn of [-0.42, 0.42]) {
    tip.moveTo(a, b);
    tip.lineTo(a - head * Math.cos(angle + turn), b - head * Math.sin(angle + turn));
  }
  for (const [colour, width] of [
    [cssColor('--card'), 6],
    [arrow.colour, 2.6],
  ] as const) {
    context.strokeStyle = colour;
    context.lineWidth = width;
    context.setLineDash(colour === arrow.colour ? [...arrow.dash] : []);
    context.stroke(path);
    context.setLineDash([]);
    context.stroke(tip);
  }
}

function axes(
  context: CanvasRenderingContext2D,
  { x, y }: Frame,
  [left, top, width, height]: readonly [number, number, number, number],
  place: (x: number, y: number) => Place,
): void {
  context.strokeStyle = cssColor('--muted');
  context.fillStyle = cssColor('--muted');
  context.lineWidth = 1;
  context.font = '12px system-ui, sans-serif';
  context.strokeRect(left, top, width, height);
  context.textBaseline = 'top';
  context.textAlign = 'center';
  for (const at of ticks(x[0], x[1], Math.max(3, Math.round(width / 90)))) {
    const [px] = place(at, 0);
    context.fillRect(px, top + height, 1, 4);
    context.fillText(digits(at), px, top + height + 7);
  }
  context.textBaseline = 'middle';
  context.textAlign = 'right';
  for (const at of ticks(y[0], y[1], Math.max(3, Math.round(height / 70)))) {
    const [, py] = place(0, at);
    context.fillRect(left - 4, py, 4, 1);
    context.fillText(digits(at), left - 7, py);
  }
}
