import { type FunctionChoice, type Interval, valuesOf } from './functions.js';

/* The ground of a landscape: bands between contours, painted pixel by pixel. */

/** A part of the plane and the pixels it fills. */
export interface Frame {
  readonly x: Interval;
  readonly y: Interval;
  readonly width: number;
  readonly height: number;
}

export type Colour = readonly [red: number, green: number, blue: number];

/** Of the lowest band, of the highest, and of what is no number. */
export interface Colours {
  readonly low: Colour;
  readonly high: Colour;
  readonly gap: Colour;
}

export interface ShadeJob {
  /** A function to evaluate, or values that are there. */
  readonly ground: FunctionChoice | Field;
  readonly frame: Frame;
  readonly colours: Colours;
}

/** Numbers on a grid of columns and rows that are evenly spread over a frame, from its first pixel to its last. */
export interface Field {
  readonly columns: number;
  readonly rows: number;
  /** Row by row from the top; NaN where there is none. */
  readonly values: Float64Array;
}

/** Bands of colour. */
const LEVELS = 16;
/** Pixels from one evaluation to the next: between them values are interpolated. */
const STRIDE = 4;

/** Values of a function at every fourth pixel or so. */
export function fieldOf(choice: FunctionChoice | Field, { x, y, width, height }: Frame): Field {
  if ('values' in choice) return choice;
  const value = valuesOf(choice);
  const [columns, rows] = [width, height].map((side) => Math.max(2, Math.ceil(side / STRIDE) + 1)) as [number, number];
  const values = new Float64Array(columns * rows);
  for (let j = 0; j < rows; j++) {
    const b = y[1] + ((y[0] - y[1]) * j) / (rows - 1);
    for (let i = 0; i < columns; i++) {
      const f = value(x[0] + ((x[1] - x[0]) * i) / (columns - 1), b);
      values[j * columns + i] = Number.isFinite(f) ? f : Number.NaN;
    }
  }
  return { columns, rows, values };
}

/**
 * Heights by which bands are cut: logarithms, on which a steep wall's contours are smooth, and levels at quantiles, so that each
 * band has as much room; denser where f is low.
 */
export function levelsOf({ columns, rows, values }: Field): { readonly heights: Field; readonly levels: number[] } {
  const sorted = values.filter((value) => !Number.isNaN(value)).sort();
  if (sorted.length === 0) return { heights: { columns, rows, values }, levels: [] };
  const share = (at: number) => sorted[Math.round(at * (sorted.length - 1))]!;
  const lowest = share(0);
  const offset = 1e-3 * (share(0.5) - lowest) || 1;
  const height = (each: number) => Math.log(each - lowest + offset);
  const levels = Array.from({ length: LEVELS }, (_, i) => height(share(((i + 1) / (LEVELS + 1)) ** 1.3)));
  return { heights: { columns, rows, values: values.map(height) }, levels: [...new Set(levels)] };
}

/** The bands as pixels, RGBA. Contours are drawn where a pixel's height is within half a pixel's slope of a level. */
export function paint(
  field: Field,
  { width, height }: Frame,
  { low, high, gap }: Colours,
): Uint8ClampedArray<ArrayBuffer> {
  const { heights, levels } = levelsOf(field);
  const { columns, rows, values } = heights;
  const pixels = new Uint8ClampedArray(4 * width * height);
  const line = low.map((from, k) => from + 1.25 * (high[k]! - from)) as unknown as Colour;
  for (let j = 0; j < height; j++) {
    const v = (j * (rows - 1)) / Math.max(height - 1, 1);
    const row = Math.min(Math.floor(v), rows - 2);
    const b = v - row;
    for (let i = 0; i < width; i++) {
      const u = (i * (columns - 1)) / Math.max(width - 1, 1);
      const column = Math.min(Math.floor(u), columns - 2);
      const a = u - column;
      const at = row * columns + column;
      const [p, q, r, s] = [values[at]!, values[at + 1]!, values[at + columns]!, values[at + columns + 1]!];
      const h = (1 - b) * ((1 - a) * p + a * q) + b * ((1 - a) * r + a * s);
      const to = 4 * (j * width + i);
      pixels[to + 3] = 255;
      if (Number.isNaN(h)) {
        // Hatched, so that a gap is no colour of the scale.
        const dark = (i + j) % 8 < 2 ? 0.75 : 1;
        for (let k = 0; k < 3; k++) pixels[to + k] = dark * gap[k]!;
        continue;
      }
      let band = 0;
      while (band < levels.length && h >= levels[band]!) band++;
      // Change of height from this pixel to the next.
      const du = (((1 - b) * (q - p) + b * (s - r)) * (columns - 1)) / width;
      const dv = (((1 - a) * (r - p) + a * (s - q)) * (rows - 1)) / height;
      const slope = Math.hypot(du, dv);
      const near = Math.min(
        band > 0 ? h - levels[band - 1]! : Number.POSITIVE_INFINITY,
        band < levels.length ? levels[band]! - h : Number.POSITIVE_INFINITY,
      );
      const edge = slope > 0 ? Math.max(0, 1 - near / slope) : 0;
      const share = 1 - (1 - band / LEVELS) ** 1.5;
      for (let k = 0; k < 3; k++) {
        const ground = low[k]! + share * (high[k]! - low[k]!);
        pixels[to + k] = ground + 0.45 * edge * (line[k]! - ground);
      }
    }
  }
  return pixels;
}
