/** Pictures of the loss round a network: contours with the path of a training on them, or a curve along a line. */
import type { Landscape } from '../../src/landscape/index.js';
import { type Point, quantile, regionAbove, ticks } from '../common/contours.js';

export interface PlaneChart {
  readonly title: string;
  /** Lines under it. */
  readonly subtitle: readonly string[];
  readonly landscape: Landscape;
}

const FONT = "system-ui, 'Segoe UI', Helvetica, Arial, sans-serif";
const [INK, MUTED, RULE, PATH, HALO] = ['#1f2933', '#616e7c', '#e4e7eb', '#c2410c', '#ffffff'];
const ACCURACY = '#2f855a';
/** From the least loss to the largest: dark to light, as it is read in grey, too. */
const COLOURS = ['#0b2a4a', '#114a7b', '#1f6fa8', '#3d95c0', '#6fb7cf', '#a5d3dc', '#d5eae6', '#f6f7ee'];
/** Bands of colour. */
const LEVELS = 18;
/** Of a random plane's losses beyond this quantile a picture shows that they are large, and not how large. */
const CUT = 0.97;

const WIDTH = 760;
const [LEFT, TOP, SIDE] = [86, 108, 520];
const BAR = 24;
const BELOW = 150;

const round = (value: number) => Number(value.toFixed(2));

/** 0.0123, 4.2, 1.3e+4: three digits. */
const digits = (value: number) =>
  value !== 0 && (Math.abs(value) >= 1e4 || Math.abs(value) < 1e-3)
    ? value.toExponential(1)
    : String(Number(value.toPrecision(3)));

const escaped = (text: string) => text.replace(/[<>&]/g, (each) => `&#${each.charCodeAt(0)};`);

const text = (x: number, y: number, words: string, more = '') =>
  `<text x="${round(x)}" y="${round(y)}" ${more}>${escaped(words)}</text>`;

type Scale = (value: number) => number;
const scale = (from: readonly [number, number], to: readonly [number, number]): Scale => {
  const factor = (to[1] - to[0]) / (from[1] - from[0]);
  return (value) => to[0] + (value - from[0]) * factor;
};

const pathOf = (points: readonly Point[], x: Scale, y: Scale, close = false) =>
  `${points.map((p, i) => `${i === 0 ? 'M' : 'L'}${round(x(p[0]))} ${round(y(p[1]))}`).join('')}${close ? 'Z' : ''}`;

function colourAt(share: number): string {
  const place = Math.min(Math.max(share, 0), 1) * (COLOURS.length - 1);
  const at = Math.min(Math.floor(place), COLOURS.length - 2);
  const channel = (colour: string, k: number) => Number.parseInt(colour.slice(1 + 2 * k, 3 + 2 * k), 16);
  const mixed = [0, 1, 2].map((k) => {
    const [a, b] = [channel(COLOURS[at]!, k), channel(COLOURS[at + 1]!, k)];
    return Math.round(a + (b - a) * (place - at))
      .toString(16)
      .padStart(2, '0');
  });
  return `#${mixed.join('')}`;
}

/** Logarithms of the losses, cut where they are too large to show, and from where to where they go. */
export function logLoss(landscape: Landscape): { values: number[]; low: number; high: number } {
  const { loss, centre } = landscape;
  const finite = [...loss].filter((value) => Number.isFinite(value) && value > 0).map(Math.log10);
  const own = Number.isFinite(centre.loss) && centre.loss > 0 ? [Math.log10(centre.loss)] : [];
  if (finite.length === 0) return { values: [...loss].map(() => 0), low: 0, high: 1 };
  const low = Math.min(...finite, ...own);
  const high = Math.max(quantile(finite, landscape.plane === 'random' ? CUT : 1), low + 1e-6);
  const values = [...loss].map((value) => {
    const log = value <= 0 ? low : Math.log10(value);
    return Number.isFinite(log) ? Math.min(log, high) : high;
  });
  return { values, low, high };
}

/** @returns an SVG document */
export function planeSvg(chart: PlaneChart): string {
  const { landscape, title, subtitle } = chart;
  const line = landscape.y.length === 1;
  const body = line ? curve(landscape) : contours(landscape);
  const strip = !line && landscape.path ? distances(landscape) : '';
  const height = TOP + (line ? 320 : SIDE) + 62 + (strip ? BELOW : 0);
  const head = [
    text(LEFT, 36, title, `font-size="18" font-weight="600" fill="${INK}"`),
    ...subtitle.map((each, i) => text(LEFT, 60 + 18 * i, each, `fill="${MUTED}"`)),
  ];
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}" font-family="${FONT}" font-size="12">`,
    `<rect width="${WIDTH}" height="${height}" fill="#fff"/>`,
    ...head,
    body,
    strip,
    '</svg>',
    '',
  ].join('\n');
}

