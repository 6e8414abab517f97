/*
 * Newton's method with directions by conjugate gradients within a trust region, in float64, by the rules of shaders/optim/newton.
 */

/** Options of `newtonCg` and `gaussNewton`, with their defaults, and how long to go on. */
export interface ReferenceNewtonOptions {
  readonly products?: number;
  readonly radius?: number;
  readonly toleranceGrad?: number;
  /** Most directions. Default 1000. */
  readonly directions?: number;
  /** Most steps: a product of the Hessian each. Default no bound. */
  readonly rounds?: number;
  /** A unit in the last place of 1: what values of the objective can tell apart. Default 2^-52, of float64. */
  readonly ulp?: number;
}

/** Value and gradient at a point, and the product of the Hessian there with a vector. */
export type ReferenceBent = (x: Float64Array) => {
  readonly value: number;
  readonly gradient: ArrayLike<number>;
  product(v: Float64Array): ArrayLike<number>;
};

export interface ReferenceNewtonMinimum {
  /**
   * The point after each step, as the kernels count: a step is one product with the Hessian, and a direction is tried in the step behind
   * its last product, which begins the next, or where it is refused makes none.
   */
  readonly rounds: readonly { readonly x: Float64Array; readonly value: number }[];
  /** Directions that were taken, and those that were refused. */
  readonly iterations: number;
  readonly refused: number;
  readonly products: number;
  readonly x: Float64Array;
  readonly value: number;
  readonly gradMax: number;
  readonly stopped: 'gradient' | 'flat' | 'linesearch' | 'nonfinite' | undefined;
}

const FAILURES = 20;
const FLATNESS = 1e-6;
const LARGEST_RADIUS = 1e9;

const dot = (a: ArrayLike<number>, b: ArrayLike<number>) => {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
};
const largest = (a: ArrayLike<number>) => Array.from(a).reduce((most, value) => Math.max(most, Math.abs(value)), 0);
const along = (x: Float64Array, step: number, d: ArrayLike<number>): Float64Array =>
  x.map((value, i) => value + step * d[i]!);

/** A direction, what the quadratic model says it gains, and whether it ends at the edge of the region. */
interface Direction {
  readonly z: Float64Array;
  readonly predicted: number;
  readonly edge: boolean;
  readonly made: number;
}

/** Steihaug's truncated conjugate gradients (Nocedal & Wright, algorithm 7.2). */
function directionOf(
  g: ArrayLike<number>,
  product: (v: Float64Array) => ArrayLike<number>,
  radius: number,
  most: number,
): Direction {
  let z: Float64Array = new Float64Array(g.length);
  let r: Float64Array = Float64Array.from(g);
  let d: Float64Array = r.map((value) => -value);
  const norm = Math.sqrt(dot(g, g));
  const enough = Math.min(0.5, Math.sqrt(norm)) * norm;
  let edge = false;
  let made = 0;
  for (;;) {
    const h = product(d);
    made++;
    const [dd, dh, dz, rr] = [dot(d, d), dot(d, h), Math.max(dot(d, z), 0), dot(r, r)];
    const room = Math.max(radius ** 2 - dot(z, z), 0);
    const out = room / (dz + Math.sqrt(dz ** 2 + dd * room));
    const inside = dh > FLATNESS * Math.sqrt(dd * dot(h, h)) ? rr / dh : Number.POSITIVE_INFINITY;
    edge = !(inside < out);
    const step = edge ? out : inside;
    z = along(z, step, d);
    r = along(r, step, h);
    if (edge || made >= most || !(Math.sqrt(dot(r, r)) > enough)) break;
    const beta = dot(r, r) / rr;
    d = d.map((value, i) => beta * value - r[i]!);
  }
  return { z, predicted: -0.5 * (dot(g, z) + dot(r, z)), edge, made };
}

/**
 * Minimizes in float64, from `start`.
 *
 * @example referenceNewton((x) => ({ value: x[0]! ** 2, gradient: [2 * x[0]!], product: (v) => [2 * v[0]!] }), [3])
 */
export function referenceNewton(
  objective: ReferenceBent,
  start: ArrayLike<number>,
  options: ReferenceNewtonOptions = {},
): ReferenceNewtonMinimum {
  const { products: most = 20, toleranceGrad = 1e-5, directions = 1000, ulp = 2 ** -52 } = options;
  const longest = options.rounds ?? Number.POSITIVE_INFINITY;
  const rounds: ReferenceNewtonMinimum['rounds'][number][] = [];
  let { radius = 1 } = options;
  let x: Float64Array = Float64Array.from(start);
  let here = objective(x);
  let [iterations, refused, products, failures, flats] = [0, 0, 0, 0, 0];
  const end = (stopped: ReferenceNewtonMinimum['stopped']): ReferenceNewtonMinimum => {
    const gradMax = largest(here.gradient);
    // The step that found it: it tried the last direction, or only looked. A refusal is there already.
    if (stopped === 'gradient' || stopped === 'nonfinite') rounds.push({ x, value: here.value });
    return { rounds: rounds.slice(0, longest), iterations, refused, products, x, value: here.value, gradMax, stopped };
  };
  const finite = ({ value, gradient }: typeof here) => Number.isFinite(value + dot(gradient, gradient));
  if (!finite(here)) return end('nonfinite');
  for (let k = 0; k < directions && rounds.length < longest; k++) {
    if (largest(here.gradient) <= toleranceGrad) return end('gradient');
    const { z, predicted, edge, made } = directionOf(here.gradient, here.product, radius, most);
    products += made;
    for (let step = 0; step < made; step++) rounds.push({ x, value: here.value });
    const norm = Math.sqrt(dot(z, z));
    const there = objective(along(x, 1, z));
    const noise = 4 * ulp * Math.max(Math.abs(here.value), Math.abs(there.value));
    const fall = here.value - there.value;
    let taken = false;
    if (!finite(there)) radius = 0.25 * norm;
    else if (predicted > noise) {
      taken = fall > 1e-4 * predicted;
      if (fall < 0.25 * predicted) radius = 0.25 * norm;
      else if (fall > 0.75 * predicted && edge) radius = Math.min(2 * radius, LARGEST_RADIUS);
    } else {
      taken = fall >= -noise && dot(there.gradient, there.gradient) < dot(here.gradient, here.gradient);
      if (!taken) {
        flats++;
        radius = 0.25 * norm;
      }
    }
    if (!taken) {
      refused++;
      // The step that tried it made no product: there is no gradient at x to begin with.
      rounds.push({ x, value: here.value });
      if (flats >= 2) return end('flat');
      if (++failures >= FAILURES) return end('linesearch');
      continue;
    }
    [x, here] = [along(x, 1, z), there];
    [failures, flats] = [0, 0];
    iterations++;
  }
  return end(undefined);
}
