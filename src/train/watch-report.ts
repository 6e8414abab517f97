import { BINS, MOMENTS } from '../kernels/watch.js';

/* What telemetry reports, and how segments of numbers become one report: in float64. */

/** Options of a run's `watch`. */
export interface WatchOptions {
  /** Looks at the steps whose number is a multiple of this. Default 100. */
  readonly every?: number;
  /** Also counts how weights, gradients and outputs are spread. Default false. */
  readonly histograms?: boolean;
}

/** How numbers are spread: over 64 bins of equal width from `min` to `max`. */
export interface Histogram {
  readonly min: number;
  readonly max: number;
  /** Of each bin; the last one includes `max`. Where all numbers are equal, the first one has them. */
  readonly counts: readonly number[];
}

/** What there is to know of many numbers. Those that are not finite are counted, and left out of all else. */
export interface Summary {
  readonly mean: number;
  /** Standard deviation, of the numbers as they are (divided by n). */
  readonly std: number;
  readonly min: number;
  readonly max: number;
  /** Share of zeros, from 0 to 1. */
  readonly zeros: number;
  readonly nonFinite: number;
  readonly histogram?: Histogram;
}

/** One tensor at one step. */
export interface TensorWatch {
  /** '0.weight', '0.bias' … */
  readonly name: string;
  /** 2-norm of the step's gradient, before clipping. */
  readonly gradientNorm: number;
  /** 2-norm of the tensor after the step. */
  readonly weightNorm: number;
  /** 2-norm of what the step changed: 0 where its update was left out, or waits for more steps to accumulate. */
  readonly updateNorm: number;
  /** `updateNorm / weightNorm`: about 1e-3 in healthy training, by a rule of thumb. 0 where nothing changed. */
  readonly updateRatio: number;
  readonly gradient: Summary;
  /** After the step. */
  readonly weight: Summary;
}

/** What a layer put out for the batch of a step. */
export interface OutputWatch extends Summary {
  /** How much the outputs follow the samples: √ of the mean over units of the variance over the batch. */
  readonly unitStd: number;
  /** Share of dead units, from 0 to 1: those whose output is 0 for every sample of the batch. */
  readonly dead: number;
}

/** One layer at one step. */
export interface LayerWatch {
  /** Its place in the model, from 0. */
  readonly layer: number;
  /** 'linear', 'relu' … */
  readonly name: string;
  /** Of its output. */
  readonly width: number;
  /** Absent where no output is kept: a linear layer that is computed together with its activation has none of its own. */
  readonly output?: OutputWatch;
  /** Of all its tensors together; absent where it has none. */
  readonly gradientNorm?: number;
  readonly updateRatio?: number;
}

/** What {@link WatchOptions} asked for, at one step. Plain data. */
export interface WatchReport {
  /** In the order of the model. */
  readonly layers: readonly LayerWatch[];
  readonly tensors: readonly TensorWatch[];
}

/** Sums of numbers, as far as they are finite, in float64. */
export interface Moments {
  /** Of numbers, finite or not. */
  readonly count: number;
  /** Of finite ones. */
  readonly finite: number;
  readonly mean: number;
  /** Σ (x - mean)² */
  readonly squares: number;
  readonly min: number;
  readonly max: number;
  readonly zeros: number;
}

/** The moments of one segment, as the kernel left them. @param at its place */
export function momentsAt(partial: Float32Array, at: number, count: number): Moments {
  const [unit, mean, rest, squares, min, max, zeros, bad] = partial.subarray(MOMENTS * at, MOMENTS * (at + 1));
  const finite = count - bad!;
  const off = finite > 0 ? rest! / finite : 0;
  return {
    count,
    finite,
    mean: finite > 0 ? unit! * (mean! + off) : 0,
    squares: Math.max(squares! - finite * off * off, 0) * unit! * unit!,
    min: min!,
    max: max!,
    zeros: zeros!,
  };
}

const NOTHING: Moments = {
  ...{ count: 0, finite: 0, mean: 0, squares: 0, zeros: 0 },
  ...{ min: Number.POSITIVE_INFINITY, max: Number.NEGATIVE_INFINITY },
};

/** All of them together (Chan, Golub & LeVeque 1979). */
export const addMoments = (all: readonly Moments[]): Moments =>
  all.reduce((a, b) => {
    const finite = a.finite + b.finite;
    if (finite === 0) return Object.assign({}, NOTHING, { count: a.count + b.count });
    const apart = b.mean - a.mean;
    return {
      count: a.count + b.count,
      finite,
      mean: a.mean + apart * (b.finite / finite),
      squares: a.squares + b.squares + apart * apart * ((a.finite * b.finite) / finite),
      min: Math.min(a.min, b.min),
      max: Math.max(a.max, b.max),
      zeros: a.zeros + b.zeros,
    };
  }, NOTHING);

/** √ Σ x² */
export const normOf = ({ squares, finite, mean }: Moments): number => Math.sqrt(squares + finite * mean * mean);

/** @param counts of the bins, where they were counted */
export function summaryOf({ count, finite, mean, squares, min, max, zeros }: Moments, counts?: Uint32Array): Summary {
  const some = finite > 0;
  const range = some ? { min, max } : { min: Number.NaN, max: Number.NaN };
  return {
    mean: some ? mean : Number.NaN,
    std: some ? Math.sqrt(squares / finite) : Number.NaN,
    ...range,
    zeros: zeros / count,
    nonFinite: count - finite,
    ...(counts && { histogram: { ...range, counts: Array.from(counts.subarray(0, BINS)) } }),
  };
}

/** A layer's output from the moments of its units. */
export function outputOf(units: readonly Moments[], counts?: Uint32Array): OutputWatch {
  const variances = units.map(({ squares, finite }) => (finite > 0 ? squares / finite : Number.NaN));
  return {
    ...summaryOf(addMoments(units), counts),
    unitStd: Math.sqrt(variances.reduce((sum, each) => sum + each, 0) / units.length),
    dead: units.filter(({ zeros, count }) => zeros === count).length / units.length,
  };
}

/** ‖Δp‖ / ‖p‖ */
export const ratioOf = (update: number, weight: number): number => (update === 0 ? 0 : update / weight);
