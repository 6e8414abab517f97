import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { colorOf, dashOf, LOOKS } from '../../app/charts/palette.js';
import { LOG_MEASURE, linearMeasure, linearTicks, logTicks, tickTexts } from '../../app/charts/ticks.js';

/* The look of charts, as far as it is numbers and texts. */

type Rgb = readonly [number, number, number];

const linear = (hex: string): Rgb =>
  [1, 3, 5].map((at) => {
    const share = Number.parseInt(hex.slice(at, at + 2), 16) / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  }) as unknown as Rgb;

const luminance = ([r, g, b]: Rgb) => 0.2126 * r + 0.7152 * g + 0.0722 * b;
function contrast(a: Rgb, b: Rgb): number {
  const [dark, light] = [luminance(a), luminance(b)].sort((x, y) => x - y) as [number, number];
  return (light + 0.05) / (dark + 0.05);
}

/** OKLab (Ottosson 2020). */
function lab([r, g, b]: Rgb): Rgb {
  const l = Math.cbrt(0.4122214708 * r + 0.5363325363 * g + 0.0514459929 * b);
  const m = Math.cbrt(0.2119034982 * r + 0.6806995451 * g + 0.1073969566 * b);
  const s = Math.cbrt(0.0883024619 * r + 0.2817188376 * g + 0.6299787005 * b);
  return [
    0.2104542553 * l + 0.793617785 * m - 0.0040720468 * s,
    1.9779984951 * l - 2.428592205 * m + 0.4505937099 * s,
    0.0259040371 * l + 0.7827717662 * m - 0.808675766 * s,
  ];
}

/** What is seen without one kind of cone (Machado, Oliveira and Fernandes 2009, severity 1). */
const SIGHTS: Readonly<Record<string, readonly Rgb[]>> = {
  usual: [
    [1, 0, 0],
    [0, 1, 0],
    [0, 0, 1],
  ],
  protanopia: [
    [0.152286, 1.052583, -0.204868],
    [0.114503, 0.786281, 0.099216],
    [-0.003882, -0.048116, 1.051998],
  ],
  deuteranopia: [
    [0.367322, 0.860646, -0.227968],
    [0.280085, 0.672501, 0.047413],
    [-0.01182, 0.04294, 0.968881],
  ],
  tritanopia: [
    [1.255528, -0.076749, -0.178779],
    [-0.078411, 0.930809, 0.147602],
    [0.004733, 0.691367, 0.3039],
  ],
};
const seen = (sight: readonly Rgb[], color: Rgb): Rgb =>
  sight.map((row) =>
    Math.min(1, Math.max(0, row[0] * color[0] + row[1] * color[1] + row[2] * color[2])),
  ) as unknown as Rgb;

const [light, dark] = readFileSync('app/style/base.css', 'utf8').split('@media (prefers-color-scheme: dark)') as [
  string,
  string,
];
const colorIn = (css: string, name: string): Rgb => linear(new RegExp(`${name}: (#[0-9a-f]{6})`).exec(css)![1]!);

test.each([
  ['light', light],
  ['dark', dark],
])('the colours of runs in the %s scheme stand out from the page and from each other, however one sees', (_, css) => {
  const colors = Array.from({ length: LOOKS }, (_, look) => colorIn(css, colorOf(look)));
  for (const color of colors) expect(contrast(color, colorIn(css, '--card'))).toBeGreaterThan(3);
  for (const [name, sight] of Object.entries(SIGHTS)) {
    const places = colors.map((color) => lab(seen(sight, color)));
    for (let i = 0; i < LOOKS; i++)
      for (let j = 0; j < i; j++) {
        const distance = Math.hypot(...places[i]!.map((value, k) => value - places[j]![k]!));
        expect(distance, `${name}: ${i} and ${j}`).toBeGreaterThan(0.07);
      }
  }
});

test('no two runs have the same dash', () => {
  expect(new Set(Array.from({ length: LOOKS }, (_, look) => dashOf(look).join())).size).toBe(LOOKS);
});

test('axis labels are short, apart and right from 1e-38 to 1e38, linear and logarithmic', () => {
  const power = fc.double({ min: -38, max: 38, noNaN: true });
  fc.assert(
    fc.property(
      power,
      fc.double({ min: 0, max: 1, noNaN: true }),
      fc.integer({ min: 2, max: 12 }),
      (at, part, most) => {
        // As a linear axis has it: from 0 or from a part of the largest value, at least a thousandth of it wide.
        const [low, high] = [part > 0.999 ? 0 : part * 10 ** at, 10 ** at];
        const measure = linearMeasure(high);
        const values = linearTicks(measure.plot(low)!, measure.plot(high)!, most).map((each) => measure.value(each));
        const texts = tickTexts(values);
        expect(new Set(texts).size).toBe(values.length);
        for (const [i, text] of texts.entries()) {
          expect(text.length).toBeLessThanOrEqual(10);
          expect(Math.abs(Number(text.replaceAll(',', '')) - values[i]!)).toBeLessThanOrEqual(1e-3 * high);
        }
      },
    ),
    { numRuns: 500 },
  );
  fc.assert(
    fc.property(power, power, fc.integer({ min: 2, max: 12 }), (a, b, most) => {
      const [low, high] = [Math.min(a, b), Math.max(a, b) + 0.05];
      const ticks = logTicks(low, high, most);
      expect(ticks.length).toBeGreaterThanOrEqual(1);
      expect(ticks.length).toBeLessThanOrEqual(most + 8);
      for (const tick of ticks) expect(tick).toBeGreaterThanOrEqual(low - 1e-6);
      // Within a twentieth of a decade they are those of a linear axis: 1.025e-38.
      for (const text of tickTexts(ticks.map((tick) => LOG_MEASURE.value(tick))))
        expect(text.length).toBeLessThanOrEqual(10);
    }),
    { numRuns: 500 },
  );
});

test('axis labels read as people write numbers', () => {
  expect(tickTexts([0, 0.5, 1, 1.5])).toEqual(['0', '0.5', '1', '1.5']);
  expect(tickTexts([0, 20000, 40000])).toEqual(['0', '20,000', '40,000']);
  expect(tickTexts([1e-38, 2e-38])).toEqual(['1e-38', '2e-38']);
  expect(tickTexts([0.001, 0.1, 10, 1e6])).toEqual(['0.001', '0.1', '10', '1e6']);
  expect(tickTexts([0.97, 0.975, 0.98])).toEqual(['0.97', '0.975', '0.98']);
  expect(logTicks(-38, 38, 8)).toEqual([-30, -20, -10, 0, 10, 20, 30]);
});
