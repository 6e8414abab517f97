import { Parser } from 'expr-eval-fork';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type FormulaError, parseFormula } from '../../app/landscape/formula.js';
import { checkPlace, compile } from '../../app/landscape/jets.js';

/* Formulas of one's own: values against JavaScript's, derivatives against differences, and where mistakes are pointed at. */

const at = (text: string, x: number, y: number) => compile(parseFormula(text)).value(x, y);

/** An expression as the page's text and as JavaScript. */
interface Both {
  readonly ours: string;
  readonly js: string;
}

const FUNCTIONS = ['sin', 'cos', 'tanh', 'exp', 'atan', 'sqrt', 'abs', 'log', 'cbrt'];
const { whole } = fc.letrec<{ whole: Both }>((tie) => ({
  whole: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.constantFrom({ ours: 'x', js: 'x' }, { ours: 'y', js: 'y' }, { ours: 'pi', js: 'Math.PI' }),
    fc.double({ min: 0, max: 9, noNaN: true }).map((value) => {
      const text = value.toFixed(3);
      return { ours: text, js: text };
    }),
    fc.tuple(tie('whole'), fc.constantFrom('+', '-', '*', '/', '^'), tie('whole')).map(([a, sign, b]) => ({
      ours: `(${a.ours})${sign}(${b.ours})`,
      js: `((${a.js})${sign === '^' ? '**' : sign}(${b.js}))`,
    })),
    fc.tuple(fc.constantFrom(...FUNCTIONS), tie('whole')).map(([name, a]) => ({
      ours: `${name}(${a.ours})`,
      js: `Math.${name}(${a.js})`,
    })),
    tie('whole').map((a) => ({ ours: `-(${a.ours})`, js: `(-(${a.js}))` })),
  ),
}));
const place = fc.double({ min: -4, max: 4, noNaN: true });

describe('values', () => {
  it('are those of JavaScript, to the bit', () => {
    fc.assert(
      fc.property(whole, place, place, ({ ours, js }, x, y) => {
        fc.pre(ours.length <= 900);
        expect(at(ours, x, y)).toBe(new Function('x', 'y', `return ${js}`)(x, y));
      }),
      { numRuns: 500 },
    );
  });

  it.each([
    '-x^2',
    '2^-x',
    '2^3^2',
    '-2^2',
    '2 - 3 - 4',
    '24/4/3*2',
    '1 + 2*x^2/3 - y',
    '-(x + 1)*-y',
    'max(x, y) - min(x, 2)',
    'x*x*x - 3*x*y^2',
    '1e3*x + .5 - 2.',
  ])('have the precedence of another parser: %s', (text) => {
    expect(at(text, 1.5, -0.7)).toBe(new Parser().evaluate(text.replace('2.', '2.0'), { x: 1.5, y: -0.7 }));
  });

  it.each([
    ['W1²/64 + W2²', 49 / 64 + 4],
    ['L = W1²/64 + W2²', 49 / 64 + 4],
    ['f(x, y) = x²/64 + y²', 49 / 64 + 4],
    ['100(y - x^2)^2 + (1 - x)^2', 100 * (2 - 49) ** 2 + 64],
    [
      '(1.5 - x + xy)² + (2.25 - x + xy²)² + (2.625 - x + xy³)²',
      5.5 ** 2 * 0 + (1.5 + 7 - 14) ** 2 + (2.25 + 7 - 28) ** 2 + (2.625 + 7 - 56) ** 2,
    ],
    ['2x y', -28],
    ['x(y + 1)', -21],
    ['x⋅y'.replace('⋅', '·'), -14],
    ['x × y − 1', -15],
    ['x**2', 49],
    ['2sin(pi/2)', 2],
    ['2e', 2 * Math.E],
    ['[x + 1]·y', -12],
  ])('are of what people write: %s', (text, expected) => {
    expect(at(text, -7, 2)).toBeCloseTo(expected, 10);
  });
});

