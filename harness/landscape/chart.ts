/** The picture of a landscape: its contours with the ways of optimizers on them, and below them how f falls. */
import { functionOf, type Problem } from '../../src/trajectory/index.js';
import { type Point, regionAbove, ticks } from '../common/contours.js';
import { digits, FONT, pathOf, round, type Scale, scale, text, thinned } from '../common/svg.js';
import type { Way } from './ways.js';

export interface LandscapeChart {
  readonly title: string;
  /** A line under it. */
  readonly subtitle: string;
  readonly problem: Problem;
  readonly ways: readonly Way[];
  /** A line across the panel of values. */
  readonly tolerance: number;
}

/** Told apart by lightness and dashes, too; the second of each is for dark pages. */
const LINES: readonly (readonly [light: string, dark: string, dash: string])[] = [
  ['#1f2933', '#f0f3f6', ''],
  ['#d9480f', '#ff9248', ''],
  ['#7c2d9c', '#d6a2ff', '7 3'],
  ['#2b8a3e', '#69db7c', ''],
  ['#c2255c', '#ff8fb3', '2 3'],
  ['#1864ab', '#74c0fc', ''],
  ['#9a6b00', '#ffd43b', '9 3 2 3'],
  ['#0b7285', '#66d9e8', '4 2'],
];

/** Bands of grey, one over another. */
const LEVELS = 16;
/** Points of the grid along an axis. */
const GRID = 121;
const [LEFT, TOP, LEGEND] = [64, 84, 212];
/** Most room of the contours. */
const [WIDE, HIGH] = [640, 460];
const PANEL = 150;
/** Points that a line without them passes at so many pixels are left out. */
const THIN = 0.15;

/** A page's own colours: one picture for light and dark ones. */
const STYLE = `<style>
.page{fill:#fff}.ink{fill:#1f2933}.muted{fill:#5b6875}.rule{stroke:#5b6875}.frame{fill:none;stroke:#1f2933;stroke-opacity:.5}
.low{fill:#b4bfca}.band{fill:#fff;fill-opacity:.17;stroke:#fff;stroke-opacity:.55;stroke-width:.6}.halo{stroke:#fff}.dot{stroke:#fff}
${LINES.map(([colour], i) => `.l${i}{stroke:${colour}}.f${i}{fill:${colour}}`).join('')}
@media (prefers-color-scheme: dark){
.page{fill:#0d1117}.ink{fill:#e6edf3}.muted{fill:#9aa7b4}.rule{stroke:#9aa7b4}.frame{stroke:#e6edf3}
.low{fill:#4a5866}.band{fill:#0d1117;stroke:#0d1117}.halo{stroke:#0d1117}.dot{stroke:#0d1117}
${LINES.map(([, colour], i) => `.l${i}{stroke:${colour}}.f${i}{fill:${colour}}`).join('')}
}
</style>`;

/** @returns an SVG document */
export function landscapeSvg(chart: LandscapeChart): string {
  const { problem, ways, title, subtitle } = chart;
  const [[x0, x1], [y0, y1]] = problem.row.window;
  const factor = Math.min(WIDE / (x1 - x0), HIGH / (y1 - y0));
  // As wide as it is, but a landscape that is flat gets some height.
  const [width, height] = [factor * (x1 - x0), Math.max(factor * (y1 - y0), 200)];
  const plot: Plot = {
    ...{ left: LEFT, top: TOP, width, height },
    x: scale([x0, x1], [LEFT, LEFT + width]),
    y: scale([y0, y1], [TOP + height, TOP]),
  };
  const panelTop = TOP + height + 66;
  const total = { width: LEFT + Math.max(width, 420) + LEGEND, height: panelTop + PANEL + 50 };
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${round(total.width)}" height="${round(total.height)}" viewBox="0 0 ${round(total.width)} ${round(total.height)}" font-family="${FONT}" font-size="12">`,
    STYLE,
    '<rect width="100%" height="100%" class="page"/>',
    text(LEFT, 34, title, 'font-size="18" font-weight="600" class="ink"'),
    text(LEFT, 58, subtitle, 'class="muted"'),
    contours(problem, plot),
    ...ways.map((way, i) => drawWay(way, i, plot)),
    marks(problem, ways, plot),
    axes(problem, plot),
    legend(chart, plot),
    panel(chart, { ...plot, top: panelTop, height: PANEL }),
    '</svg>',
    '',
  ].join('\n');
}

