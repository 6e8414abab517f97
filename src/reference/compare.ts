import { DownhillError } from '../gpu/errors.js';

/*
 * How far an f32 result may lie from the float64 reference, and where it lies farthest. One number for all elements
 * (rtol, atol) would either pass a wrong learning rate or fail a right kernel; the limits here follow each element.
 */

/** 2^-24, half the distance from 1 to the next f32: the relative error of one f32 rounding. */
export const ROUNDING = 2 ** -24;

/** Smallest normal f32. WGSL lets an implementation flush what lies below it to 0. */
const SMALLEST_NORMAL = 2 ** -126;

const view = new DataView(new ArrayBuffer(8));

/**
 * The unit in the last place of `x` as an f32: 2^(floor(log2 |x|) - 23), and 2^-149 for 0 and subnormal numbers. Of
 * the float64 as it is, not rounded first, and without an upper end: infinite for infinity, NaN for NaN.
 */
export function ulp(x: number): number {
  if (!Number.isFinite(x)) return Math.abs(x);
  // The exponent field: Math.log2 just below a power of two may round up to it.
  view.setFloat64(0, x);
  const exponent = ((view.getUint16(0) >>> 4) & 0x7ff) - 1023;
  return 2 ** (Math.max(exponent, -126) - 23);
}

/**
 * How far an f32 parameter may lie from its float64 value after `steps` updates:
 *
 *     ulp(largest) · (1 + r · steps / 2) + u · 2^-24 · travel + steps · 2^-126
 *
 * First term: each step stores the parameter with `r` roundings of at most half a unit, which add up where the steps
 * are alike (hence steps, not their root). Second: the relative error of every single update; WGSL allows 2.5 units for
 * a division, several for a root, and the moments add theirs. Last: a subnormal value may be flushed at any store.
 *
 * @param largest largest |x| or single change of the element so far.
 * @param travel sum of the |changes| of the element so far.
 * @param r roundings per store: 1; 2 where a decay factor is applied first (adamw).
 * @param u 16, a gate that correct kernels pass at about half; where an element travels far, an lr off by 3e-6 fails.
 */
export function pathTolerance(largest: number, travel: number, steps: number, r = 1, u = 16): number {
  return ulp(largest) * (1 + (r * steps) / 2) + u * ROUNDING * travel + steps * SMALLEST_NORMAL;
}

/**
 * Follows the parameters while the reference steps, for {@link pathTolerance}.
 *
 * @example
 * const path = new Path(param);
 * for (let t = 1; t <= T; t++) {
 *   adam.update(param, grad, state, t);
 *   path.advance(param);
 * }
 * worst(actual, param, (i) => path.limit(i, T)).ratio <= 1;
 */
export class Path {
  /** Largest |x| or single change, per element. */
  readonly largest: Float64Array;
  /** Sum of |changes|, per element. */
  readonly travel: Float64Array;
  private readonly last: Float64Array;

  constructor(start: ArrayLike<number>) {
    this.last = new Float64Array(start);
    this.largest = this.last.map(Math.abs);
    this.travel = new Float64Array(start.length);
  }

  /** Takes in the parameters after one more step. */
  advance(x: ArrayLike<number>): void {
    checkLength('x', x.length, this.last.length);
    const { largest, travel, last } = this;
    for (let i = 0; i < x.length; i++) {
      const change = Math.abs(x[i]! - last[i]!);
      largest[i] = Math.max(largest[i]!, Math.abs(x[i]!), change);
      travel[i] = travel[i]! + change;
      last[i] = x[i]!;
    }
  }

  /** {@link pathTolerance} of element `i` after `steps` updates. */
  limit(i: number, steps: number, r = 1, u = 16): number {
    return pathTolerance(this.largest[i]!, this.travel[i]!, steps, r, u);
  }
}

/** The element that lies farthest outside (or least inside) its limit. */
export interface Worst {
  /** -1 when there are no elements; the other numbers are then 0. */
  readonly index: number;
  readonly actual: number;
  readonly expected: number;
  readonly limit: number;
  /** |actual - expected| / limit: the comparison passes when this is at most 1. Infinite where a NaN has no partner. */
  readonly ratio: number;
}

/**
 * Finds the largest |error| / limit, the first of equal ones.
 *
 * Nothing passes by being not a number: a NaN, an infinity or a NaN limit gives ratio infinity, except that NaN equals
 * NaN and that infinity is right where the expected value rounds to it in f32.
 */
export function worst(actual: Float32Array, expected: Float64Array, limit: (i: number) => number): Worst {
  checkLength('actual', actual.length, expected.length);
  let found: Worst = { index: -1, actual: 0, expected: 0, limit: 0, ratio: 0 };
  for (let i = 0; i < expected.length; i++) {
    const allowed = limit(i);
    const ratio = errorRatio(actual[i]!, expected[i]!, allowed);
    if (found.index < 0 || ratio > found.ratio) {
      found = { index: i, actual: actual[i]!, expected: expected[i]!, limit: allowed, ratio };
    }
  }
  return found;
}

function errorRatio(actual: number, expected: number, limit: number): number {
  if (Object.is(actual, expected) || actual === expected) return 0;
  if (!Number.isFinite(actual)) return actual === Math.fround(expected) ? 0 : Number.POSITIVE_INFINITY;
  const ratio = Math.abs(actual - expected) / limit;
  return ratio >= 0 && Number.isFinite(expected) ? ratio : Number.POSITIVE_INFINITY;
}

/**
 * How far an f32 sum of `k` products may lie from its float64 value: (4 + log2 k) · 2^-24 · Σ|a||b|.
 *
 * @param k terms of the sum.
 * @param sumAbs Σ|a||b| over those terms.
 * @param oneSign for products of one sign, where a serial loop drifts: 2 √k replaces 4 + log2 k if it is larger.
 */
export function gemmLimit(k: number, sumAbs: number, oneSign = false): number {
  const tree = 4 + Math.log2(Math.max(k, 1));
  return (oneSign ? Math.max(tree, 2 * Math.sqrt(k)) : tree) * ROUNDING * sumAbs;
}

function checkLength(name: string, got: number, expected: number): void {
  if (got !== expected) {
    throw new DownhillError(
      'SHAPE-MISMATCH',
      `${name} must have ${expected} elements, got ${got}.`,
      'Compare arrays of one length.',
    );
  }
}
