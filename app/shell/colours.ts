import { cssColor } from './dom.js';

/* Colours of the page as numbers, for pixels. */

export type Rgb = readonly [number, number, number];

/** A custom property of the style sheet as numbers from 0 to 255; `other` where it is none of the form #rrggbb. */
export function rgbOf(name: string, other: Rgb = [128, 128, 128]): Rgb {
  const [, short, long] = /^#(?:([\da-f]{3})|([\da-f]{6}))$/i.exec(cssColor(name)) ?? [];
  const digits = long ?? short?.replace(/./g, '$&$&'); // what is built is as short as can be: #fff
  if (!digits) return other;
  return [0, 2, 4].map((at) => Number.parseInt(digits.slice(at, at + 2), 16)) as unknown as Rgb;
}

export const mix = (a: Rgb, b: Rgb, share: number): Rgb =>
  [0, 1, 2].map((i) => Math.round(a[i]! + (b[i]! - a[i]!) * share)) as unknown as Rgb;

/** From -1 (orange) over 0 (the ground) to 1 (blue): apart also for those who see no red or no green. */
export function diverging(): (value: number) => Rgb {
  const [low, ground, high] = [rgbOf('--test'), rgbOf('--card'), rgbOf('--curve')];
  return (value) => (value < 0 ? mix(ground, low, Math.min(-value, 1)) : mix(ground, high, Math.min(value, 1)));
}

/** Colours of runs, which are those of classes as well. */
const CLASS_COLOURS = 8;
export const classColours = (count: number): Rgb[] =>
  Array.from({ length: count }, (_, i) => rgbOf(`--run-${i % CLASS_COLOURS}`, FALLBACK[i % 2]!));
const FALLBACK: readonly Rgb[] = [
  [37, 87, 214],
  [180, 83, 10],
];

/** An image of bytes on a canvas of its size: brightness becomes opacity, so that it reads in light and dark. */
export function paintImage(canvas: HTMLCanvasElement, pixels: ArrayLike<number>, height: number, width: number): void {
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext('2d');
  if (!context) return;
  const [r, g, b] = rgbOf('--text');
  const image = context.createImageData(width, height);
  for (let i = 0; i < width * height; i++) image.data.set([r, g, b, pixels[i]!], 4 * i);
  context.putImageData(image, 0, 0);
}
