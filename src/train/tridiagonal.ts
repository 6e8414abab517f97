/** Eigenvalues of a symmetric tridiagonal matrix, and of each eigenvector the first and the last component. */
export interface TridiagonalSpectrum {
  /** Ascending. */
  readonly values: readonly number[];
  readonly first: readonly number[];
  readonly last: readonly number[];
}

/** Sweeps for one eigenvalue; usually two or three do. */
const MOST_SWEEPS = 60;

/**
 * The spectrum of a symmetric tridiagonal matrix in float64, by QL with implicit shifts (EISPACK's imtql2, of which only two
 * rows of the eigenvectors are kept).
 *
 * @param diagonal n numbers
 * @param beside n - 1 numbers, next to the diagonal
 */
export function tridiagonalSpectrum(diagonal: ArrayLike<number>, beside: ArrayLike<number>): TridiagonalSpectrum {
  const n = diagonal.length;
  const d = Float64Array.from(diagonal);
  const e = new Float64Array(n);
  e.set(Array.from(beside).slice(0, n - 1));
  const first = new Float64Array(n);
  const last = new Float64Array(n);
  first[0] = 1;
  last[n - 1] = 1;
  for (let l = 0; l < n; l++) {
    for (let sweep = 0; sweep < MOST_SWEEPS; sweep++) {
      const m = splitAt(d, e, l);
      if (m === l) break;
      sweepUp(d, e, l, m, [first, last]);
    }
  }
  const order = [...d.keys()].sort((i, j) => d[i]! - d[j]!);
  const of = (values: Float64Array) => order.map((i) => values[i]!);
  return { values: of(d), first: of(first), last: of(last) };
}

/** Where from `l` on the matrix falls into two. */
function splitAt(d: Float64Array, e: Float64Array, l: number): number {
  let m = l;
  while (m < d.length - 1 && Math.abs(e[m]!) > Number.EPSILON * (Math.abs(d[m]!) + Math.abs(d[m + 1]!))) m++;
  return m;
}

/** One sweep of rotations from m - 1 up to l. */
function sweepUp(d: Float64Array, e: Float64Array, l: number, m: number, rows: readonly Float64Array[]): void {
  let g = (d[l + 1]! - d[l]!) / (2 * e[l]!);
  g = d[m]! - d[l]! + e[l]! / (g + (g < 0 ? -1 : 1) * Math.hypot(g, 1));
  let [s, c, p] = [1, 1, 0];
  for (let i = m - 1; i >= l; i--) {
    const f = s * e[i]!;
    const b = c * e[i]!;
    const r = Math.hypot(f, g);
    e[i + 1] = r;
    if (r === 0) {
      d[i + 1]! -= p;
      e[m] = 0;
      return;
    }
    s = f / r;
    c = g / r;
    g = d[i + 1]! - p;
    const t = (d[i]! - g) * s + 2 * c * b;
    p = s * t;
    d[i + 1] = g + p;
    g = c * t - b;
    for (const row of rows) {
      const above = row[i + 1]!;
      row[i + 1] = s * row[i]! + c * above;
      row[i] = c * row[i]! - s * above;
    }
  }
  d[l]! -= p;
  e[l] = g;
  e[m] = 0;
}
