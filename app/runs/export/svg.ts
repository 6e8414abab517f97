import { LOG_MEASURE, linearMeasure, linearTicks, logTicks, type Measure, tickTexts } from '../../charts/ticks.js';
import { loss, percent } from '../../shell/format.js';
import type { Run } from '../run.js';

/* A run's chart as a picture that stands for itself: with its title, caption and axes, in the light colours. */

const SIZE = { width: 960, height: 560 } as const;
const PLOT = { left: 72, right: 932, top: 128, bottom: 508 } as const;
const INK = { text: '#16202e', muted: '#566273', grid: '#e8ecf1', curve: '#2557d6', range: '#2557d6', test: '#b4530a' };
/** Losses over more than this factor read better on a logarithmic axis. */
const LOG_FROM = 20;
/** Characters of the caption that fit in a line. */
const CAPTION = 132;

export const svgSize = SIZE;

/** Everything in a text is written as text: a name may hold markup. */
const escaped = (text: string): string =>
  text.replace(/[&<>"']/g, (sign) => `&#${sign.charCodeAt(0)};`).replace(/[^\t\n\r\u0020-\ud7ff\ue000-\ufffd]/g, ' ');

interface Scales {
  readonly x: (value: number) => number;
  /** Undefined where the value has no place. */
  readonly y: (value: number | null) => number | undefined;
}

export function svgOf(run: Run): string {
  const { history, tests } = run;
  const values = [...history.low, ...history.high, ...tests.map((test) => test.loss)].filter(
    (value): value is number => value !== null && Number.isFinite(value),
  );
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const log = low > 0 && high / low > LOG_FROM;
  const { scales, parts } = axes(run, values.length > 0 ? [low, high] : [0, 1], log);
  const course = path(history.steps, history.smooth, scales);
  const tested = path(
    tests.map(({ step }) => step),
    tests.map((test) => test.loss),
    scales,
  );
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${SIZE.width} ${SIZE.height}" width="${SIZE.width}" height="${SIZE.height}" font-family="system-ui, 'Segoe UI', Helvetica, Arial, sans-serif" font-size="13">`,
    `<title>${escaped(`${run.name}: loss by step`)}</title>`,
    `<rect width="${SIZE.width}" height="${SIZE.height}" fill="#ffffff"/>`,
    ...heading(run),
    ...parts,
    `<path d="${band(run, scales)}" fill="${INK.range}" fill-opacity="0.25" stroke="${INK.range}" stroke-opacity="0.25" stroke-width="1"/>`,
    `<path d="${course}" fill="none" stroke="${INK.curve}" stroke-width="2.25" stroke-linejoin="round"/>`,
    `<path d="${tested}" fill="none" stroke="${INK.test}" stroke-width="1.75" stroke-dasharray="5 4"/>`,
    ...run.marks.map(({ step, text }) => mark(scales.x(step), text)),
    '</svg>',
    '',
  ].join('\n');
}

function heading({ name, about, tests, history, step }: Run): string[] {
  const last = tests.at(-1);
  const verdict = [
    `loss ${loss(history.loss)}`,
    ...(last ? [`test loss ${loss(last.loss)}`] : []),
    ...(last?.accuracy === undefined ? [] : [`test accuracy ${percent(last.accuracy)}`]),
    `after ${step} steps`,
  ].join(', ');
  const lines = [verdict, ...lined(about.caption)].slice(0, 4);
  return [
    `<text x="24" y="36" font-size="19" font-weight="600" fill="${INK.text}">${escaped(name)}</text>`,
    ...lines.map((line, i) => `<text x="24" y="${58 + 18 * i}" fill="${INK.muted}">${escaped(line)}</text>`),
    key(PLOT.right - 262, INK.curve, 'smoothed', ''),
    key(PLOT.right - 140, INK.test, 'on the test data', 'stroke-dasharray="5 4"'),
  ];
}

const key = (x: number, color: string, text: string, dash: string) =>
  `<path d="M${x} 116h24" stroke="${color}" stroke-width="2.5" ${dash}/><text x="${x + 32}" y="120" fill="${INK.text}">${text}</text>`;

function lined(text: string): string[] {
  const lines: string[] = [''];
  for (const word of text.split(' ')) {
    const line = `${lines.at(-1)} ${word}`.trimStart();
    if (line.length <= CAPTION) lines[lines.length - 1] = line;
    else lines.push(word);
  }
  return lines;
}

/** The axes with their labels, and where values lie on them. */
function axes({ step, history }: Run, [low, high]: readonly [number, number], log: boolean) {
  const end = Math.max(step, history.steps.at(-1) ?? 1, 1);
  const measure: Measure = log ? LOG_MEASURE : linearMeasure(Math.max(Math.abs(low), Math.abs(high)));
  const floor = log ? low : Math.min(low, 0);
  const [bottom, top] = [measure.plot(floor)!, measure.plot(high)!];
  const height = top > bottom ? (top - bottom) * 1.04 : 1;
  const xOf = (value: number) => PLOT.left + ((PLOT.right - PLOT.left) * value) / end;
  const place = (plotted: number) => PLOT.bottom - ((PLOT.bottom - PLOT.top) * (plotted - bottom)) / height;
  const scales: Scales = {
    x: xOf,
    y: (value) => {
      const plotted = measure.plot(value);
      return plotted === null ? undefined : place(plotted);
    },
  };
  const marks = log ? logTicks(bottom, bottom + height, 8) : linearTicks(bottom, bottom + height, 8);
  const texts = tickTexts(marks.map((at) => measure.value(at)));
  const steps = linearTicks(0, end, 8);
  const stepTexts = tickTexts(steps);
  const parts = [
    ...marks.flatMap((at, i) => [
      `<path d="M${PLOT.left} ${fixed(place(at))}H${PLOT.right}" stroke="${INK.grid}"/>`,
      `<text x="${PLOT.left - 8}" y="${fixed(place(at) + 4)}" text-anchor="end" fill="${INK.muted}">${texts[i]}</text>`,
    ]),
    ...steps.map(
      (at, i) =>
        `<text x="${fixed(xOf(at))}" y="${PLOT.bottom + 20}" text-anchor="middle" fill="${INK.muted}">${stepTexts[i]}</text>`,
    ),
    `<text x="${(PLOT.left + PLOT.right) / 2}" y="${PLOT.bottom + 40}" text-anchor="middle" fill="${INK.muted}">step</text>`,
  ];
  return { scales, parts };
}

const fixed = (value: number): string => String(+value.toFixed(1));

/** A line with a gap where a value has no place. */
function path(steps: readonly number[], values: readonly (number | null)[], { x, y }: Scales): string {
  let pen = 'M';
  const parts: string[] = [];
  steps.forEach((step, i) => {
    const at = y(values[i] ?? null);
    if (at !== undefined) parts.push(`${pen}${fixed(x(step))} ${fixed(at)}`);
    pen = at === undefined ? 'M' : 'L';
  });
  return parts.join('');
}

/** From the lowest to the highest loss of each point. */
function band({ history }: Run, { x, y }: Scales): string {
  const known = history.steps.map((_, i) => i).filter((i) => y(history.low[i]!) !== undefined);
  if (known.length === 0) return '';
  const side = (indices: readonly number[], values: readonly (number | null)[]) =>
    indices.map((i) => `${fixed(x(history.steps[i]!))} ${fixed(y(values[i]!)!)}`).join('L');
  return `M${side(known, history.high)}L${side(known.toReversed(), history.low)}Z`;
}

const mark = (x: number, text: string) =>
  `<path d="M${fixed(x)} ${PLOT.top}V${PLOT.bottom}" stroke="${INK.muted}" stroke-dasharray="3 3"/>` +
  `<text x="${fixed(x + 4)}" y="${PLOT.top + 10}" font-size="11" fill="${INK.muted}">${escaped(text.slice(0, 40))}</text>`;
