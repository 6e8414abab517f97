import { pcgHash } from '../kernels/random.js';
import { type Params, type Space, valueAt } from './space.js';

/*
 * Random numbers of a search: a hash of where one is used, never of what was drawn before, so that a search which is resumed
 * draws what it would have drawn.
 */

/** Keeps a search's numbers apart from those that batches and weights have of the same seed. */
const STREAM = 0x5ea7c4;

/** A float64 in [0, 1): number `index` of a trial. */
export const unitAt = (seed: number, trial: number, index: number): number =>
  pcgHash(seed ^ STREAM, trial, index) / 2 ** 32;

/** A part of every axis, from `low` to `high` of its unit interval; of a choice the cells that are left. */
export type Box = Readonly<
  Record<string, { readonly low: number; readonly high: number; readonly cells?: readonly number[] }>
>;

/** The parameters of a trial: a pure function of seed and trial. */
export const sample = (space: Space, seed: number, trial: number, box: Box = {}): Params =>
  paramsAt(space, (_, i) => unitAt(seed, trial, i), box);

/** Random numbers of a Latin hypercube's order come behind those of parameters. */
const ORDER = 1024;

/**
 * A Latin hypercube: of `count` trials from number `first` on, each has a stretch of its own of every axis, in an order that is drawn for each axis
 * by itself; where in its stretch it lies is drawn, too. So few draws leave no large part of an axis out.
 *
 * Paper: McKay, Beckman & Conover 1979.
 */
export function latinHypercube(space: Space, seed: number, first: number, count: number, box: Box = {}): Params[] {
  const trials = Array.from({ length: count }, (_, i) => i);
  const orders = Object.keys(space).map((_, axis) => {
    const keys = trials.map((i) => unitAt(seed, first + i, ORDER + axis));
    const order = [...trials].sort((a, b) => keys[a]! - keys[b]! || a - b);
    return trials.map((i) => order.indexOf(i));
  });
  return trials.map((i) =>
    paramsAt(space, (_, axis) => (orders[axis]![i]! + unitAt(seed, first + i, axis)) / count, box),
  );
}

function paramsAt(space: Space, unitOf: (name: string, axis: number) => number, box: Box): Params {
  return Object.fromEntries(
    Object.entries(space).map(([name, parameter], i) => {
      const unit = unitOf(name, i);
      const part = box[name];
      if (!part) return [name, valueAt(parameter, unit)];
      if (part.cells && parameter.kind === 'choice')
        return [name, parameter.values[part.cells[Math.floor(unit * part.cells.length)]!]!];
      return [name, valueAt(parameter, part.low + unit * (part.high - part.low))];
    }),
  );
}
