import type { ReferenceState } from './rule.js';

/*
 * What schedule-free rules average, in the form of the paper: z moves, x is the average of z, the parameter y lies between
 * them. The kernel has another form, without x.
 */

interface Averaging {
  readonly lr: number;
  readonly warmupSteps: number;
  readonly r: number;
  readonly weightLrPower: number;
}

/** The rate of update t with its warm-up. */
export const gammaAt = (t: number, { lr, warmupSteps }: Averaging): number =>
  warmupSteps > 0 ? lr * Math.min(1, t / warmupSteps) : lr;

/**
 * c of update t: its weight divided by the sum of all so far.
 *
 * @param state its `weights` (the sum, and the largest rate) go on, where it has them; else the settings were always these
 */
export function shareAt(t: number, hyper: Averaging, state: ReferenceState): number {
  const { r, weightLrPower } = hyper;
  let [sum, largest] = [0, 0];
  let weight = 0;
  const add = (at: number) => {
    largest = Math.max(largest, gammaAt(at, hyper));
    weight = at ** r * largest ** weightLrPower;
    sum += weight;
  };
  if (state.weights) {
    [sum, largest] = [state.weights[0]!, state.weights[1]!];
    add(t);
    state.weights.set([sum, largest]);
  } else for (let at = 1; at <= t; at++) add(at);
  return sum > 0 ? weight / sum : 0;
}

/** x, which is evaluated, from y = (1 - beta)·z + beta·x. */
export const evaluated = (y: number, z: number, beta: number): number => (y - (1 - beta) * z) / beta;

/**
 * One update of every element: z -= gamma · d, x = (1 - c) · x + c · z, y = (1 - beta) · z + beta · x.
 *
 * @param step d, by element
 */
export function average(
  param: Float64Array,
  z: Float64Array,
  t: number,
  { gamma, c, beta }: { readonly gamma: number; readonly c: number; readonly beta: number },
  step: (i: number) => number,
): void {
  if (t === 1) z.set(param);
  for (let i = 0; i < param.length; i++) {
    const d = step(i);
    const x = evaluated(param[i]!, z[i]!, beta);
    z[i] = z[i]! - gamma * d;
    param[i] = (1 - beta) * z[i]! + beta * ((1 - c) * x + c * z[i]!);
  }
}