interface Plot {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
  readonly x: Scale;
  readonly y: Scale;
}

const spread = (from: number, to: number) =>
  Array.from({ length: GRID }, (_, i) => from + ((to - from) * i) / (GRID - 1));

/** Contours at quantiles, so that each band has as much room, whatever f's range; denser where f is low. */
function contours(problem: Problem, { left, top, width, height, x, y }: Plot): string {
  const [[x0, x1], [y0, y1]] = problem.row.window;
  const { value } = functionOf(problem);
  const [xs, ys] = [spread(x0, x1), spread(y0, y1)];
  const raw = ys.flatMap((b) => xs.map((a) => value([a, b])));
  const sorted = Float64Array.from(raw).sort();
  const share = (at: number) => sorted[Math.round(at * (sorted.length - 1))]!;
  const lowest = share(0);
  // Interpolated on a logarithmic scale, where a steep wall's contours are smooth.
  const offset = 1e-3 * (share(0.5) - lowest) || 1;
  const logarithm = (each: number) => Math.log(each - lowest + offset);
  const values = raw.map(logarithm);
  const bands = Array.from({ length: LEVELS }, (_, i) => {
    const level = logarithm(share(((i + 1) / (LEVELS + 1)) ** 1.3));
    const rings = regionAbove({ x: xs, y: ys, values }, level);
    const d = rings.map((ring) => pathOf(thinned(pixels(ring, { x, y }), THIN), same, same, true)).join('');
    return `<path d="${d}" fill-rule="evenodd" class="band"/>`;
  });
  return [
    `<clipPath id="plot"><rect x="${left}" y="${top}" width="${round(width)}" height="${round(height)}"/></clipPath>`,
    `<rect x="${left}" y="${top}" width="${round(width)}" height="${round(height)}" class="low"/>`,
    `<g clip-path="url(#plot)">${bands.join('\n')}</g>`,
  ].join('\n');
}

/** Points in pixels, up to where no number is left. */
function shown({ trajectory }: Way, { x, y }: Plot): Point[] {
  const { points } = trajectory;
  const kept: Point[] = [];
  for (let i = 0; i < points.length; i += 2) {
    const at: Point = [x(points[i]!), y(points[i + 1]!)];
    // What flew far away is drawn to there and not on: SVG has single precision.
    if (!at.every((each) => Math.abs(each) < 1e6)) break;
    kept.push(at);
  }
  return kept;
}

const same: Scale = (value) => value;
const pixels = (points: readonly Point[], { x, y }: Pick<Plot, 'x' | 'y'>) =>
  points.map(([a, b]): Point => [x(a), y(b)]);

function drawWay(way: Way, i: number, plot: Plot): string {
  const points = shown(way, plot);
  const d = pathOf(thinned(points, THIN), same, same);
  const dash = LINES[i]![2];
  const [endX, endY] = points.at(-1)!;
  // A dot for each step, where they can be told apart.
  const steps = points.length <= 130 ? dots(thinnedDots(points), i) : '';
  return [
    `<g clip-path="url(#plot)" fill="none" stroke-linejoin="round">`,
    `<path d="${d}" class="halo" stroke-width="3.6" stroke-opacity=".6"/>`,
    `<path d="${d}" class="l${i}" stroke-width="1.8"${dash && ` stroke-dasharray="${dash}"`}/>`,
    steps,
    dot(endX, endY, 4.5, i),
    '</g>',
  ].join('\n');
}

/** Those a pixel apart from the one before. */
function thinnedDots(points: readonly Point[]): Point[] {
  const kept: Point[] = [];
  for (const at of points) {
    const last = kept.at(-1);
    if (!last || Math.hypot(at[0] - last[0], at[1] - last[1]) >= 1) kept.push(at);
  }
  return kept;
}

