/** What pictures are put together from: text, paths, scales. */
import type { Point } from './contours.js';

export const FONT = "system-ui, 'Segoe UI', Helvetica, Arial, sans-serif";

/** To a twentieth of a pixel: fewer digits make smaller files. */
export const round = (value: number) => Number(value.toFixed(1));

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

/** Points without those that lie within `tolerance` of the line between others (Douglas & Peucker 1973); first and last stay. */
export function thinned(points: readonly Point[], tolerance: number): Point[] {
  const kept = new Set([0, points.length - 1]);
  const open: [number, number][] = [[0, points.length - 1]];
  for (let range = open.pop(); range; range = open.pop()) {
    const [from, to] = range;
    const [[ax, ay], [bx, by]] = [points[from]!, points[to]!];
    const [dx, dy] = [bx - ax, by - ay];
    const length = Math.hypot(dx, dy);
    let [farthest, at] = [tolerance, -1];
    for (let i = from + 1; i < to; i++) {
      const [x, y] = [points[i]![0] - ax, points[i]![1] - ay];
      // Beside a stretch, not only beside its line: a way may turn back on itself.
      const along = length === 0 ? 0 : Math.min(Math.max((x * dx + y * dy) / length, 0), length);
      const away = length === 0 ? Math.hypot(x, y) : Math.hypot(x - (along * dx) / length, y - (along * dy) / length);
      if (away > farthest) [farthest, at] = [away, i];
    }
    if (at < 0) continue;
    kept.add(at);
    open.push([from, at], [at, to]);
  }
  return points.filter((_, i) => kept.has(i));
}
