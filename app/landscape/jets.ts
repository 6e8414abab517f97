import { type Expression, FormulaError } from './formula.js';

/*
 * Value, gradient and Hessian of a formula at once, exactly: every operation passes on the first and second derivatives by x and y with
 * the value (hyper-dual numbers).
 */

/** (f, ∂x, ∂y, ∂xx, ∂xy, ∂yy). */
export type Jet = Float64Array;

/** A formula that can be evaluated. */
export interface Compiled {
  value(x: number, y: number): number;
  /** The same array at every call. */
  jet(x: number, y: number): Readonly<Jet>;
}

/** f, f' and f'' of a function of one number. */
type Derivatives = (u: number) => readonly [f: number, first: number, second: number];

const LN2 = Math.LN2;
const LN10 = Math.LN10;

const UNARY: Readonly<Record<string, Derivatives>> = {
  negative: (u) => [-u, -1, 0],
  sin: (u) => [Math.sin(u), Math.cos(u), -Math.sin(u)],
  cos: (u) => [Math.cos(u), -Math.sin(u), -Math.cos(u)],
  tan: (u) => {
    const t = Math.tan(u);
    return [t, 1 + t * t, 2 * t * (1 + t * t)];
  },
  asin: (u) => [Math.asin(u), (1 - u * u) ** -0.5, u * (1 - u * u) ** -1.5],
  acos: (u) => [Math.acos(u), -((1 - u * u) ** -0.5), -u * (1 - u * u) ** -1.5],
  atan: (u) => [Math.atan(u), 1 / (1 + u * u), (-2 * u) / (1 + u * u) ** 2],
  sinh: (u) => [Math.sinh(u), Math.cosh(u), Math.sinh(u)],
  cosh: (u) => [Math.cosh(u), Math.sinh(u), Math.cosh(u)],
  tanh: (u) => {
    const t = Math.tanh(u);
    return [t, 1 - t * t, -2 * t * (1 - t * t)];
  },
  exp: (u) => [Math.exp(u), Math.exp(u), Math.exp(u)],
  log: (u) => [Math.log(u), 1 / u, -1 / (u * u)],
  ln: (u) => [Math.log(u), 1 / u, -1 / (u * u)],
  log2: (u) => [Math.log2(u), 1 / (u * LN2), -1 / (u * u * LN2)],
  log10: (u) => [Math.log10(u), 1 / (u * LN10), -1 / (u * u * LN10)],
  sqrt: (u) => [Math.sqrt(u), 0.5 / Math.sqrt(u), -0.25 / (u * Math.sqrt(u))],
  cbrt: (u) => [Math.cbrt(u), 1 / (3 * Math.cbrt(u) ** 2), -2 / (9 * u * Math.cbrt(u) ** 2)],
  // At the kink the slope between those beside it.
  abs: (u) => [Math.abs(u), Math.sign(u), 0],
  reciprocal: (u) => [1 / u, -1 / (u * u), 2 / (u * u * u)],
};

const BINARY: Readonly<Record<string, (a: number, b: number) => number>> = {
  '+': (a, b) => a + b,
  '-': (a, b) => a - b,
  '*': (a, b) => a * b,
  '/': (a, b) => a / b,
  '^': (a, b) => a ** b,
  pow: (a, b) => a ** b,
  min: Math.min,
  max: Math.max,
};

type Evaluate = (x: number, y: number) => number;

function evaluate(node: Expression): Evaluate {
  if (node.kind === 'number') return () => node.value;
  if (node.kind === 'variable') return node.name === 'x' ? (x) => x : (_, y) => y;
  const [a, b] = node.of.map(evaluate);
  const binary = b && BINARY[node.name];
  if (a && binary) return (x, y) => binary(a(x, y), b(x, y));
  const unary = UNARY[node.name]!;
  return (x, y) => unary(a!(x, y))[0];
}

/** A node with its jet, which `run` writes. */
interface Step {
  readonly jet: Jet;
  readonly run: (x: number, y: number) => void;
}

const constant = (node: Expression): boolean =>
  node.kind === 'number' || (node.kind === 'call' && node.of.every(constant));

function stepOf(node: Expression): Step {
  const jet = new Float64Array(6);
  if (node.kind === 'number') {
    jet[0] = node.value;
    return { jet, run() {} };
  }
  if (node.kind === 'variable') {
    const i = node.name === 'x' ? 0 : 1;
    jet[1 + i] = 1;
    return {
      jet,
      run(x, y) {
        jet[0] = i === 0 ? x : y;
      },
    };
  }
  const [a, b] = node.of.map(stepOf);
  if (!b) return { jet, run: then([a!], () => chain(jet, a!.jet, UNARY[node.name]!)) };
  return { jet, run: then([a!, b], combine(node, jet, a!.jet, b.jet)) };
}

const then =
  (steps: readonly Step[], own: () => void): Step['run'] =>
  (x, y) => {
    for (const { run } of steps) run(x, y);
    own();
  };