/** Lines of no length, whose ends are round. */
const dots = (points: readonly Point[], i: number) =>
  `<path d="${points.map(([x, y]) => `M${round(x)} ${round(y)}h0`).join('')}" class="l${i}" stroke-width="3.6" stroke-linecap="round"/>`;

const dot = (x: number, y: number, r: number, i: number) =>
  `<circle cx="${round(x)}" cy="${round(y)}" r="${r}" class="f${i} dot" stroke-width="${r > 2 ? 1.2 : 0}"/>`;

/** Start, minima and saddles, above all ways. */
function marks(problem: Problem, ways: readonly Way[], { x, y }: Plot): string {
  const [[x0, x1], [y0, y1]] = problem.row.window;
  const seen = ([a, b]: ArrayLike<number> & Iterable<number>) => a! >= x0 && a! <= x1 && b! >= y0 && b! <= y1;
  const stars = problem.minima
    .filter((minimum) => seen(minimum.x))
    .map((minimum) => star(x(minimum.x[0]!), y(minimum.x[1]!)));
  const crosses = problem.saddles.filter(seen).map(([a, b]) => cross(x(a!), y(b!)));
  const { points } = ways[0]!.trajectory;
  const start = `<circle cx="${round(x(points[0]!))}" cy="${round(y(points[1]!))}" r="6" fill="none" stroke-width="2.4" class="start"/>`;
  return [...crosses, ...stars, start.replace('class="start"', 'class="l0"')].join('\n');
}

const star = (x: number, y: number, r = 8) => {
  const point = (i: number) => {
    const [own, a] = [i % 2 === 0 ? r : 0.42 * r, (Math.PI * i) / 5 - Math.PI / 2];
    return `${round(x + own * Math.cos(a))} ${round(y + own * Math.sin(a))}`;
  };
  return `<polygon points="${Array.from({ length: 10 }, (_, i) => point(i)).join(' ')}" fill="#facc15" stroke="#1f2933"/>`;
};

const cross = (x: number, y: number) =>
  `<path d="M${round(x - 5)} ${round(y - 5)}l10 10m0-10l-10 10" class="l0" stroke-width="2.2" fill="none"/>`;

function axes(problem: Problem, { left, top, width, height, x, y }: Plot): string {
  const [[x0, x1], [y0, y1]] = problem.row.window;
  const bottom = top + height;
  return [
    `<rect x="${left}" y="${top}" width="${round(width)}" height="${round(height)}" class="frame"/>`,
    ...ticks(x0, x1, 6).flatMap((at) => [
      `<path d="M${round(x(at))} ${round(bottom)}v5" class="rule"/>`,
      text(x(at), bottom + 19, digits(at), 'class="muted" text-anchor="middle"'),
    ]),
    ...ticks(y0, y1, Math.max(3, Math.round(height / 80))).flatMap((at) => [
      `<path d="M${left} ${round(y(at))}h-5" class="rule"/>`,
      text(left - 9, y(at) + 4, digits(at), 'class="muted" text-anchor="end"'),
    ]),
    text(left + width + 22, bottom + 19, 'x', 'class="ink" font-style="italic"'),
    text(left - 9, top - 16, 'y', 'class="ink" font-style="italic" text-anchor="end"'),
  ].join('\n');
}

