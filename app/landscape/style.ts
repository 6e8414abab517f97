import { colorOf, LOOKS } from '../charts/palette.js';
import { cssColor } from '../shell/dom.js';
import type { Colour, Colours } from './shade.js';

/* How ways are told apart: eight colours, and a dash and a mark for those that share one. */

const DASHES: readonly (readonly number[])[] = [[], [7, 3], [2, 3], [9, 3, 2, 3]];
const MARKS = ['circle', 'square', 'triangle', 'diamond', 'cross'] as const;
export type Mark = (typeof MARKS)[number];

/** How a line looks. */
export interface Look {
  /** Custom property of the style sheet. */
  readonly name: string;
  readonly colour: string;
  readonly dash: readonly number[];
  readonly mark: Mark;
}

export const lookOf = (i: number): Look => ({
  name: colorOf(i),
  colour: cssColor(colorOf(i)),
  dash: DASHES[Math.floor(i / LOOKS) % DASHES.length]!,
  mark: MARKS[(i + Math.floor(i / LOOKS)) % MARKS.length]!,
});

/** A colour of the style sheet as numbers, however it is written there. */
function colourOf(name: string): Colour {
  const context = document.createElement('canvas').getContext('2d');
  if (!context) return [128, 128, 128];
  context.fillStyle = cssColor(name);
  context.fillRect(0, 0, 1, 1);
  const [red, green, blue] = context.getImageData(0, 0, 1, 1).data;
  return [red!, green!, blue!];
}

/** Of the ground, light or dark. */
export const groundColours = (): Colours => ({
  low: colourOf('--land-low'),
  high: colourOf('--land-high'),
  gap: colourOf('--land-gap'),
});

/** Draws a mark round a place. */
export function drawMark(context: CanvasRenderingContext2D, mark: Mark, x: number, y: number, r: number): void {
  context.beginPath();
  if (mark === 'circle') context.arc(x, y, r, 0, 2 * Math.PI);
  else if (mark === 'square') context.rect(x - 0.88 * r, y - 0.88 * r, 1.76 * r, 1.76 * r);
  else if (mark === 'triangle') polygon(context, x, y + 0.15 * r, 1.2 * r, 3);
  else if (mark === 'diamond') polygon(context, x, y, 1.25 * r, 4);
  else cross(context, x, y, r);
  context.fill();
  context.stroke();
}

function polygon(context: CanvasRenderingContext2D, x: number, y: number, r: number, corners: number): void {
  for (let i = 0; i < corners; i++) {
    const angle = (2 * Math.PI * i) / corners - Math.PI / 2;
    context.lineTo(x + r * Math.cos(angle), y + r * Math.sin(angle));
  }
  context.closePath();
}

/** A plus with arms of a third. */
function cross(context: CanvasRenderingContext2D, x: number, y: number, r: number): void {
  const [a, b] = [r * 1.1, r * 0.42];
  const corners = [
    [-b, -a],
    [b, -a],
    [b, -b],
    [a, -b],
    [a, b],
    [b, b],
    [b, a],
    [-b, a],
    [-b, b],
    [-a, b],
    [-a, -b],
    [-b, -b],
  ] as const;
  for (const [dx, dy] of corners) context.lineTo(x + dx, y + dy);
  context.closePath();
}

/** A star of five points: a minimum. */
export function drawStar(context: CanvasRenderingContext2D, x: number, y: number, r: number): void {
  context.beginPath();
  for (let i = 0; i < 10; i++) {
    const own = i % 2 === 0 ? r : 0.42 * r;
    const angle = (Math.PI * i) / 5 - Math.PI / 2;
    context.lineTo(x + own * Math.cos(angle), y + own * Math.sin(angle));
  }
  context.closePath();
  context.fill();
  context.stroke();
}