/** What a call of two makes of their jets. */
function combine(node: Extract<Expression, { kind: 'call' }>, jet: Jet, a: Jet, b: Jet): () => void {
  const { name } = node;
  if (name === '+' || name === '-') {
    const sign = name === '+' ? 1 : -1;
    return () => {
      for (let i = 0; i < 6; i++) jet[i] = a[i]! + sign * b[i]!;
    };
  }
  if (name === '*') return () => multiply(jet, a, b);
  if (name === 'min' || name === 'max') {
    return () => jet.set(BINARY[name]!(a[0]!, b[0]!) === a[0] ? a : b);
  }
  const helper = new Float64Array(6);
  if (name === '/') {
    return () => {
      chain(helper, b, UNARY.reciprocal!);
      multiply(jet, a, helper);
      jet[0] = a[0]! / b[0]!; // to the last digit
    };
  }
  // A power: of a constant exponent also where the base is negative or 0.
  if (constant(node.of[1]!)) return () => chain(jet, a, powerOf(b[0]!));
  const product = new Float64Array(6);
  return () => {
    chain(helper, a, UNARY.log!);
    multiply(product, b, helper);
    chain(jet, product, UNARY.exp!);
    jet[0] = a[0]! ** b[0]!;
  };
}

/** A factor of 0 is 0, also of what is infinite. */
const times = (factor: number, value: () => number) => (factor === 0 ? 0 : factor * value());

const powerOf =
  (c: number): Derivatives =>
  (u) => [u ** c, times(c, () => u ** (c - 1)), times(c * (c - 1), () => u ** (c - 2))];

function chain(jet: Jet, u: Jet, derivatives: Derivatives): void {
  const [f, first, second] = derivatives(u[0]!);
  const [, ux, uy, uxx, uxy, uyy] = u as unknown as readonly [number, number, number, number, number, number];
  jet[0] = f;
  // What does not change has no slope, whatever the function's is there.
  jet[1] = times(ux, () => first);
  jet[2] = times(uy, () => first);
  jet[3] = times(ux * ux, () => second) + times(uxx, () => first);
  jet[4] = times(ux * uy, () => second) + times(uxy, () => first);
  jet[5] = times(uy * uy, () => second) + times(uyy, () => first);
}

function multiply(jet: Jet, a: Jet, b: Jet): void {
  const [f, ax, ay, axx, axy, ayy] = a as unknown as readonly [number, number, number, number, number, number];
  const [g, bx, by, bxx, bxy, byy] = b as unknown as readonly [number, number, number, number, number, number];
  jet[0] = f * g;
  jet[1] = ax * g + f * bx;
  jet[2] = ay * g + f * by;
  jet[3] = axx * g + 2 * ax * bx + f * bxx;
  jet[4] = axy * g + ax * by + ay * bx + f * bxy;
  jet[5] = ayy * g + 2 * ay * by + f * byy;
}

export function compile(expression: Expression): Compiled {
  const value = evaluate(expression);
  const { jet, run } = stepOf(expression);
  return {
    value,
    jet(x, y) {
      run(x, y);
      return jet;
    },
  };
}

/**
 * Refuses a place where a formula has no value, or no slope, with the operation that is to blame.
 *
 * @throws FormulaError
 */
export function checkPlace(expression: Expression, x: number, y: number): void {
  const where = `at the start (${x}, ${y})`;
  const fix = 'Start elsewhere, or change the formula.';
  const culprit = firstWithout(expression, (node) => Number.isFinite(evaluate(node)(x, y)));
  if (culprit) {
    const given = culprit.kind === 'call' ? culprit.of.map((node) => evaluate(node)(x, y)) : [];
    throw new FormulaError(`${reasonOf(culprit, given)} ${where}.`, fix, culprit.at);
  }
  const slopeless = firstWithout(expression, (node) => {
    const { jet, run } = stepOf(node);
    run(x, y);
    return Number.isFinite(jet[1]! + jet[2]!);
  });
  if (slopeless) throw new FormulaError(`The slope is not finite here, ${where}.`, fix, slopeless.at);
}

/** The innermost part for which something does not hold. */
function firstWithout(node: Expression, holds: (node: Expression) => boolean): Expression | undefined {
  if (holds(node)) return undefined;
  if (node.kind !== 'call') return node;
  for (const each of node.of) {
    const inside = firstWithout(each, holds);
    if (inside) return inside;
  }
  return node;
}

function reasonOf(node: Expression, [a = 0, b = 0]: readonly number[]): string {
  if (node.kind !== 'call') return 'This is not finite';
  const { name } = node;
  if (name === '/' && b === 0) return 'The formula divides by 0';
  if (name.startsWith('log') || name === 'ln') return `${name} of ${a} is taken, which must be above 0,`;
  if (name === 'sqrt' && a < 0) return `The square root of ${a} is taken`;
  if ((name === '^' || name === 'pow') && a === 0 && b < 0) return `0 is raised to ${b}: the formula divides by 0`;
  if ((name === '^' || name === 'pow') && a < 0) return `${a} is raised to ${b}, which is no whole number,`;
  if (name === 'asin' || name === 'acos') return `${name} of ${a} is taken, which must be between -1 and 1,`;
  return 'This is too large to hold';
}
