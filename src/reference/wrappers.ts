import { hash } from './hash.js';

/*
 * What goes round a rule, in float64, each in the form of its paper.
 */

/** Lookahead, after update number `count` (from 1): k steps forward, one step back. `fast` and `slow` in place. */
export function referenceLookahead(
  fast: Float64Array,
  slow: Float64Array,
  count: number,
  { k, alpha }: { readonly k: number; readonly alpha: number },
): void {
  if (count % k !== 0) return;
  for (let i = 0; i < fast.length; i++) {
    slow[i] = (1 - alpha) * slow[i]! + alpha * fast[i]!;
    fast[i] = slow[i]!;
  }
}

/** Gradient centralisation of a row-major tensor: minus the mean over all axes but that of the outputs. */
export function referenceCentralize(
  gradient: Float64Array,
  shape: readonly number[],
  outputs: 'first' | 'last',
): Float64Array {
  if (shape.length < 2) return gradient.slice();
  const count = outputs === 'last' ? shape.at(-1)! : shape[0]!;
  const inputs = gradient.length / count;
  const outputOf = (i: number) => (outputs === 'last' ? i % count : Math.floor(i / inputs));
  const sums = new Float64Array(count);
  for (const [i, value] of gradient.entries()) sums[outputOf(i)] = sums[outputOf(i)]! + value;
  return gradient.map((value, i) => value - sums[outputOf(i)]! / inputs);
}

/** Keeps these numbers apart from others of the same seed: 'GN'. */
const STREAM = 0x474e_0000;

/**
 * Gradient noise of one element at update number `count` + 1: a normal number, as a sum of twelve uniforms, times
 * √(eta / (1 + count)^gamma).
 *
 * @param element its number among those of all tensors that are trained
 * @param seeds the trainer's (0 for an optimizer), and the noise's own
 */
export function referenceNoise(
  element: number,
  count: number,
  { eta, gamma }: { readonly eta: number; readonly gamma: number },
  seeds: readonly [number, number],
): number {
  const key = hash(seeds[0], STREAM, seeds[1]);
  let sum = 0;
  for (let pair = 0; pair < 6; pair++) {
    const bits = hash(key, count, 6 * element + pair);
    // Each half is uniform on 0 … 65535, with mean 32767.5.
    sum += (bits >>> 16) + (bits & 0xffff) - 65_535;
  }
  return Math.sqrt(eta / (1 + count) ** gamma) * (sum / 65_536);
}

/**
 * Cautious update of one tensor: of the update p = decayed - u only what agrees with the gradient, scaled up.
 *
 * @param param after the rule's update, changed in place
 * @param decayed before it, with its decoupled decay taken off
 * @param gradient as the rule saw it
 */
export function referenceCautious(param: Float64Array, decayed: Float64Array, gradient: Float64Array): void {
  const update = param.map((p, i) => decayed[i]! - p);
  const mask = update.map((u, i) => (u * gradient[i]! > 0 ? 1 : 0));
  const mean = mask.reduce((sum, each) => sum + each, 0) / mask.length;
  for (let i = 0; i < param.length; i++) param[i] = decayed[i]! - (update[i]! * mask[i]!) / Math.max(mean, 1e-3);
}
