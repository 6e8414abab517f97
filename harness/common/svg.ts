/** What pictures are put together from: text, paths, scales. */
import type { Point } from './contours.js';

export const FONT = "system-ui, 'Segoe UI', Helvetica, Arial, sans-serif";

export const round = (value: number) => Number(value.toFixed(2));

/** 0.0123, 4.2, 1.3e+4: three digits. */
export const digits = (value: number): string =>
  value !== 0 && (Math.abs(value) >= 1e4 || Math.abs(value) < 1e-3)
    ? value.toExponential(1)
    : String(Number(value.toPrecision(3)));

const escaped = (words: string) => words.replace(/[<>&]/g, (each) => `&#${each.charCodeAt(0)};`);

/** @param more attributes */
export const text = (x: number, y: number, words: string, more = '') =>
  `<text x="${round(x)}" y="${round(y)}" ${more}>${escaped(words)}</text>`;

export type Scale = (value: number) => number;

export const scale = (from: readonly [number, number], to: readonly [number, number]): Scale => {
  const factor = (to[1] - to[0]) / (from[1] - from[0]);
  return (value) => to[0] + (value - from[0]) * factor;
};

/** The data of a path through points. @param close back to the first */
export const pathOf = (points: readonly Point[], x: Scale, y: Scale, close = false): string =>
  `${points.map((p, i) => `${i === 0 ? 'M' : 'L'}${round(x(p[0]))} ${round(y(p[1]))}`).join('')}${close ? 'Z' : ''}`;
