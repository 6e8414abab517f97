/** Curves as the notes draw them: smoothed by a Kaiser window, and over seeds as a median with a band. */

/** Steps under the window. */
export const WINDOW = 11;
/** Of the window: 2 is nearly a Hamming window, as in SciPy's cookbook from which such code is taken. */
const BETA = 2;

/** The modified Bessel function of the first kind, order 0: Σ ((x/2)^k / k!)². */
function bessel(x: number): number {
  let [sum, term] = [1, 1];
  for (let k = 1; term > 1e-16 * sum; k++) {
    term *= (x / 2 / k) ** 2;
    sum += term;
  }
  return sum;
}

/** NumPy's kaiser(size, beta), of sum 1. */
export function kaiser(size: number, beta = BETA): number[] {
  const weights = Array.from({ length: size }, (_, i) => {
    const at = size === 1 ? 0 : (2 * i) / (size - 1) - 1;
    return bessel(beta * Math.sqrt(1 - at * at)) / bessel(beta);
  });
  const sum = weights.reduce((total, each) => total + each, 0);
  return weights.map((each) => each / sum);
}

/**
 * The values under a Kaiser window of `size`, as many as there were. At the ends the series is mirrored, as in the notes' code;
 * a value that is no number makes those under its window none.
 */
export function smooth(values: ArrayLike<number>, size = WINDOW): (number | null)[] {
  const { length } = values;
  const width = Math.min(size, 2 * Math.floor((length - 1) / 2) + 1);
  const half = (width - 1) / 2;
  const weights = kaiser(Math.max(width, 1));
  return Array.from({ length }, (_, at) => {
    let sum = 0;
    for (let k = -half; k <= half; k++) {
      const i = at + k;
      sum += weights[k + half]! * values[i < 0 ? -i : i >= length ? 2 * (length - 1) - i : i]!;
    }
    return Number.isFinite(sum) ? sum : null;
  });
}

/** The value below which so large a share lies, by linear interpolation; what is no number counts as infinite. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = values.map((value) => (Number.isNaN(value) ? Number.POSITIVE_INFINITY : value)).sort((a, b) => a - b);
  const at = share * (sorted.length - 1);
  const [low, high] = [sorted[Math.floor(at)]!, sorted[Math.ceil(at)]!];
  return low === high ? low : low + (at - Math.floor(at)) * (high - low);
}

export const median = (values: readonly number[]): number => quantile(values, 0.5);

const finite = (value: number) => (Number.isFinite(value) ? value : null);

/** Series of equal length as one: the median, and the least and the greatest where there are several. */
export function across(series: readonly (readonly (number | null)[])[]): {
  readonly y: (number | null)[];
  readonly band?: { readonly low: (number | null)[]; readonly high: (number | null)[] };
} {
  const length = Math.min(...series.map((each) => each.length));
  const at = (share: number) =>
    Array.from({ length }, (_, i) =>
      finite(
        quantile(
          series.map((each) => each[i] ?? Number.NaN),
          share,
        ),
      ),
    );
  return series.length === 1 ? { y: [...series[0]!] } : { y: at(0.5), band: { low: at(0), high: at(1) } };
}
