/*
 * L-BFGS in float64, by the rules of shaders/optim/lbfgs: several step lengths at once, and the plain two-loop recursion on vectors
 * where the kernels have products of them.
 */

/** Options of `lbfgs`, with its defaults, and how long to go on. */
export interface ReferenceLbfgsOptions {
  readonly lr?: number;
  readonly history?: number;
  readonly lineSearch?: 'strong-wolfe' | 'armijo' | 'none';
  readonly trials?: number;
  readonly toleranceGrad?: number;
  readonly toleranceChange?: number;
  readonly convention?: 'pytorch' | 'optax';
  /** Most rounds. Default 1000. */
  readonly rounds?: number;
  /** A unit in the last place of 1: what values of the objective can tell apart. Default 2^-52, of float64. */
  readonly ulp?: number;
}

/** Value and gradient at a point. */
export type ReferenceObjective = (x: Float64Array) => { readonly value: number; readonly gradient: ArrayLike<number> };

/** What a round left. */
export interface ReferenceRound {
  readonly value: number;
  readonly x: Float64Array;
  /** Length of the step that was taken; 0 where none was. */
  readonly step: number;
}

export interface ReferenceMinimum {
  readonly rounds: readonly ReferenceRound[];
  readonly iterations: number;
  readonly evaluations: number;
  readonly x: Float64Array;
  readonly value: number;
  readonly gradMax: number;
  readonly stopped: 'gradient' | 'flat' | 'linesearch' | 'nonfinite' | undefined;
}

const dot = (a: ArrayLike<number>, b: ArrayLike<number>) => {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
};
const largest = (a: ArrayLike<number>) => {
  let most = 0;
  for (let i = 0; i < a.length; i++) most = Math.max(most, Math.abs(a[i]!));
  return most;
};
const total = (a: ArrayLike<number>) => {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += Math.abs(a[i]!);
  return sum;
};
const along = (x: Float64Array, step: number, d: Float64Array) => x.map((value, i) => value + step * d[i]!);

interface Pair {
  readonly s: Float64Array;
  readonly y: Float64Array;
}

/** -H·g by the two loops (Nocedal & Wright, algorithm 7.4). */
function direction(g: ArrayLike<number>, pairs: readonly Pair[]): Float64Array<ArrayBuffer> {
  const d = Float64Array.from(g, (value) => -value);
  const alphas: number[] = [];
  for (const { s, y } of pairs.toReversed()) {
    const alpha = dot(s, d) / dot(s, y);
    alphas.unshift(alpha);
    for (let i = 0; i < d.length; i++) d[i] = d[i]! - alpha * y[i]!;
  }
  const last = pairs.at(-1);
  const gamma = last ? dot(last.s, last.y) / dot(last.y, last.y) : 1;
  for (let i = 0; i < d.length; i++) d[i] = d[i]! * gamma;
  for (const [k, { s, y }] of pairs.entries()) {
    const share = alphas[k]! - dot(y, d) / dot(s, y);
    for (let i = 0; i < d.length; i++) d[i] = d[i]! + share * s[i]!;
  }
  return d;
}

/** Steps in a geometric row around a base. */
const grid = (base: number, ratio: number, trials: number): number[] => {
  const longer = trials >= 8 ? 2 : trials >= 3 ? 1 : 0;
  return Array.from({ length: trials }, (_, j) => base * ratio ** (longer - j));
};

interface Tried {
  readonly step: number;
  readonly x: Float64Array;
  readonly value: number;
  readonly gradient: ArrayLike<number>;
  readonly slope: number;
}

/** Of the points tried the one to take, if any. */
function choose(
  tried: readonly Tried[],
  now: { readonly value: number; readonly slope: number },
  { lineSearch, ulp }: Required<ReferenceLbfgsOptions>,
): Tried | undefined {
  const { value, slope } = now;
  const usable = tried.filter((each) => {
    if (!Number.isFinite(each.value) || !Number.isFinite(each.slope)) return false;
    if (lineSearch === 'none') return true;
    const falls = each.value <= value + 1e-4 * each.step * slope;
    const level = each.value <= value + 4 * ulp * Math.abs(value) && each.slope <= -0.9998 * slope;
    return slope < 0 && (falls || level);
  });
  const flat = usable.filter((each) => lineSearch === 'strong-wolfe' && Math.abs(each.slope) <= 0.9 * Math.abs(slope));
  const best = flat.length > 0 ? flat : usable;
  return best.reduce<Tried | undefined>((a, b) => (a && a.value <= b.value ? a : b), undefined);
}