describe('derivatives', () => {
  /** Five points: what is left out is of the fourth power of the step. */
  const slope = (f: (t: number) => number, h = 1e-3) => (f(-2 * h) - 8 * f(-h) + 8 * f(h) - f(2 * h)) / (12 * h);

  it.each([
    'x²/64 + y²',
    '100(y - x^2)^2 + (1 - x)^2',
    'sin(x)*cos(2y) + tan(x*y/5)',
    'exp(-x^2 - y^2) + tanh(x - y)',
    'log(x^2 + 1) + ln(y + 5) + log2(x + 9) + log10(y + 7)',
    'sqrt(x^2 + y^2 + 1) + cbrt(x + 20)',
    'asin(x/9) + acos(y/8) + atan(x*y)',
    'sinh(x/2) - cosh(y/3)',
    'x^y + 2^x + pow(y, 3)',
    '(x + y)/(1 + x^2)',
    'abs(x - 30) + max(x, y + 40) + min(x, y + 40)',
    'x^0 + x^1 + x^-2 - -y',
  ])('agree with differences: %s', (text) => {
    const { value, jet } = compile(parseFormula(text));
    for (const [x, y] of [
      [1.3, 0.7],
      [0.4, 1.9],
      [2.1, 0.3],
    ] as const) {
      const [f, fx, fy, fxx, fxy, fyy] = [...jet(x, y)] as [number, number, number, number, number, number];
      const partial = (i: 1 | 2) => (dx: number, dy: number) => jet(x + dx, y + dy)[i]!;
      const size = 1 + Math.abs(f) + Math.abs(fx) + Math.abs(fy) + Math.abs(fxx) + Math.abs(fyy);
      expect(f).toBeCloseTo(value(x, y), 12);
      expect(Math.abs(fx - slope((t) => value(x + t, y)))).toBeLessThan(1e-8 * size);
      expect(Math.abs(fy - slope((t) => value(x, y + t)))).toBeLessThan(1e-8 * size);
      expect(Math.abs(fxx - slope((t) => partial(1)(t, 0)))).toBeLessThan(1e-8 * size);
      expect(Math.abs(fxy - slope((t) => partial(1)(0, t)))).toBeLessThan(1e-8 * size);
      expect(Math.abs(fxy - slope((t) => partial(2)(t, 0)))).toBeLessThan(1e-8 * size);
      expect(Math.abs(fyy - slope((t) => partial(2)(0, t)))).toBeLessThan(1e-8 * size);
    }
  });

  it('are exact where a formula has polynomials', () => {
    expect([...compile(parseFormula('x^3 - 3x y²')).jet(2, -3)]).toEqual([8 - 54, 12 - 27, 36, 12, 18, -12]);
    // At 0, where x^(c - 2) is infinite and its factor 0.
    expect([...compile(parseFormula('x^2 + x + 3')).jet(0, 0)]).toEqual([3, 1, 0, 2, 0, 0]);
    expect([...compile(parseFormula('x^1')).jet(0, 0)]).toEqual([0, 1, 0, 0, 0, 0]);
    // A constant has no slope, whatever its function's is.
    expect([...compile(parseFormula('sqrt(0) + x')).jet(1, 1)]).toEqual([1, 1, 0, 0, 0, 0]);
  });
});

/** Where the caret stands under a text, and what is said. */
function mistake(work: () => unknown): FormulaError {
  try {
    work();
  } catch (error) {
    return error as FormulaError;
  }
  throw new Error('nothing was refused');
}

describe('refuses', () => {
  it.each([
    ['', 0, /no formula/],
    ['   ', 0, /no formula/],
    ['x +', 3, /ends too early/],
    ['x + * y', 4, /'\*' is not expected/],
    ['x ^', 3, /ends too early/],
    ['(x + 1', 0, /not closed/],
    ['2*(x + (y - 1)', 2, /not closed/],
    ['x + 1)', 5, /not opened/],
    ['x 2', 2, /'2' is not expected/],
    ['x $ y', 2, /means nothing/],
    ['x.constructor', 1, /means nothing/],
    ['alert(1)', 0, /'alert' is not known/],
    ['constructor', 0, /not known/],
    ['__proto__', 0, /not known/],
    ['x + sni(y)', 4, /'sni' is not known/],
    ['sin x', 4, /brackets/],
    ['sin()', 4, /is not expected/],
    ['min(x)', 0, /two numbers, got 1/],
    ['sin(x, y)', 0, /one number, got 2/],
    ['x = y == 2', 6, /means nothing|not expected/],
    ['z^2', 0, /'z' is not known/],
    [`${'('.repeat(200)}x${')'.repeat(200)}`, 61, /nested/],
    ['x'.repeat(1001), 1000, /1001 characters/],
  ])('%j, and points at place %i', (text, place, words) => {
    const error = mistake(() => parseFormula(text));
    expect(error.name).toBe('FormulaError');
    expect(error.message).toMatch(words);
    expect(error.at).toBe(place);
    expect(error.fix).toMatch(/[.?]$/);
  });

  it('and suggests a name', () => {
    expect(mistake(() => parseFormula('x + sni(y)')).fix).toContain("'sin'");
  });

  it.each([
    ['1/x', 0, 1, 1, /divides by 0 at the start \(0, 1\)/],
    ['y + 1/(x - 2)', 2, 1, 5, /divides by 0/],
    ['x^-1', 0, 1, 1, /divides by 0/],
    ['2 + log(x)', -1, 0, 4, /log of -1/],
    ['sqrt(x)', -4, 0, 0, /square root of -4/],
    ['x^0.5', -4, 0, 1, /no whole number/],
    ['exp(x)', 1000, 0, 0, /too large/],
    ['asin(x)', 2, 0, 0, /between -1 and 1/],
    ['x + sqrt(y)', 1, 0, 4, /slope/],
  ])('%j at (%d, %d), and points at place %i', (text, x, y, place, words) => {
    const error = mistake(() => checkPlace(parseFormula(text), x, y));
    expect(error.message).toMatch(words);
    expect(error.at).toBe(place);
  });

  it('nothing that has a value and a slope', () => {
    checkPlace(parseFormula('1/x + log(y)'), 1, 2);
    checkPlace(parseFormula('abs(x)'), 0, 0);
  });

  it('no text with anything but a FormulaError', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(...'xy12.()+-*/^, πesin²'), maxLength: 40 }), (text) => {
        try {
          const { value, jet } = compile(parseFormula(text));
          expect(typeof value(1, 2)).toBe('number');
          expect(jet(1, 2)).toHaveLength(6);
        } catch (error) {
          expect((error as Error).name).toBe('FormulaError');
          expect((error as FormulaError).at).toBeGreaterThanOrEqual(0);
          expect((error as FormulaError).at).toBeLessThanOrEqual(text.length);
        }
      }),
      { numRuns: 2000 },
    );
  });
});