/** Ticks, and what they mean. */
function axes(x: Scale, y: Scale, at: { x: number[]; y: number[] }, names: readonly [string, string], height: number) {
  const bottom = TOP + height;
  return [
    ...at.x.map((value) =>
      [
        `<path d="M${round(x(value))} ${bottom}v5" stroke="${MUTED}"/>`,
        text(x(value), bottom + 19, digits(value), `fill="${MUTED}" text-anchor="middle"`),
      ].join(''),
    ),
    ...at.y.map((value) =>
      [
        `<path d="M${LEFT} ${round(y(value))}h-5" stroke="${MUTED}"/>`,
        text(LEFT - 9, y(value) + 4, digits(value), `fill="${MUTED}" text-anchor="end"`),
      ].join(''),
    ),
    text(LEFT + SIDE / 2, bottom + 40, names[0], `fill="${INK}" text-anchor="middle"`),
    `<text transform="translate(${LEFT - 58} ${TOP + height / 2}) rotate(-90)" fill="${INK}" text-anchor="middle">${escaped(names[1])}</text>`,
  ].join('\n');
}

/** What the axes are called. */
function axisNames({ plane, share }: Landscape): readonly [string, string] {
  if (plane === 'random') return ['first random direction, filter-normalised', 'second random direction'];
  const of = (i: 0 | 1) => `${(100 * share![i]).toFixed(1)} % of the squared distance`;
  return [`first principal component: ${of(0)}`, `second: ${of(1)}`];
}

function contours(landscape: Landscape): string {
  const { x: xs, y: ys, centre, path } = landscape;
  const { values, low, high } = logLoss(landscape);
  const x = scale([xs[0]!, xs.at(-1)!], [LEFT, LEFT + SIDE]);
  const y = scale([ys[0]!, ys.at(-1)!], [TOP + SIDE, TOP]);
  const levels = Array.from({ length: LEVELS }, (_, i) => low + ((high - low) * i) / LEVELS);
  const bands = levels.map((level, i) => {
    const rings = i === 0 ? [corners(xs, ys)] : regionAbove({ x: xs, y: ys, values }, level);
    const shape = rings.map((ring) => pathOf(ring, x, y, true)).join('');
    const edge = i === 0 ? '' : ' stroke="#fff" stroke-opacity=".35" stroke-width=".6"';
    return `<path d="${shape}" fill="${colourAt(i / (LEVELS - 1))}" fill-rule="evenodd"${edge}/>`;
  });
  const at = { x: ticks(xs[0]!, xs.at(-1)!, 5), y: ticks(ys[0]!, ys.at(-1)!, 5) };
  return [
    ...bands,
    path ? drawPath(path, x, y) : '',
    star(x(centre.x), y(centre.y)),
    `<rect x="${LEFT}" y="${TOP}" width="${SIDE}" height="${SIDE}" fill="none" stroke="${INK}" stroke-opacity=".5"/>`,
    axes(x, y, at, axisNames(landscape), SIDE),
    bar(low, high, landscape.plane === 'random'),
  ].join('\n');
}

const corners = (xs: Float64Array, ys: Float64Array): Point[] => [
  [xs[0]!, ys[0]!],
  [xs.at(-1)!, ys[0]!],
  [xs.at(-1)!, ys.at(-1)!],
  [xs[0]!, ys.at(-1)!],
];

function drawPath(path: NonNullable<Landscape['path']>, x: Scale, y: Scale): string {
  const points = Array.from(path.x, (value, i): Point => [value, path.y[i]!]);
  const d = pathOf(points, x, y);
  return [
    `<path d="${d}" fill="none" stroke="${HALO}" stroke-width="4" stroke-linejoin="round"/>`,
    `<path d="${d}" fill="none" stroke="${PATH}" stroke-width="1.8" stroke-linejoin="round"/>`,
    ...points.map(
      ([a, b], i) =>
        `<circle cx="${round(x(a))}" cy="${round(y(b))}" r="${i === 0 ? 5 : 2.4}" fill="${i === 0 ? HALO : PATH}" stroke="${i === 0 ? PATH : HALO}" stroke-width="${i === 0 ? 2 : 0.8}"/>`,
    ),
  ].join('\n');
}

/** The weights that the plane goes through. */
const star = (x: number, y: number) => {
  const point = (i: number) => {
    const [r, a] = [i % 2 === 0 ? 8 : 3.4, (Math.PI * i) / 5 - Math.PI / 2];
    return `${round(x + r * Math.cos(a))} ${round(y + r * Math.sin(a))}`;
  };
  const points = Array.from({ length: 10 }, (_, i) => point(i)).join(' ');
  return `<polygon points="${points}" fill="#facc15" stroke="${INK}" stroke-width="1"/>`;
};