/** Minimizes an objective from a point on. */
export function referenceLbfgs(
  objective: ReferenceObjective,
  start: ArrayLike<number>,
  options: ReferenceLbfgsOptions = {},
): ReferenceMinimum {
  const { convention = 'pytorch', lineSearch = 'strong-wolfe' } = options;
  const all: Required<ReferenceLbfgsOptions> = {
    ...{ lr: 1, history: 10, lineSearch, toleranceChange: 0, convention, rounds: 1000, ulp: 2 ** -52 },
    toleranceGrad: convention === 'optax' ? 0 : 1e-5,
    ...options,
    trials: lineSearch === 'none' ? 1 : (options.trials ?? 4),
  };
  let x: Float64Array = Float64Array.from(start);
  let { value, gradient: g } = objective(x);
  let evaluations = 1;
  let iterations = 0;
  let stopped: ReferenceMinimum['stopped'];
  const rounds: ReferenceRound[] = [{ value, x, step: 0 }];
  const result = (): ReferenceMinimum => ({
    ...{ rounds, iterations, evaluations, x, value, gradMax: largest(g), stopped },
  });
  if (!Number.isFinite(value) || !Array.from(g).every(Number.isFinite)) {
    stopped = 'nonfinite';
    return result();
  }
  let pairs: Pair[] = [];
  let [failures, cleared, flats] = [0, false, 0];
  let [d, slope, base, ratio] = [new Float64Array(x.length), 0, 0, 0];
  const turn = () => {
    d = direction(g, pairs);
    slope = dot(g, d);
    if (!(slope < 0)) {
      pairs = [];
      d = direction(g, pairs);
      slope = dot(g, d);
    }
    const size = convention === 'optax' ? Math.sqrt(dot(g, g)) : total(g);
    [base, ratio] = pairs.length === 0 ? [all.lr * Math.min(1, 1 / size), 4] : [all.lr, 2];
  };
  const isSmall = () => largest(g) === 0 || largest(g) <= all.toleranceGrad;
  if (isSmall()) stopped = 'gradient';
  turn();
  while (!stopped && rounds.length < all.rounds) {
    const tried = grid(base, ratio, all.trials).map((step): Tried => {
      const point = along(x, step, d);
      const at = objective(point);
      return { ...at, step, x: point, slope: dot(at.gradient, d) };
    });
    evaluations += tried.length;
    const taken = choose(tried, { value, slope }, all);
    if (!taken) {
      base *= ratio ** -all.trials;
      if (++failures === 4) {
        if (cleared || pairs.length === 0) stopped = 'linesearch';
        [failures, cleared, pairs] = [0, true, []];
        turn();
      }
      rounds.push({ value, x, step: 0 });
      continue;
    }
    iterations++;
    [failures, cleared] = [0, false];
    const from = { x, g };
    const s = taken.x.map((each, i) => each - from.x[i]!);
    const y = Float64Array.from(taken.gradient, (each, i) => each - from.g[i]!);
    const gain = Math.abs(value - taken.value);
    const scale = Math.max(Math.abs(value), Math.abs(taken.value));
    ({ x, value, gradient: g } = taken);
    rounds.push({ value, x, step: taken.step });
    const moved = largest(s);
    flats = gain <= 4 * all.ulp * scale && moved <= 1e-3 * Math.max(1, largest(x)) ? flats + 1 : 0;
    const still = all.toleranceChange > 0 && (gain <= all.toleranceChange || moved <= all.toleranceChange);
    if (isSmall()) stopped = 'gradient';
    else if (still || flats >= 2) stopped = 'flat';
    if (dot(s, y) > 1e-6 * Math.sqrt(dot(s, s)) * Math.sqrt(dot(y, y)))
      pairs = [...pairs, { s, y }].slice(-all.history);
    turn();
  }
  return result();
}
