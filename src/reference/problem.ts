/*
 * Analytic functions in float64. Each says value, gradient and Hessian-vector product a second time, written otherwise than its
 * kernel where that can be: as a plane's Hessian, or as residuals.
 */

/** What a function is made with: the settings of its problem, and the numbers it was given. */
export type ReferenceGiven = Readonly<Record<string, unknown>> & {
  readonly n: number;
  /** What its kernel reads beside the point. */
  readonly data: ArrayLike<number>;
};

/** Where noise is drawn: of a replica's seed, at a step from 0. */
export interface NoiseAt {
  readonly seed: number;
  readonly step: number;
}

/** An analytic function. */
export interface ReferenceProblem {
  value(x: ArrayLike<number>, given: ReferenceGiven): number;
  /** @param at of a gradient that is noisy; without it there is no noise */
  gradient(x: ArrayLike<number>, given: ReferenceGiven, at?: NoiseAt): Float64Array;
  /** The Hessian times v. */
  product(x: ArrayLike<number>, v: ArrayLike<number>, given: ReferenceGiven): Float64Array;
}

/** A function of two dimensions; `hessian` is (xx, xy, yy). */
export const plane = (own: {
  value(x: number, y: number): number;
  gradient(x: number, y: number): readonly [number, number];
  hessian(x: number, y: number): readonly [number, number, number];
}): ReferenceProblem => ({
  value: (x) => own.value(x[0]!, x[1]!),
  gradient: (x) => Float64Array.from(own.gradient(x[0]!, x[1]!)),
  product: (x, v) => {
    const [xx, xy, yy] = own.hessian(x[0]!, x[1]!);
    return Float64Array.of(xx * v[0]! + xy * v[1]!, xy * v[0]! + yy * v[1]!);
  },
});

/** The sum of a function of each element. */
export const separable = (own: {
  value(x: number, i: number, given: ReferenceGiven): number;
  slope(x: number, i: number, given: ReferenceGiven): number;
  curvature(x: number, i: number, given: ReferenceGiven): number;
}): ReferenceProblem => ({
  value: (x, given) => Array.from(x).reduce((sum, value, i) => sum + own.value(value, i, given), 0),
  gradient: (x, given) => Float64Array.from(x, (value, i) => own.slope(value, i, given)),
  product: (x, v, given) => Float64Array.from(x, (value, i) => own.curvature(value, i, given) * v[i]!),
});

/** One residual r of a sum of squares: its gradient, and its Hessian's rows where it has one. */
export interface Residual {
  readonly r: number;
  readonly by: readonly number[];
  readonly hessian?: () => readonly (readonly number[])[];
}

const dot = (a: ArrayLike<number>, b: ArrayLike<number>) =>
  Array.from(a).reduce((sum, each, i) => sum + each * b[i]!, 0);

/** f = Σ r²; ∇f = 2 Σ r ∇r; Hv = 2 Σ (∇r·v) ∇r + r ∇²r v. */
export const leastSquares = (
  residuals: (x: readonly number[], given: ReferenceGiven) => readonly Residual[],
): ReferenceProblem => ({
  value: (x, given) => residuals(Array.from(x), given).reduce((sum, { r }) => sum + r * r, 0),
  gradient(x, given) {
    const sum = new Float64Array(x.length);
    for (const { r, by } of residuals(Array.from(x), given))
      for (let i = 0; i < x.length; i++) sum[i] = sum[i]! + 2 * r * by[i]!;
    return sum;
  },
  product(x, v, given) {
    const sum = new Float64Array(x.length);
    for (const { r, by, hessian } of residuals(Array.from(x), given)) {
      const change = dot(by, v);
      const rows = hessian?.();
      for (let i = 0; i < x.length; i++) sum[i] = sum[i]! + 2 * (change * by[i]! + (rows ? r * dot(rows[i]!, v) : 0));
    }
    return sum;
  },
});