/** What the colours mean. */
function bar(low: number, high: number, cut: boolean): string {
  const left = LEFT + SIDE + 28;
  const step = SIDE / LEVELS;
  const cells = Array.from(
    { length: LEVELS },
    (_, i) =>
      `<rect x="${left}" y="${round(TOP + SIDE - step * (i + 1))}" width="${BAR}" height="${round(step + 0.5)}" fill="${colourAt(i / (LEVELS - 1))}"/>`,
  );
  const marks = Array.from({ length: 7 }, (_, i) => {
    const share = i / 6;
    const y = TOP + SIDE * (1 - share);
    const words = `${i === 6 && cut ? '≥ ' : ''}${digits(10 ** (low + share * (high - low)))}`;
    return text(left + BAR + 8, y + 4, words, `fill="${MUTED}"`);
  });
  const frame = `<rect x="${left}" y="${TOP}" width="${BAR}" height="${SIDE}" fill="none" stroke="${INK}" stroke-opacity=".5"/>`;
  return [...cells, frame, ...marks, text(left, TOP - 12, 'loss, log scale', `fill="${INK}"`)].join('\n');
}

/** How far the path is from the plane, below the picture. */
function distances({ path }: Landscape): string {
  const { distance, steps } = path!;
  const [top, height] = [TOP + SIDE + 78, 76];
  const at = Array.from(distance, (_, i) => steps?.[i] ?? i);
  const most = Math.max(...distance) || 1;
  const x = scale([at[0]!, at.at(-1)! > at[0]! ? at.at(-1)! : at[0]! + 1], [LEFT, LEFT + SIDE]);
  const y = scale([0, most], [top + height, top]);
  const points = Array.from(distance, (value, i): Point => [at[i]!, value]);
  return [
    text(LEFT, top - 8, 'distance of the path from this plane, in weights', `fill="${INK}"`),
    `<path d="M${LEFT} ${top + height}H${LEFT + SIDE}" stroke="${RULE}"/>`,
    `<path d="${pathOf(points, x, y)}" fill="none" stroke="${PATH}" stroke-width="1.8"/>`,
    ...[0, most].map((value) => text(LEFT - 9, y(value) + 4, digits(value), `fill="${MUTED}" text-anchor="end"`)),
    ...ticks(at[0]!, at.at(-1)!, 5).map((value) =>
      text(x(value), top + height + 18, String(value), `fill="${MUTED}" text-anchor="middle"`),
    ),
    text(LEFT + SIDE + 22, top + height + 18, steps ? 'step' : 'snapshot', `fill="${MUTED}"`),
  ].join('\n');
}

/** Logarithms of round numbers: decades, or with 2 and 5 between, or where even these are few evenly spaced ones. */
export function logTicks(low: number, high: number): number[] {
  for (const within of [[1], [1, 2, 5]]) {
    const all = Array.from({ length: Math.ceil(high) - Math.floor(low) + 1 }, (_, i) => Math.floor(low) + i);
    const marks = all.flatMap((power) => within.map((each) => power + Math.log10(each)));
    const shown = marks.filter((each) => each >= low && each <= high);
    if (shown.length >= 3) return shown;
  }
  return ticks(10 ** low, 10 ** high, 4)
    .filter((each) => each > 0)
    .map(Math.log10);
}

/** The loss along a line, and the accuracy. */
function curve(landscape: Landscape): string {
  const height = 320;
  const { x: xs, accuracy } = landscape;
  const { values, low, high } = logLoss(landscape);
  const x = scale([xs[0]!, xs.at(-1)!], [LEFT, LEFT + SIDE]);
  const room = 0.06 * (high - low);
  const y = scale([low - room, high + room], [TOP + height, TOP]);
  const points = values.map((value, i): Point => [xs[i]!, value]);
  const marks = logTicks(low, high);
  const share = scale([0, 1], [TOP + height, TOP]);
  const right = accuracy
    ? [
        `<path d="${pathOf(
          Array.from(accuracy, (value, i): Point => [xs[i]!, value]),
          x,
          share,
        )}" fill="none" stroke="${ACCURACY}" stroke-width="1.8" stroke-dasharray="5 3"/>`,
        ...[0, 0.25, 0.5, 0.75, 1].map((value) =>
          text(LEFT + SIDE + 9, share(value) + 4, `${100 * value} %`, `fill="${ACCURACY}"`),
        ),
        text(LEFT + SIDE + 9, TOP - 12, 'accuracy', `fill="${ACCURACY}"`),
      ]
    : [];
  return [
    ...marks.map((value) => `<path d="M${LEFT} ${round(y(value))}H${LEFT + SIDE}" stroke="${RULE}"/>`),
    `<path d="${pathOf(points, x, y)}" fill="none" stroke="${PATH}" stroke-width="2.2" stroke-linejoin="round"/>`,
    ...right,
    `<rect x="${LEFT}" y="${TOP}" width="${SIDE}" height="${height}" fill="none" stroke="${INK}" stroke-opacity=".5"/>`,
    axes(
      x,
      y,
      { x: ticks(xs[0]!, xs.at(-1)!, 5), y: [] },
      ['from the one (0) to the other (1)', 'loss, log scale'],
      height,
    ),
    ...marks.map((value) => text(LEFT - 9, y(value) + 4, digits(10 ** value), `fill="${MUTED}" text-anchor="end"`)),
  ].join('\n');
}