/** Names with their rates, and what the marks are. */
function legend({ ways, problem }: LandscapeChart, { left, top, width }: Plot): string {
  const x = left + width + 22;
  const rows = ways.flatMap(({ name, lr }, i) => {
    const y = top + 8 + 22 * i;
    const dash = LINES[i]![2];
    return [
      `<path d="M${x} ${y}h26" class="l${i}" stroke-width="2.6"${dash && ` stroke-dasharray="${dash}"`}/>`,
      text(x + 34, y + 4, name, 'class="ink"'),
      lr === undefined ? '' : text(x + 116, y + 4, `lr ${digits(lr)}`, 'class="muted"'),
    ];
  });
  const below = top + 18 + 22 * ways.length;
  const signs = [
    [`<circle cx="${x + 13}" cy="0" r="5" fill="none" stroke-width="2.2" class="l0"/>`, 'start'],
    [`<circle cx="${x + 13}" cy="0" r="4.5" class="muted"/>`, 'end'],
    ...(problem.minima.length > 0 ? [[star(x + 13, 0, 7), problem.minima.length > 1 ? 'minima' : 'minimum']] : []),
    ...(problem.saddles.length > 0 ? [[cross(x + 13, 0), problem.saddles.length > 1 ? 'saddles' : 'saddle']] : []),
  ].map(
    ([sign, words], i) =>
      `<g transform="translate(0 ${below + 20 * i})">${sign}${text(x + 34, 4, words!, 'class="muted"')}</g>`,
  );
  return [...rows, ...signs].join('\n');
}

/** Where values are cut off below: nobody sees smaller ones. */
const LEAST = 1e-12;

/** How f falls towards its lowest value; without a minimum, how |y| grows on the way off the saddle. */
function panel({ problem, ways, tolerance }: LandscapeChart, { left, top, width, height }: Plot): string {
  const lowest = problem.minima[0]?.value;
  const curve = ({ trajectory: { values, points } }: Way): number[] =>
    Array.from(values, (value, step) => (lowest === undefined ? Math.abs(points[2 * step + 1]!) : value - lowest));
  const curves = ways.map(curve);
  const line = lowest === undefined ? 1 : tolerance;
  const positive = curves.flat().filter((value) => Number.isFinite(value) && value > LEAST);
  const start = Math.max(...curves.map(([first]) => first!), line);
  const high = Math.ceil(Math.log10(Math.min(Math.max(...positive, line), 100 * start)) + 1e-9);
  const low = Math.max(Math.floor(Math.log10(Math.min(...positive, line))), high - 12);
  const steps = Math.max(...ways.map(({ trajectory }) => trajectory.steps));
  const wide = Math.max(width, 420);
  const x = scale([0, steps], [left, left + wide]);
  const y = scale([low, high], [top + height, top]);
  const drawn = curves.map((values, i) => {
    const end = values.findIndex((value) => !Number.isFinite(value));
    const points = values
      .slice(0, end < 0 ? undefined : end)
      .map((value, step): Point => [step, Math.min(Math.max(Math.log10(Math.max(value, LEAST)), low - 1), high + 1)]);
    const dash = LINES[i]![2];
    return `<path d="${pathOf(thinned(pixels(points, { x, y }), THIN), same, same)}" class="l${i}" fill="none" stroke-width="1.6"${dash && ` stroke-dasharray="${dash}"`}/>`;
  });
  const decades = ticks(low, high, 5).filter(Number.isInteger);
  const what =
    lowest === undefined
      ? '|y|, logarithmic: beyond 1 the saddle is left'
      : `f above its minimum, logarithmic: ${digits(line)} is the tolerance`;
  return [
    text(left, top - 10, what, 'class="ink"'),
    `<clipPath id="panel"><rect x="${left}" y="${top}" width="${round(wide)}" height="${height}"/></clipPath>`,
    ...decades.map((at) => `<path d="M${left} ${round(y(at))}h${round(wide)}" class="rule" stroke-opacity=".25"/>`),
    ...decades.map((at) => text(left - 9, y(at) + 4, powerText(at), 'class="muted" text-anchor="end"')),
    `<path d="M${left} ${round(y(Math.log10(line)))}h${round(wide)}" class="rule" stroke-dasharray="3 3"/>`,
    `<g clip-path="url(#panel)" stroke-linejoin="round">${drawn.join('\n')}</g>`,
    `<rect x="${left}" y="${top}" width="${round(wide)}" height="${height}" class="frame"/>`,
    ...ticks(0, steps, 6).map((at) => text(x(at), top + height + 19, String(at), 'class="muted" text-anchor="middle"')),
    text(left + wide + 22, top + height + 19, 'step', 'class="muted"'),
  ].join('\n');
}

const powerText = (power: number): string => (power >= -2 && power <= 3 ? String(10 ** power) : `1e${power}`);
